/* test.c: runs the registered tests, each in its own process.
 *
 * A test's process leads a process group; its output goes to a file in its folder. The parent waits with a time limit, ends
 * the whole group, removes the folder, and prints one line. With arguments, only the tests whose name contains one of them run. */
#include "tests/test.h"

#include "common/cleanup.h"
#include "tests/temporary.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#define STATUS_SKIPPED 77

/* A refused allocation is an answer to be tested, not a reason to stop. */
__attribute__((visibility("default"))) const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

__attribute__((visibility("default"))) const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static struct test *first, **last = &first;
static char build_dir[PATH_MAX], source_dir[PATH_MAX], test_dir[PATH_MAX];

void test_register(struct test *test)
{
    *last = test;
    last = &test->next;
}

void test_fail(const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    fflush(NULL);
    _exit(1);
}

void test_skip(const char *format, ...)
{
    FILE *reason = fopen("skip-reason", "w");
    va_list args;
    va_start(args, format);
    if (reason) {
        vfprintf(reason, format, args);
        fclose(reason);
    }
    va_end(args);
    fflush(NULL);
    _exit(STATUS_SKIPPED);
}

void test_note(const char *format, ...)
{
    char path[PATH_MAX + 8];
    snprintf(path, sizeof(path), "%s/notes", test_dir);
    FILE *notes = fopen(path, "a");
    va_list args;
    va_start(args, format);
    if (notes) {
        vfprintf(notes, format, args);
        fputc('\n', notes);
        fclose(notes);
    }
    va_end(args);
}

const char *test_build(void)
{
    return build_dir;
}

const char *test_source(void)
{
    return source_dir;
}

const char *test_data(void)
{
    static char path[PATH_MAX + 32];
    const char *set = getenv("SLEDDOG_TEST_DATA");
    if (set)
        snprintf(path, sizeof(path), "%s", set);
    else
        snprintf(path, sizeof(path), "%s/../shared/data", source_dir);
    if (access(path, R_OK) < 0)
        test_skip("no test data at %s (set SLEDDOG_TEST_DATA)", path);
    return path;
}

char *test_read_file(const char *path, size_t *ret_size)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        test_fail(__FILE__, __LINE__, "%s: %s", path, strerror(errno));
    char *data = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&data, &size);
    char chunk[65536];
    size_t n;
    while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
        fwrite(chunk, 1, n, memory);
    fclose(memory);
    fclose(file);
    if (ret_size)
        *ret_size = size;
    return data;
}

void test_write_file(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, size, file) != size || fclose(file))
        test_fail(__FILE__, __LINE__, "%s: %s", path, strerror(errno));
}

int test_shell(char **ret_output, const char *format, ...)
{
    char command[16384];
    va_list args;
    va_start(args, format);
    if (vsnprintf(command, sizeof(command) - 8, format, args) >= (int)sizeof(command) - 8)
        test_fail(__FILE__, __LINE__, "command too long");
    va_end(args);
    if (ret_output)
        strcat(command, " 2>&1");
    fflush(NULL);
    FILE *pipe = popen(command, "r");
    if (!pipe)
        test_fail(__FILE__, __LINE__, "popen: %s", strerror(errno));
    char *output = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&output, &size);
    char chunk[4096];
    size_t n;
    while ((n = fread(chunk, 1, sizeof(chunk), pipe)) > 0)
        fwrite(chunk, 1, n, memory);
    fclose(memory);
    int status = pclose(pipe);
    if (ret_output)
        *ret_output = output;
    else
        free(output);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)ftw;
    (void)status;
    if (type == FTW_D || type == FTW_DNR)
        chmod(path, 0700);
    return remove(path) && errno != ENOENT ? -1 : 0;
}

static void child(const struct test *test, const char *folder)
{
    setpgid(0, 0);
    if (chdir(folder) < 0)
        _exit(1);
    snprintf(test_dir, sizeof(test_dir), "%s", folder);
    int output = open("output", O_CREAT | O_WRONLY | O_TRUNC | O_APPEND, 0600);
    int null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    dup2(output, 1);
    dup2(output, 2);
    close(null);
    close(output);
    test->run();
    fflush(NULL);
    exit(0);
}

