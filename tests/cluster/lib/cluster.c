#include "tests/cluster/lib/cluster.h"

#include "common/cleanup.h"

#include <jansson.h>
#include <limits.h>
#include <signal.h>

#define ARGUMENTS_MAX 64

static void begin(struct process *process, const char *name, const char *program, const char *const *first, const char *const *arguments)
{
    const char *argv[ARGUMENTS_MAX];
    char path[PATH_MAX];
    int count = 0;
    snprintf(path, sizeof(path), "%s/%s", test_build(), program);
    argv[count++] = path;
    for (; *first; first++)
        argv[count++] = *first;
    for (; *arguments && count < ARGUMENTS_MAX - 1; arguments++)
        argv[count++] = *arguments;
    argv[count] = NULL;
    process_start(process, name, argv);
}

void coordinator_begin(struct process *process, const char *name, const char *const *arguments)
{
    begin(process, name, "sleddog-coordinator", (const char *const[]){ NULL }, arguments);
}

int coordinate(const char *name, const char *const *arguments)
{
    struct process process;
    coordinator_begin(&process, name, arguments);
    return process_end(&process);
}

void choose_runtime_folder(void)
{
    char here[PATH_MAX];
    CHECK(getcwd(here, sizeof(here)));
    CHECK_INT(setenv("XDG_RUNTIME_DIR", here, 1), 0);
}

static bool find_port(struct daemon *daemon)
{
    static const char mark[] = "listens on tcp://127.";
    if (!process_running(&daemon->process))
        test_fail(__FILE__, __LINE__, "%s ended with %d", daemon->process.name, process_end(&daemon->process));
    if (!process_said(&daemon->process, mark))
        return false;
    CLEANUP(freep) char *err = process_err(&daemon->process);
    const char *at = strstr(err, mark) + strlen(mark), *colon = strchr(at, ':');
    daemon->port = colon && strchr(at, '\n') ? atoi(colon + 1) : 0;
    return daemon->port;
}

void daemon_start_as(struct daemon *daemon, const char *program, const char *name, int port, const char *const *arguments)
{
    char listen[32];
    choose_runtime_folder();
    snprintf(listen, sizeof(listen), "127.0.0.1:%d", port);
    begin(&daemon->process, name, program, (const char *const[]){ "--listen", listen, NULL }, arguments);
    WAIT_FOR(find_port(daemon));
}

void daemon_start(struct daemon *daemon, const char *name, int port, const char *const *arguments)
{
    daemon_start_as(daemon, "sleddog-worker", name, port, arguments);
}

void daemon_stop(struct daemon *daemon)
{
    process_signal(&daemon->process, SIGTERM);
    CHECK_INT(process_end(&daemon->process), 0);
}

void write_text(const char *path, const char *text)
{
    test_write_file(path, text, strlen(text));
}

void write_nodes(const char *path, const struct daemon *const *daemons, int count)
{
    FILE *file = fopen(path, "w");
    CHECK(file);
    for (int i = 0; i < count; i++)
        fprintf(file, "127.0.0.1:%d   # %s\n", daemons[i]->port, daemons[i]->process.name);
    CHECK_INT(fclose(file), 0);
}

void write_node(const char *path, const struct daemon *daemon)
{
    write_nodes(path, &daemon, 1);
}

char *read_text(const char *path)
{
    return test_read_file(path, NULL);
}

void check_contains(const char *path, const char *part)
{
    CLEANUP(freep) char *text = read_text(path);
    if (!strstr(text, part))
        test_fail(__FILE__, __LINE__, "%s lacks \"%s\"; it holds:\n%s", path, part, text);
}

void check_lacks(const char *path, const char *part)
{
    CLEANUP(freep) char *text = read_text(path);
    if (strstr(text, part))
        test_fail(__FILE__, __LINE__, "%s must not say \"%s\"; it holds:\n%s", path, part, text);
}

void check_same_file(const char *a, const char *b)
{
    size_t size_a, size_b, at = 0;
    CLEANUP(freep) char *data_a = test_read_file(a, &size_a);
    CLEANUP(freep) char *data_b = test_read_file(b, &size_b);
    CHECK(size_a > 0);
    while (at < size_a && at < size_b && data_a[at] == data_b[at])
        at++;
    if (at < size_a || at < size_b)
        test_fail(__FILE__, __LINE__, "%s (%zu bytes) and %s (%zu bytes) differ from byte %zu: \"%.120s\"", a, size_a, b, size_b, at, data_a + at);
}

long job_done(const char *job)
{
    CLEANUP(freep) char *output = NULL;
    long done = 0;
    if (test_shell(&output, "%s/sleddog-coordinator status '%s'", test_build(), job) == 0) {
        const char *at = strstr(output, "\ndone");
        CHECK(at && sscanf(at, "\ndone %ld images", &done) == 1);
    }
    return done;
}

static bool is_worker(pid_t pid)
{
    char path[64], name[32] = "";
    snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
    CLEANUP(fclosep) FILE *file = fopen(path, "r");
    return file && fgets(name, sizeof(name), file) && !strcmp(name, "sleddog-worker\n");
}

int workers_of(const struct process *process, pid_t *ret, int size)
{
    char path[64];
    int count = 0;
    pid_t pid;
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)process->pid, (int)process->pid);
    CLEANUP(fclosep) FILE *file = fopen(path, "r");
    while (file && count < size && fscanf(file, "%d", &pid) == 1)
        if (is_worker(pid))
            ret[count++] = pid;
    return count;
}

bool is_gone(pid_t pid)
{
    char path[64], state = 'Z';
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    CLEANUP(fclosep) FILE *file = fopen(path, "r");
    return !file || fscanf(file, "%*d (%*[^)]) %c", &state) != 1 || state == 'Z';
}

static json_t *load_summary(const char *job)
{
    char path[128];
    json_error_t error;
    snprintf(path, sizeof(path), "%s/summary.json", job);
    json_t *summary = json_load_file(path, 0, &error);
    CHECK(summary);
    return summary;
}

long images_done_by_nodes(const char *job)
{
    size_t i;
    long sum = 0;
    json_t *node, *summary = load_summary(job);
    json_array_foreach(json_object_get(summary, "nodes"), i, node)
        sum += (long)json_integer_value(json_object_get(node, "images"));
    json_decref(summary);
    return sum;
}

long images_computed(const char *job)
{
    size_t i;
    long images = 0;
    json_t *stage, *summary = load_summary(job);
    json_array_foreach(json_object_get(summary, "stages"), i, stage)
        if (!strcmp(json_string_value(json_object_get(stage, "name")), "engine"))
            images = (long)json_integer_value(json_object_get(stage, "items"));
    json_decref(summary);
    return images;
}
