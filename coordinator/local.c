#include "coordinator/local.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/machine.h"
#include "common/thread.h"
#include "coordinator/coordinator.h"
#include "coordinator/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#define MAX_STARTS   6
#define MAX_ARGUMENTS 64
#define ENOUGH_MEMORY ((int64_t)1 << 30) /* bytes; a smaller share is not made a limit */
#define STOP_NS      (10 * NS_PER_S)

struct local {
    struct sockets sockets;
    char program[PATH_MAX];
    struct coordinator *c;
    struct bytes arguments;  /* NUL-separated, the same for all */
};

/* ---- starting ---- */

static void log_path(const struct local *local, const struct node *node, char *path, size_t size)
{
    const char *number = strrchr(node->name, ' ');
    snprintf(path, size, "%s/worker-%s.log", local->c->plan->job_dir, number ? number + 1 : "x");
}

/* Between fork and exec only what is safe while other threads may hold locks. */
static void become_worker(const struct local *local, const struct node *node, const char *log, pid_t parent)
{
    char *argv[MAX_ARGUMENTS];
    int count = 0;
    sigset_t none;
    argv[count++] = (char *)"sleddog-worker";
    argv[count++] = (char *)"--listen";
    argv[count++] = (char *)node->endpoint;
    for (char *at = local->arguments.data; at < local->arguments.data + local->arguments.size && count < MAX_ARGUMENTS - 1; at += strlen(at) + 1)
        argv[count++] = at;
    argv[count] = NULL;
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666), null = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(fd < 0 ? null : fd, STDERR_FILENO);
    /* A group of its own: Ctrl-C is for the coordinator, which then asks its workers to leave. */
    setpgid(0, 0);
    signal(SIGHUP, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execv(local->program, argv);
    static const char text[] = "cannot run sleddog-worker\n";
    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    _exit(127);
}

static int start_worker(struct local *local, struct node *node, struct why *why)
{
    char log[PATH_MAX];
    log_path(local, node, log, sizeof(log));
    struct stat status;
    node->log_begin = stat(log, &status) == 0 ? status.st_size : 0;
    pid_t parent = getpid(), pid = fork();
    if (pid < 0)
        return because(why, -errno, "%s: cannot start a worker: %s", node->name, strerror(errno));
    if (pid == 0)
        become_worker(local, node, log, parent);
    node->pid = pid;
    node->starts++;
    return 0;
}

static int find_program(struct local *local, struct why *why)
{
    int r = machine_beside("sleddog-worker", local->program, sizeof(local->program));
    if (r == 0 && access(local->program, X_OK) < 0)
        r = -errno;
    return r < 0 ? because(why, r, "%s: %s; sleddog-worker must lie beside sleddog-coordinator", local->program, strerror(-r)) : 0;
}

/* Unless told otherwise the workers share cores and memory. */
static int make_arguments(struct local *local, const struct run_plan *plan)
{
    struct tuning tuning = *plan->tuning;
    int share = thread_cpus() / plan->local;
    if (!tuning.engine_threads)
        tuning.engine_threads = share > 0 ? share : 1;
    int64_t memory = (int64_t)(machine_memory() / 5 * 4) / plan->local;
    if (!tuning.memory_limit && memory > ENOUGH_MEMORY)
        tuning.memory_limit = memory;
    bytes_init(&local->arguments, 65536);
    return tuning_arguments(&tuning, &local->arguments);
}

int local_start(struct coordinator *c, struct local **ret, struct why *why)
{
    struct local *local = calloc(1, sizeof(*local));
    if (!local)
        return because(why, -ENOMEM, "out of memory");
    *ret = local;
    local->c = c;
    int r = find_program(local, why);
    if (r < 0)
        return r;
    if (make_arguments(local, c->plan) < 0)
        return because(why, -ENOMEM, "out of memory");
    r = sockets_open(c->plan->job_dir, &local->sockets, why);
    for (int i = 1; i <= c->plan->local && r == 0; i++) {
        char name[32], endpoint[160];
        snprintf(name, sizeof(name), "local %d", i);
        snprintf(endpoint, sizeof(endpoint), "ipc://%s/%d", local->sockets.folder, i);
        struct node *node = node_add(c, name, endpoint, "", why);
        if (node)
            node->local = true;
        r = node ? start_worker(local, node, why) : -ENOMEM;
    }
    return r;
}

