/* fault.c: put in front of libc (LD_PRELOAD), lets a disk fail or a process die at its n-th change of a file.
 *
 *     SLEDDOG_FAULT="PROGRAM kill N"       SIGKILL in the place of change number N, from 1; of a write the first half is done
 *     SLEDDOG_FAULT="PROGRAM ERRNO N"      from change number N on, all of them but removing fail with this errno
 *     SLEDDOG_FAULT="PROGRAM locks ERRNO"  no lock of an open file description can be had; nothing else fails
 *     SLEDDOG_FAULT="PROGRAM count FILE"   appends a line with the number of changes to FILE at the end
 *     SLEDDOG_FAULT="PROGRAM kill-send N", "PROGRAM count-sends FILE"    the same with what it sends into IP networks, in place of changes
 *
 * Changes are writing, creating, cutting, syncing, renaming and removing, of regular files but the standard ones. Other programs are left alone. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static enum { NOTHING, KILL, FAIL, LOCKS, COUNT } mode;
static bool sends; /* they are counted and hit, and not changes */
static long at;
static int error;
static char count_file[4096];
static atomic_long changes;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void read_orders(void)
{
    const char *text = getenv("SLEDDOG_FAULT");
    char program[64], what[16], value[4096];
    if (!text || sscanf(text, "%63s %15s %4095s", program, what, value) != 3 || strcmp(program, program_invocation_short_name))
        return;
    sends = !strcmp(what, "kill-send") || !strcmp(what, "count-sends");
    mode = !strncmp(what, "kill", 4) ? KILL : !strncmp(what, "count", 5) ? COUNT : !strcmp(what, "locks") ? LOCKS : FAIL;
    error = atoi(mode == LOCKS ? value : what);
    at = atol(value);
    snprintf(count_file, sizeof(count_file), "%s", value);
}

__attribute__((destructor)) static void tell_count(void)
{
    int fd = mode == COUNT ? REAL(open)(count_file, O_WRONLY | O_CREAT | O_APPEND, 0666) : -1;
    char text[32];
    int size = snprintf(text, sizeof(text), "%ld\n", atomic_load(&changes));
    if (fd >= 0)
        (void)!REAL(write)(fd, text, (size_t)size);
}

/* Whether this change is to fail. Where the process is to die it does not return, but for a write, whose first half is still to be done. */
static bool strikes_now(bool *half)
{
    long number = atomic_fetch_add(&changes, 1) + 1;
    if (mode == KILL && number == at) {
        if (!half)
            kill(getpid(), SIGKILL);
        else
            *half = true;
    }
    if (mode != FAIL || number < at)
        return false;
    errno = error;
    return true;
}

static bool strikes(bool *half)
{
    return mode != NOTHING && !sends && strikes_now(half);
}

static bool is_of_a_network(int fd)
{
    struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
    socklen_t size = sizeof(address);
    return getsockname(fd, (struct sockaddr *)&address, &size) == 0 && (address.ss_family == AF_INET || address.ss_family == AF_INET6);
}

ssize_t send(int fd, const void *data, size_t size, int flags)
{
    bool half = false;
    if (sends && is_of_a_network(fd))
        (void)strikes_now(&half);
    ssize_t r = REAL(send)(fd, data, half ? size / 2 : size, flags);
    if (half)
        kill(getpid(), SIGKILL);
    return r;
}

static bool is_regular(int fd)
{
    struct stat status;
    return fd > STDERR_FILENO && fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

#define WRITES(name, parameters, arguments)                  \
    ssize_t name parameters                                  \
    {                                                        \
        bool half = false;                                   \
        if (mode != NOTHING && is_regular(fd)) {             \
            if (strikes(&half))                              \
                return -1;                                   \
            if (half)                                        \
                size = size / 2;                             \
        }                                                    \
        ssize_t r = REAL(name)arguments;                     \
        if (half)                                            \
            kill(getpid(), SIGKILL);                         \
        return r;                                            \
    }

WRITES(write, (int fd, const void *data, size_t size), (fd, data, size))
WRITES(pwrite, (int fd, const void *data, size_t size, off_t offset), (fd, data, size, offset))
WRITES(pwrite64, (int fd, const void *data, size_t size, off64_t offset), (fd, data, size, offset))

#define CHANGES_FILE(name, parameters, arguments)                      \
    int name parameters                                                \
    {                                                                  \
        return mode != NOTHING && is_regular(fd) && strikes(NULL) ? -1 : REAL(name)arguments; \
    }

CHANGES_FILE(ftruncate, (int fd, off_t size), (fd, size))
CHANGES_FILE(ftruncate64, (int fd, off64_t size), (fd, size))
CHANGES_FILE(fsync, (int fd), (fd))
CHANGES_FILE(fdatasync, (int fd), (fd))

#define CHANGES_NAME(name, parameters, arguments)              \
    int name parameters                                        \
    {                                                          \
        return strikes(NULL) ? -1 : REAL(name)arguments;       \
    }

CHANGES_NAME(rename, (const char *from, const char *to), (from, to))
CHANGES_NAME(renameat, (int from_folder, const char *from, int to_folder, const char *to), (from_folder, from, to_folder, to))
CHANGES_NAME(mkdir, (const char *path, mode_t permissions), (path, permissions))

/* A full disk lets one remove. */
#define REMOVES(name, parameters, arguments)                       \
    int name parameters                                            \
    {                                                              \
        return mode != FAIL && strikes(NULL) ? -1 : REAL(name)arguments; \
    }

REMOVES(unlink, (const char *path), (path))
REMOVES(unlinkat, (int folder, const char *path, int flags), (folder, path, flags))

static mode_t permissions_of(int flags, va_list arguments)
{
    return flags & (O_CREAT | __O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
}

#define OPENS(name, first_parameters, first_arguments)                                          \
    int name first_parameters                                                                   \
    {                                                                                           \
        va_list arguments;                                                                      \
        va_start(arguments, flags);                                                             \
        mode_t permissions = permissions_of(flags, arguments);                                  \
        va_end(arguments);                                                                      \
        return flags & O_CREAT && strikes(NULL) ? -1 : REAL(name)first_arguments;               \
    }

OPENS(open, (const char *path, int flags, ...), (path, flags, permissions))
OPENS(open64, (const char *path, int flags, ...), (path, flags, permissions))
OPENS(openat, (int folder, const char *path, int flags, ...), (folder, path, flags, permissions))
OPENS(openat64, (int folder, const char *path, int flags, ...), (folder, path, flags, permissions))

#define LOCKS_FILE(name)                                       \
    int name(int fd, int command, ...)                         \
    {                                                          \
        va_list arguments;                                     \
        va_start(arguments, command);                          \
        void *argument = va_arg(arguments, void *);            \
        va_end(arguments);                                     \
        if (mode == LOCKS && command == F_OFD_SETLK) {         \
            errno = error;                                     \
            return -1;                                         \
        }                                                      \
        return REAL(name)(fd, command, argument);              \
    }

LOCKS_FILE(fcntl)
LOCKS_FILE(fcntl64)