/* Waits for `pid` to end; kills its group when `seconds` have passed. Returns the wait status. */
static int wait_for(pid_t pid, int seconds, bool *ret_late)
{
    struct timespec start, now, nap = { 0, 2000000 };
    clock_gettime(CLOCK_MONOTONIC, &start);
    int status;
    *ret_late = false;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec - start.tv_sec > seconds) {
            *ret_late = true;
            kill(-pid, SIGKILL);
            waitpid(pid, &status, 0);
            break;
        }
        nanosleep(&nap, NULL);
    }
    kill(-pid, SIGKILL);
    return status;
}

static void print_file(const char *folder, const char *name, const char *indent)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    char line[4096];
    while (file && fgets(line, sizeof(line), file))
        printf("%s%s%s", indent, line, strchr(line, '\n') ? "" : "\n");
    if (file)
        fclose(file);
}

static int time_scale(void)
{
    const char *scale = getenv("SLEDDOG_TEST_TIME_SCALE");
    return scale ? atoi(scale) : 1;
}

/* 1 passed, 0 failed, -1 skipped */
static int run_one(const struct test *test)
{
    char folder[TEMPORARY_NAME], sentence[256];
    snprintf(sentence, sizeof(sentence), "%s", test->name);
    for (char *c = sentence; *c; c++)
        if (*c == '_')
            *c = ' ';
    if (!mkdtemp(temporary_name(folder, "sleddog-test"))) {
        printf("FAIL  %s: no temporary folder: %s\n", sentence, strerror(errno));
        return 0;
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        child(test, folder);
    setpgid(pid, pid);
    bool late;
    int seconds = test->seconds * time_scale(), status = wait_for(pid, seconds, &late), verdict = 0;
    if (!late && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        verdict = 1;
        printf("ok    %s\n", sentence);
    } else if (!late && WIFEXITED(status) && WEXITSTATUS(status) == STATUS_SKIPPED) {
        verdict = -1;
        printf("skip  %s:\n", sentence);
        print_file(folder, "skip-reason", "      ");
    } else {
        printf("FAIL  %s: ", sentence);
        if (late)
            printf("not done after %d s\n", seconds);
        else if (WIFSIGNALED(status))
            printf("ended by signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
        else
            printf("exit status %d\n", WEXITSTATUS(status));
        print_file(folder, "output", "      | ");
    }
    print_file(folder, "notes", "      ");
    if (getenv("SLEDDOG_TEST_KEEP"))
        printf("      kept: %s\n", folder);
    else
        nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    fflush(stdout);
    return verdict;
}

static bool wanted(const struct test *test, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strstr(test->name, argv[i]))
            return true;
    return argc < 2;
}

static void find_folders(void)
{
    const char *build = getenv("SLEDDOG_BUILD");
    char self[PATH_MAX] = "";
    if (build)
        snprintf(build_dir, sizeof(build_dir), "%s", build);
    else if (readlink("/proc/self/exe", self, sizeof(self) - 1) > 0) {
        char *tests = strstr(self, "/tests/");
        if (tests)
            *tests = '\0';
        snprintf(build_dir, sizeof(build_dir), "%s", self);
    }
    snprintf(source_dir, sizeof(source_dir), "%s", build_dir);
    char *end = strstr(source_dir, "/build");
    if (end)
        *end = '\0';
}

int main(int argc, char **argv)
{
    int passed = 0, failed = 0, skipped = 0;
    find_folders();
    for (const struct test *test = first; test; test = test->next) {
        if (!wanted(test, argc, argv))
            continue;
        int verdict = run_one(test);
        passed += verdict > 0;
        failed += verdict == 0;
        skipped += verdict < 0;
    }
    const char *tally = getenv("SLEDDOG_TEST_TALLY");
    FILE *file = tally ? fopen(tally, "a") : NULL;
    if (file) {
        fprintf(file, "%d %d %d\n", passed, failed, skipped);
        fclose(file);
    } else
        printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed > 0;
}
