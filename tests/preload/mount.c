/* mount.c: put in front of libc (LD_PRELOAD), makes a folder or a file of workers behave as on a mount that is away; of coordinators, the model that they lend.
 *
 *     SLEDDOG_MOUNT="dead FLAG PREFIX"     while there is a file FLAG, opening and reading what begins with PREFIX does not come back
 *     SLEDDOG_MOUNT="missing FLAG PREFIX"  while there is a file FLAG, nothing that begins with PREFIX is there
 *     SLEDDOG_MOUNT="unlent FLAG PREFIX"   while there is a file FLAG, a coordinator's pread() of what begins with PREFIX does not come back;
 *                                          then there is a file FLAG.held
 *     SLEDDOG_MOUNT="slow FLAG PREFIX"     while there is a file FLAG, it takes a fiftieth of a second */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum { NOTHING, DEAD, MISSING, UNLENT, SLOW } mode;
static char flag[4096], prefix[4096];

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void read_orders(void)
{
    const char *text = getenv("SLEDDOG_MOUNT");
    char what[16];
    if (!text || sscanf(text, "%15s %4095s %4095s", what, flag, prefix) != 3)
        return;
    if (!strcmp(program_invocation_short_name, "sleddog-worker"))
        mode = !strcmp(what, "dead") ? DEAD : !strcmp(what, "missing") ? MISSING : NOTHING;
    else if (!strcmp(program_invocation_short_name, "sleddog-coordinator"))
        mode = !strcmp(what, "unlent") ? UNLENT : !strcmp(what, "slow") ? SLOW : NOTHING;
}

static bool is_away(const char *path)
{
    return mode && !strncmp(path, prefix, strlen(prefix)) && access(flag, F_OK) == 0;
}

static void wait_until_back(const char *path)
{
    while ((mode == DEAD || mode == UNLENT) && is_away(path))
        usleep(200000); /* a process that waits for a mount uses no processor time to speak of */
}

static int open_there(const char *path, int flags, mode_t rights)
{
    if (mode == DEAD)
        wait_until_back(path);
    if ((mode == DEAD || mode == MISSING) && is_away(path)) {
        errno = ENOENT;
        return -1;
    }
    return REAL(open)(path, flags, rights);
}

#define OPENS(name)                                                       \
    int name(const char *path, int flags, ...)                            \
    {                                                                     \
        va_list args;                                                     \
        va_start(args, flags);                                            \
        mode_t rights = flags & O_CREAT ? va_arg(args, mode_t) : 0;       \
        va_end(args);                                                     \
        return open_there(path, flags, rights);                           \
    }

OPENS(open)
OPENS(open64)

static void find_path(int fd, char path[4096])
{
    char link[32];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, 4095);
    path[length > 0 ? length : 0] = '\0';
}

ssize_t read(int fd, void *data, size_t size)
{
    char path[4096];
    if (mode == DEAD && access(flag, F_OK) == 0) {
        find_path(fd, path);
        wait_until_back(path);
    }
    return REAL(read)(fd, data, size);
}

/* For who waits for somebody to wait. */
static void tell_held(void)
{
    char path[4200];
    snprintf(path, sizeof(path), "%s.held", flag);
    int held = REAL(open)(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (held >= 0)
        close(held);
}

static void lend(int fd)
{
    char path[4096];
    if (mode < UNLENT || access(flag, F_OK) < 0)
        return;
    find_path(fd, path);
    if (mode == UNLENT && is_away(path))
        tell_held();
    wait_until_back(path);
    if (mode == SLOW && is_away(path))
        usleep(20000);
}

ssize_t pread(int fd, void *data, size_t size, off_t offset)
{
    lend(fd);
    return REAL(pread)(fd, data, size, offset);
}

ssize_t pread64(int fd, void *data, size_t size, off_t offset)
{
    lend(fd);
    return REAL(pread64)(fd, data, size, offset);
}