/* ---- ending ---- */

static void describe_end(int status, char *text, size_t size)
{
    if (WIFSIGNALED(status))
        snprintf(text, size, "its process was ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(text, size, "its process ended with status %d", WEXITSTATUS(status));
}

/* The last line of what this process wrote to its log, without the program's name; `ret` is untouched when it wrote nothing. */
static void read_last_words(const struct node *node, const char *log, char *ret, size_t size)
{
    char end[2048];
    CLEANUP(closep) int fd = open(log, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0 || status.st_size <= node->log_begin)
        return;
    off_t most = (off_t)sizeof(end) - 1, from = status.st_size - node->log_begin < most ? node->log_begin : status.st_size - most;
    ssize_t got = pread(fd, end, sizeof(end) - 1, from);
    while (got > 0 && end[got - 1] == '\n')
        got--;
    end[got > 0 ? got : 0] = '\0';
    const char *line = strrchr(end, '\n') ? strrchr(end, '\n') + 1 : end, *name = "sleddog-worker: ";
    snprintf(ret, size, "%s", line + (strncmp(line, name, strlen(name)) ? 0 : strlen(name)));
}

static void worker_died(struct local *local, struct node *node, int status)
{
    char text[160], words[512], log[PATH_MAX], reason[PATH_MAX + 1024];
    struct why why;
    node->pid = 0;
    if (node->state == NODE_REFUSED || local->c->stopping)
        return;
    node->starts -= node->alone != 0;
    describe_end(status, text, sizeof(text));
    log_path(local, node, log, sizeof(log));
    words[0] = '\0';
    if (WIFEXITED(status))
        read_last_words(node, log, words, sizeof(words));
    snprintf(reason, sizeof(reason), "%s%s%s; its log is %s", text, *words ? ": " : "", words, log);
    if (node->starts >= MAX_STARTS) {
        node_refused(node, reason);
        return;
    }
    if (node->state == NODE_CALLING && WIFSIGNALED(status)) /* one that ends by itself as soon as it is started says why once, when it is given up */
        log_warning("%s: %s", node->name, reason);
    node_lost(node, reason);
    if (start_worker(local, node, &why) < 0)
        node_refused(node, why.text);
}

void local_reap(struct local *local, struct coordinator *c)
{
    for (struct node *node = c->nodes; node && local; node = node->next) {
        int status;
        if (node->pid && waitpid(node->pid, &status, WNOHANG) == node->pid)
            worker_died(local, node, status);
    }
}

void local_kill(struct node *node)
{
    if (node->pid)
        kill(node->pid, SIGKILL);
}

static void wait_for_end(struct node *node)
{
    uint64_t until = clock_now_ns() + STOP_NS;
    struct timespec nap = { 0, 2 * NS_PER_MS };
    while (waitpid(node->pid, NULL, WNOHANG) == 0) {
        if (clock_now_ns() > until) {
            kill(node->pid, SIGKILL);
            until = UINT64_MAX;
        }
        nanosleep(&nap, NULL);
    }
    node->pid = 0;
}

void local_stop(struct local *local)
{
    if (!local)
        return;
    for (struct node *node = local->c->nodes; node; node = node->next)
        if (node->pid)
            kill(node->pid, SIGTERM);
    for (struct node *node = local->c->nodes; node; node = node->next)
        if (node->pid)
            wait_for_end(node);
    sockets_close(&local->sockets);
    bytes_done(&local->arguments);
    free(local);
}
