/* outfile_local.c: a file in a folder. It is written as ".NAME.part" beside its place, synced, and renamed. */
#include "coordinator/export/outfile_kind.h"

#include "common/cleanup.h"
#include "common/write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

struct local {
    int fd, directory;
    bool committed;
    char *part;       /* the name only */
    const char *path; /* the outfile's */
};

static void close_local(void *state)
{
    struct local *file = state;
    if (!file->committed && file->fd >= 0)
        unlinkat(file->directory, file->part, 0);
    closep(&file->fd);
    closep(&file->directory);
    free(file->part);
    free(file);
}

DEFINE_FREEP(close_local, struct local)

static int complain(const struct local *file, int r, struct why *why)
{
    return outfile_because(why, r, file->path);
}

/* Some mounts of foreign file systems know no locks and no syncing of folders: we do without. */
static bool is_unsupported(int error)
{
    return error == EOPNOTSUPP || error == ENOSYS || error == ENOLCK || error == EINVAL;
}

/* 1: the descriptor is locked and still what the part's name means; 0: it was renamed or removed meanwhile. */
static int lock_part(const struct local *file)
{
    struct stat ours, named;
    if (flock(file->fd, LOCK_EX | LOCK_NB) < 0 && !is_unsupported(errno))
        return -errno;
    if (fstat(file->fd, &ours) < 0)
        return -errno;
    if (fstatat(file->directory, file->part, &named, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -errno;
    return ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

static int open_part(struct local *file, struct why *why)
{
    int r = 0;
    while (r == 0) {
        closep(&file->fd);
        file->fd = openat(file->directory, file->part, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
        r = file->fd < 0 ? -errno : lock_part(file);
    }
    if (r > 0 && ftruncate(file->fd, 0) < 0)
        r = -errno;
    if (r > 0)
        return 0;
    closep(&file->fd); /* not ours to remove */
    return complain(file, r == -EWOULDBLOCK ? -EBUSY : r, why);
}

static int open_local(struct s3_session *s3, const char *directory, const char *path, void **ret, struct why *why)
{
    (void)s3;
    CLEANUP(close_localp) struct local *file = calloc(1, sizeof(*file));
    if (!file)
        return -ENOMEM;
    file->fd = file->directory = -1;
    file->path = path;
    if (asprintf(&file->part, ".%s.part", strrchr(path, '/') + 1) < 0) {
        file->part = NULL;
        return -ENOMEM;
    }
    file->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file->directory < 0)
        return complain(file, -errno, why);
    int r = open_part(file, why);
    if (r < 0)
        return r;
    *ret = take(file);
    return 0;
}

static int write_local(void *state, const char *data, size_t size, struct why *why)
{
    const struct local *file = state;
    int r = write_all(file->fd, data, size);
    return r < 0 ? complain(file, r, why) : 0;
}

static int finish_local(void *state, struct why *why)
{
    const struct local *file = state;
    return fsync(file->fd) < 0 ? complain(file, -errno, why) : 0;
}

static int commit_local(void *state, struct why *why)
{
    struct local *file = state;
    if (renameat(file->directory, file->part, file->directory, strrchr(file->path, '/') + 1) < 0)
        return complain(file, -errno, why);
    file->committed = true;
    return fsync(file->directory) < 0 && !is_unsupported(errno) ? complain(file, -errno, why) : 0;
}

const struct outfile_kind outfile_local = { open_local, write_local, finish_local, commit_local, close_local };
