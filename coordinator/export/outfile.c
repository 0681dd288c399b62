#include "coordinator/export/outfile.h"

#include "common/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define FLOW_SIZE  (256u << 10)           /* bytes: passed on when so many have gathered */
#define BUFFER_CAP (FLOW_SIZE + (64u << 20)) /* and one row of any size */

struct outfile {
    int fd, directory;
    bool committed;
    struct bytes buffer;
    char *path, *part; /* part: the name only */
};


void outfile_close(struct outfile *file)
{
    if (!file)
        return;
    if (!file->committed && file->fd >= 0)
        unlinkat(file->directory, file->part, 0);
    closep(&file->fd);
    closep(&file->directory);
    bytes_done(&file->buffer);
    free(file->path);
    free(file->part);
    free(file);
}

static const char *what_to_do(int r)
{
    switch (r) {
    case -ENOSPC:
    case -EDQUOT:
        return "; free some space or give another --output, then export or resume again";
    case -EACCES:
    case -EPERM:
    case -EROFS:
        return "; allow writing there or give another --output";
    case -EFBIG:
        return "; the file system or a ulimit takes no larger file: give another --output";
    case -EISDIR:
    case -ENOTDIR:
    case -ELOOP:
        return "; something else of that name is in the way: remove it or give another --output";
    default:
        return "";
    }
}

int outfile_because(struct why *why, int r, const char *path)
{
    return because(why, r, "%.600s: cannot be written: %s%s", path, strerror(-r), what_to_do(r));
}

static int complain(const struct outfile *file, int r, struct why *why)
{
    return outfile_because(why, r, file->path);
}

/* Some mounts of foreign file systems know no locks and no syncing of folders: we do without. */
static bool is_unsupported(int error)
{
    return error == EOPNOTSUPP || error == ENOSYS || error == ENOLCK || error == EINVAL;
}

/* 1: the descriptor is locked and still what the part's name means; 0: it was renamed or removed meanwhile. */
static int lock_part(const struct outfile *file)
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

static int open_part(struct outfile *file, struct why *why)
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
    if (r == -EWOULDBLOCK)
        return because(why, -EBUSY, "%.600s: another process is writing it; wait for that, or give another --output",
                       file->path);
    return complain(file, r, why);
}

int outfile_open(const char *directory, const char *name, struct outfile **ret, struct why *why)
{
    CLEANUP(outfile_closep) struct outfile *file = calloc(1, sizeof(*file));
    if (!file)
        return outfile_because(why, -ENOMEM, name);
    file->fd = file->directory = -1;
    bytes_init(&file->buffer, BUFFER_CAP);
    if (asprintf(&file->path, "%s/%s", directory, name) < 0 || asprintf(&file->part, ".%s.part", name) < 0)
        return outfile_because(why, -ENOMEM, name);
    file->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file->directory < 0)
        return complain(file, -errno, why);
    int r = open_part(file, why);
    if (r < 0)
        return r;
    *ret = take(file);
    return 0;
}

struct bytes *outfile_buffer(struct outfile *file)
{
    return &file->buffer;
}

const char *outfile_path(const struct outfile *file)
{
    return file->path;
}

static int write_all(struct outfile *file, const char *data, size_t size, struct why *why)
{
    while (size) {
        ssize_t n = write(file->fd, data, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return complain(file, -errno, why);
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

static int flush(struct outfile *file, struct why *why)
{
    int r = bytes_error(&file->buffer);
    if (r < 0)
        return complain(file, r, why);
    r = write_all(file, file->buffer.data, file->buffer.size, why);
    bytes_clear(&file->buffer);
    return r;
}

int outfile_flow(struct outfile *file, struct why *why)
{
    return file->buffer.size < FLOW_SIZE && !bytes_error(&file->buffer) ? 0 : flush(file, why);
}

int outfile_write(struct outfile *file, const void *data, size_t size, struct why *why)
{
    bytes_append(&file->buffer, data, size);
    return outfile_flow(file, why);
}

int outfile_finish(struct outfile *file, struct why *why)
{
    int r = flush(file, why);
    if (r == 0 && fsync(file->fd) < 0)
        r = complain(file, -errno, why);
    return r;
}

int outfile_commit(struct outfile *file, struct why *why)
{
    const char *name = strrchr(file->path, '/') + 1;
    if (renameat(file->directory, file->part, file->directory, name) < 0)
        return complain(file, -errno, why);
    file->committed = true;
    return fsync(file->directory) < 0 && !is_unsupported(errno) ? complain(file, -errno, why) : 0;
}
