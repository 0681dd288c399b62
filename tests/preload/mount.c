/* mount.c: put in front of libc (LD_PRELOAD), makes a folder or a file of workers behave as on a mount that is away.
 *
 *     SLEDDOG_MOUNT="dead FLAG PREFIX"     while there is a file FLAG, opening and reading what begins with PREFIX does not come back
 *     SLEDDOG_MOUNT="missing FLAG PREFIX"  while there is a file FLAG, nothing that begins with PREFIX is there */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum { NOTHING, DEAD, MISSING } mode;
static char flag[4096], prefix[4096];

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void read_orders(void)
{
    const char *text = getenv("SLEDDOG_MOUNT");
    char what[16];
    if (text && sscanf(text, "%15s %4095s %4095s", what, flag, prefix) == 3 && !strcmp(program_invocation_short_name, "sleddog-worker"))
        mode = !strcmp(what, "dead") ? DEAD : MISSING;
}

static bool is_away(const char *path)
{
    return mode && !strncmp(path, prefix, strlen(prefix)) && access(flag, F_OK) == 0;
}

static void wait_until_back(const char *path)
{
    while (mode == DEAD && is_away(path))
        usleep(200000); /* a process that waits for a mount uses no processor time to speak of */
}

static int open_there(const char *path, int flags, mode_t rights)
{
    wait_until_back(path);
    if (is_away(path)) {
        errno = ENOENT;
        return -1;
    }
    return REAL(open)(path, flags, rights);
}

int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t rights = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    return open_there(path, flags, rights);
}

int open64(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t rights = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    return open_there(path, flags, rights);
}

ssize_t read(int fd, void *data, size_t size)
{
    char link[32], path[4096];
    if (mode == DEAD && access(flag, F_OK) == 0) {
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        ssize_t length = readlink(link, path, sizeof(path) - 1);
        path[length > 0 ? length : 0] = '\0';
        wait_until_back(path);
    }
    return REAL(read)(fd, data, size);
}
