#include "tests/cluster/lib/process.h"

#include "common/cleanup.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

double patience(double seconds)
{
    const char *scale = getenv("SLEDDOG_TEST_TIME_SCALE");
    return scale ? seconds * atoi(scale) : seconds;
}

void rest(double until, const char *file, int line, const char *condition)
{
    struct timespec nap = { 0, 5000000 };
    if (now_s() > until)
        test_fail(file, line, "waited in vain for: %s", condition);
    nanosleep(&nap, NULL);
}

static int open_output(const char *name, const char *ending)
{
    char path[128];
    snprintf(path, sizeof(path), "%s.%s", name, ending);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    return fd;
}

/* As a shell calls what it found on the PATH: commands that a program proposes then have its name alone. */
static void call(const char *const *argv)
{
    const char *named[256] = { NULL };
    const char *slash = strrchr(argv[0], '/');
    for (int i = 0; i < (int)ARRAY_SIZE(named) - 1 && argv[i]; i++)
        named[i] = i || !slash ? argv[i] : slash + 1;
    execv(argv[0], (char *const *)named);
    dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

void process_start(struct process *process, const char *name, const char *const *argv)
{
    *process = (struct process){ 0 };
    snprintf(process->name, sizeof(process->name), "%s", name);
    /* Here and not there: it may be killed before it has done anything. */
    CLEANUP(closep) int out = open_output(name, "out");
    CLEANUP(closep) int err = open_output(name, "err");
    fflush(NULL);
    process->pid = fork();
    CHECK(process->pid >= 0);
    if (process->pid)
        return;
    if (dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0)
        _exit(126);
    call(argv);
}

static void keep_end(struct process *process, int status, const struct rusage *usage)
{
    process->pid = 0;
    process->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    process->peak_kib = usage->ru_maxrss;
    process->cpu_s = (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
                     (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e6;
}

bool process_running(struct process *process)
{
    int status;
    struct rusage usage;
    if (process->pid && wait4(process->pid, &status, WNOHANG, &usage) == process->pid)
        keep_end(process, status, &usage);
    return process->pid;
}

/* What it said is part of the test's output, which is shown if the test fails. */
static void show(const struct process *process)
{
    CLEANUP(freep) char *err = process_err(process);
    fprintf(stderr, "-- %s ended with %d:\n%s", process->name, process->status, err);
}

bool is_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#else
    return false;
#endif
}

/* Local workers write to a log in the job directory, and nobody asks for their exit status. */
static void check_reports(void)
{
    CLEANUP(freep) char *report = NULL;
    if (is_sanitized() && test_shell(&report, "grep -r -A40 -E 'Sanitizer: |runtime error: ' . --include=*.log --include=*.err") == 0)
        test_fail(__FILE__, __LINE__, "a sanitizer reports:\n%s", report);
}

int process_end(struct process *process)
{
    double until = now_s() + patience(150);
    while (process_running(process))
        rest(until, __FILE__, __LINE__, process->name);
    show(process);
    check_reports();
    return process->status;
}

void process_signal(struct process *process, int number)
{
    CHECK(process->pid > 0);
    CHECK_INT(kill(process->pid, number), 0);
}

static char *output(const struct process *process, const char *ending)
{
    char path[128];
    snprintf(path, sizeof(path), "%s.%s", process->name, ending);
    return test_read_file(path, NULL);
}

char *process_out(const struct process *process)
{
    return output(process, "out");
}

char *process_err(const struct process *process)
{
    return output(process, "err");
}

bool process_said(const struct process *process, const char *text)
{
    CLEANUP(freep) char *err = process_err(process);
    return strstr(err, text);
}
