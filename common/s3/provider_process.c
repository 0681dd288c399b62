/* provider_process.c: `credential_process` of a profile: a command line whose output is a JSON object with "Version": 1.
 *
 * It runs in a shell, with the environment's everything, so that `aws configure export-credentials` and the like work; it is ended after a minute.
 * The shell's end is the end of what it says: children that it leaves behind may keep the pipes open for as long as they live. */
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
#include <sys/pidfd.h>
#include <sys/wait.h>

#define PROCESS_MS 60000
#define LOOK_MS    200 /* between two looks at `stop` */

struct process {
    pid_t pid;
    int ended;    /* readable once it has */
    int out, err; /* our ends, which do not block */
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
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    fcntl(err[0], F_SETFL, O_NONBLOCK);
    if (r < 0) {
        close(out[0]);
        close(err[0]);
        return r;
    }
    process->ended = pidfd_open(process->pid, 0);
    return 0; /* without this one, as on an old kernel, the ends of the pipes are waited for */
}

#define NOTHING 2  /* there just now */
#define READS   64 /* more than fill a pipe */

/* One read of a pipe. 0 at its end. What is for people is cut off: of a flood its beginning is enough. */
static int read_some(int fd, struct bytes *to, bool for_people)
{
    char chunk[4096];
    ssize_t n = read(fd, chunk, sizeof(chunk));
    if (n < 0)
        return errno == EINTR ? 1 : errno == EAGAIN ? NOTHING : -errno;
    bool enough = for_people && to->size + sizeof(chunk) > CREDENTIALS_MAX_BYTES;
    int r = enough ? 0 : bytes_append(to, chunk, (size_t)n);
    return r < 0 ? r : n > 0;
}

/* What is in a pipe already, and not much that comes meanwhile: 0 at its end, 1 when there may be more later. */
static int drain(int fd, struct bytes *to, bool for_people)
{
    int r = 1;
    for (int i = 0; i < READS && r == 1; i++)
        r = read_some(fd, to, for_people);
    return r == NOTHING ? 1 : r;
}

/* Both pipes to their ends, or to the end of the process. */
static int collect(const struct process *process, const atomic_bool *stop, struct bytes *out, struct bytes *err)
{
    struct pollfd fds[] = { { process->out, POLLIN, 0 }, { process->err, POLLIN, 0 }, { process->ended, POLLIN, 0 } };
    uint64_t end_ns = clock_now_ns() + PROCESS_MS * NS_PER_MS;
    bool ended = false;
    while (!ended && (fds[0].fd >= 0 || fds[1].fd >= 0)) {
        if (clock_now_ns() >= end_ns || (stop && atomic_load(stop)))
            return -ETIMEDOUT;
        if (poll(fds, ARRAY_SIZE(fds), LOOK_MS) < 0 && errno != EINTR)
            return -errno;
        ended = fds[2].fd >= 0 && fds[2].revents; /* all it wrote is in the pipes now */
        int more = fds[0].fd < 0 ? 0 : drain(fds[0].fd, out, false), words = fds[1].fd < 0 ? 0 : drain(fds[1].fd, err, true);
        if (more < 0 || words < 0)
            return more < 0 ? more : words;
        fds[0].fd = more ? fds[0].fd : -1;
        fds[1].fd = words ? fds[1].fd : -1;
    }
    return 0;
}

/* Returns the wait status, or negative errno; after an error the process and its children are ended. */
static int run(const char *command, const atomic_bool *stop, struct bytes *out, struct bytes *err)
{
    struct process process = { -1, -1, -1, -1 };
    int r = start(command, &process), status = 0;
    if (r < 0)
        return r;
    r = collect(&process, stop, out, err);
    if (r < 0)
        kill(-process.pid, SIGKILL);
    close(process.out);
    close(process.err);
    closep(&process.ended);
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
    char *words = err->data;
    int length = words ? (int)strcspn(words, "\r\n") : 0;
    for (int i = 0; i < length; i++) /* they may go to a terminal */
        if ((unsigned char)words[i] < ' ' || words[i] == 0x7f)
            words[i] = '?';
    return because(why, -EACCES, "%s: the command ended with status %d%s%.*s; run it by hand to see more", source,
                   WIFEXITED(r) ? WEXITSTATUS(r) : 128 + WTERMSIG(r), length ? ": " : "", length < 200 ? length : 200, words ? words : "");
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
