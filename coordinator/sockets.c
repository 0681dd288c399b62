#include "coordinator/sockets.h"

#include "common/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define IN_TMP    "/tmp/sleddog-"
#define MAX_NAME  10

DEFINE_FREEP(closedir, DIR)

/* Sockets, and a worker's crumbs beside its socket. */
static bool is_ours(int folder, const char *name)
{
    struct stat status;
    const char *dot = strrchr(name, '.');
    return fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && (S_ISSOCK(status.st_mode) || (dot && !strcmp(dot, ".crumbs")));
}

/* Whatever else is there stays. */
static void remove_folder(const char *path)
{
    CLEANUP(closedirp) DIR *folder = opendir(path);
    if (!folder)
        return;
    for (struct dirent *entry; (entry = readdir(folder));)
        if (is_ours(dirfd(folder), entry->d_name))
            unlinkat(dirfd(folder), entry->d_name, 0);
    rmdir(path);
}

/* What an earlier run left behind. */
static void clean(const char *path)
{
    char target[PATH_MAX];
    ssize_t size = readlink(path, target, sizeof(target) - 1);
    if (size < 0) {
        remove_folder(path);
        return;
    }
    target[size] = '\0';
    if (!strncmp(target, IN_TMP, strlen(IN_TMP)))
        remove_folder(target);
    unlink(path);
}

/* NFS and its like may refuse. */
static bool can_hold_sockets(const char *folder)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    CLEANUP(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if ((size_t)snprintf(address.sun_path, sizeof(address.sun_path), "%.96s/try", folder) >= sizeof(address.sun_path))
        return false;
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return false;
    unlink(address.sun_path);
    return true;
}

static int open_in_tmp(char *link, struct sockets *ret, struct why *why)
{
    strcpy(ret->folder, IN_TMP "XXXXXX");
    if (!mkdtemp(ret->folder)) {
        ret->folder[0] = '\0';
        free(link);
        return because(why, -errno, "/tmp: cannot make a folder for the workers' sockets: %s", strerror(errno));
    }
    ret->link = link;
    (void)!symlink(ret->folder, link); /* without it the folder stays if we are killed */
    return 0;
}

int sockets_open(const char *job_dir, struct sockets *ret, struct why *why)
{
    char *path;
    *ret = (struct sockets){ .folder = "" };
    if (asprintf(&path, "%s/sockets", job_dir) < 0)
        return because(why, -ENOMEM, "out of memory");
    clean(path);
    if (strlen(path) + 1 + MAX_NAME < sizeof(ret->folder) && mkdir(path, 0700) == 0) {
        if (can_hold_sockets(path)) {
            strcpy(ret->folder, path);
            free(path);
            return 0;
        }
        rmdir(path);
    }
    return open_in_tmp(path, ret, why);
}

void sockets_close(struct sockets *sockets)
{
    if (*sockets->folder)
        remove_folder(sockets->folder);
    if (sockets->link)
        unlink(sockets->link);
    free(sockets->link);
    *sockets = (struct sockets){ .folder = "" };
}
