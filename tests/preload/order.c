/* order.c: put in front of libc (LD_PRELOAD), writes down in which order a process changes files and has them put on the disk.
 *
 *     SLEDDOG_ORDER="FILE"           a line in FILE for each of these, of all processes that have the library:
 *
 *     write PATH                     a regular file but the standard ones; before it is done
 *     sync PATH, syncall PATH        a file or a folder, and all of the file system that PATH is in; when it is done
 *     move FROM TO                   before it is done
 *
 *     SLEDDOG_ORDER="FILE remote"    and every file system says that it is NFS */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static int to = -1;
static bool remote;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void read_orders(void)
{
    const char *text = getenv("SLEDDOG_ORDER");
    char file[PATH_MAX], more[16] = "";
    if (!text || sscanf(text, "%4095s %15s", file, more) < 1)
        return;
    remote = !strcmp(more, "remote");
    to = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
}

static void tell(const char *what, const char *from, const char *into)
{
    char line[2 * PATH_MAX + 32];
    int size = snprintf(line, sizeof(line), "%s %s%s%s\n", what, from, *into ? " " : "", into);
    if (to >= 0)
        (void)!REAL(write)(to, line, (size_t)size);
}

static const char *path_of(int fd, char path[PATH_MAX])
{
    char link[64];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t size = fd == AT_FDCWD ? readlink("/proc/self/cwd", path, PATH_MAX - 1) : readlink(link, path, PATH_MAX - 1);
    path[size > 0 ? size : 0] = '\0';
    return path;
}

static void tell_of(const char *what, int fd)
{
    char path[PATH_MAX];
    tell(what, path_of(fd, path), "");
}

static void tell_write(int fd)
{
    struct stat status;
    if (to >= 0 && fd > STDERR_FILENO && fd != to && fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
        tell_of("write", fd);
}

#define WRITES(name, parameters, arguments) \
    ssize_t name parameters                 \
    {                                       \
        tell_write(fd);                     \
        return REAL(name)arguments;         \
    }

WRITES(write, (int fd, const void *data, size_t size), (fd, data, size))
WRITES(pwrite, (int fd, const void *data, size_t size, off_t offset), (fd, data, size, offset))
WRITES(pwrite64, (int fd, const void *data, size_t size, off64_t offset), (fd, data, size, offset))

#define SYNCS(name, what)         \
    int name(int fd)              \
    {                             \
        int r = REAL(name)(fd);   \
        if (r == 0)               \
            tell_of(what, fd);    \
        return r;                 \
    }

SYNCS(fsync, "sync")
SYNCS(fdatasync, "sync")
SYNCS(syncfs, "syncall")

static void join(int folder, const char *name, char ret[2 * PATH_MAX])
{
    char path[PATH_MAX];
    snprintf(ret, (size_t)2 * PATH_MAX, "%s%s%s", *name == '/' ? "" : path_of(folder, path), *name == '/' ? "" : "/", name);
}

static void tell_move(int from_folder, const char *from, int to_folder, const char *into)
{
    char old[2 * PATH_MAX], new[2 * PATH_MAX];
    join(from_folder, from, old);
    join(to_folder, into, new);
    tell("move", old, new);
}

int rename(const char *from, const char *into)
{
    tell_move(AT_FDCWD, from, AT_FDCWD, into);
    return REAL(rename)(from, into);
}

int renameat(int from_folder, const char *from, int to_folder, const char *into)
{
    tell_move(from_folder, from, to_folder, into);
    return REAL(renameat)(from_folder, from, to_folder, into);
}

int statfs(const char *path, struct statfs *ret)
{
    int r = REAL(statfs)(path, ret);
    if (r == 0 && remote)
        ret->f_type = NFS_SUPER_MAGIC;
    return r;
}
