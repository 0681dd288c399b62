/* provider_process.c: `credential_process` of a profile: a command line whose output is a JSON object with "Version": 1.
 *
 * It runs in a shell, with the terminal's and the environment's everything, so that `aws configure export-credentials` and the like work; it is
 * ended after a minute. */
#include "common/s3/provider.h"

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#define PROCESS_MS 60000
#define LOOK_MS    200 /* between two looks at `stop` */

struct process {
    pid_t pid;
    int out, err; /* our ends */
};

/* In a group of its own, so that a shell's children end with it, and with no signal blocked (threads here block all). */
static int spawn(const char *command, int out, int err, pid_t *ret)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, err, STDERR_FILENO);
    char *const argv[] = { (char *)"sh", (char *)"-c", (char *)command, NULL };
    int r = posix_spawn(ret, "/bin/sh", &files, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return -r;
}

static int start(const char *command, struct process *process)
{
    int out[2], err[2];
    if (pipe2(out, O_CLOEXEC) < 0)
        return -errno;
    if (pipe2(err, O_CLOEXEC) < 0) {
        int r = -errno;
        close(out[0]);
        close(out[1]);
        return r;
    }
    int r = spawn(command, out[1], err[1], &process->pid);
    close(out[1]);
    close(err[1]);
    process->out = out[0];
    process->err = err[0];
    if (r < 0) {
        close(out[0]);
        close(err[0]);
    }
    return r;
}

/* One read of a pipe that has something. 0 at its end. */
static int read_some(int fd, struct bytes *to)
{
    char chunk[4096];
    ssize_t n = read(fd, chunk, sizeof(chunk));
    if (n < 0)
        return errno == EINTR ? 1 : -errno;
    int r = bytes_append(to, chunk, (size_t)n);
    return r < 0 ? r : n > 0;
}

/* Both pipes to their ends. */
static int collect(const struct process *process, const atomic_bool *stop, struct bytes *out, struct bytes *err)
{
    struct pollfd fds[] = { { process->out, POLLIN, 0 }, { process->err, POLLIN, 0 } };
    struct bytes *to[] = { out, err };
    uint64_t end_ns = clock_now_ns() + PROCESS_MS * NS_PER_MS;
    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        if (clock_now_ns() >= end_ns || (stop && atomic_load(stop)))
            return -ETIMEDOUT;
        int ready = poll(fds, 2, LOOK_MS);
        if (ready == 0 || (ready < 0 && errno == EINTR))
            continue;
        if (ready < 0)
            return -errno;
        for (int i = 0; i < 2; i++) {
            int r = fds[i].fd >= 0 && fds[i].revents ? read_some(fds[i].fd, to[i]) : 1;
            if (r < 0)
                return r;
            if (r == 0)
                fds[i].fd = -1;
        }
    }
    return 0;
}

/* Returns the wait status, or negative errno; after an error the process and its children are ended. */
static int run(const char *command, const atomic_bool *stop, struct bytes *out, struct bytes *err)
{
    struct process process = { -1, -1, -1 };
    int r = start(command, &process), status = 0;
    if (r < 0)
        return r;
    r = collect(&process, stop, out, err);
    if (r < 0)
        kill(-process.pid, SIGKILL);
    close(process.out);
    close(process.err);
    while (waitpid(process.pid, &status, 0) < 0 && errno == EINTR)
        ;
    return r < 0 ? r : status;
}

static int failed(const char *source, int r, struct bytes *err, struct why *why)
{
    if (r == -ETIMEDOUT)
        return because(why, r, "%s: the command has not ended within a minute", source);
    if (r == -EMSGSIZE)
        return because(why, -EFBIG, "%s: the command writes far more than credentials", source);
    if (r < 0)
        return because(why, r, "%s: cannot run it: %s", source, strerror(-r));
    const char *words = err->data ? err->data : "";
    int length = (int)strcspn(words, "\r\n");
    return because(why, -EACCES, "%s: the command ended with status %d%s%.*s; run it by hand to see more", source,
                   WIFEXITED(r) ? WEXITSTATUS(r) : 128 + WTERMSIG(r), length ? ": " : "", length < 200 ? length : 200, words);
}

int provider_process(const struct search *search, struct credentials **ret, struct why *why)
{
    const char *command = profiles_get(search->profiles, search->profile, "credential_process");
    char source[96];
    if (!command)
        return because(why, 0, "no credential_process");
    snprintf(source, sizeof(source), "credential_process of profile %.60s", search->profile);
    CLEANUP(bytes_done) struct bytes out;
    CLEANUP(bytes_done) struct bytes err;
    bytes_init(&out, CREDENTIALS_MAX_BYTES);
    bytes_init(&err, CREDENTIALS_MAX_BYTES);
    int r = run(command, search->stop, &out, &err);
    if (r != 0)
        return failed(source, r, &err, why);
    r = credentials_from_json(out.data ? out.data : "", out.size, "SessionToken", source, ret, why);
    if (out.data)
        explicit_bzero(out.data, out.size);
    return r;
}
