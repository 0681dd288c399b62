#include "worker/fetch.h"

#include "common/cleanup.h"
#include "worker/blocks.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE ((size_t)128 << 10) /* bytes asked for at once, so that a slow mount can be told from a dead one */

static enum row_error failed(struct why *why, enum row_error error, const char *text)
{
    because(why, 0, "%s", text);
    return error;
}

/* A symbolic link that leads nowhere is there, and `ls` shows it. */
static enum row_error not_found(struct why *why, const char *path, bool here)
{
    char target[PATH_MAX], what[PATH_MAX + 64] = "no such file";
    ssize_t size = readlink(path, target, sizeof(target) - 1);
    if (size > 0)
        snprintf(what, sizeof(what), "a symbolic link to %.*s, which is not there", (int)size, target);
    because(why, 0, "%.700s%s", what, here ? "" : " on the worker; on several nodes a path means a shared mount");
    return ROW_NOT_FOUND;
}

static enum row_error open_failed(struct why *why, int error, const char *path, bool here)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return not_found(why, path, here);
    case EACCES:
    case EPERM:
        return failed(why, ROW_DENIED, "the worker may not read this file");
    default:
        because(why, 0, "cannot open: %s", strerror(error));
        return ROW_FETCH;
    }
}

static int tell_moved(const struct fetch_reader *reader)
{
    return reader->moved ? reader->moved(reader->arg) : 0;
}

/* Reads to the end of the file or to `size`, whichever comes first. */
static ssize_t read_all(int fd, const struct fetch_reader *reader, char *data, size_t size)
{
    size_t got = 0;
    while (got < size) {
        ssize_t n = read(fd, data + got, size - got < PIECE ? size - got : PIECE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        got += (size_t)n;
        int r = tell_moved(reader);
        if (r < 0)
            return r;
    }
    return (ssize_t)got;
}

/* O_NONBLOCK so that a FIFO with a photo's name cannot hang a thread. */
static enum row_error open_file(const char *path, bool here, int *ret_fd, size_t *ret_size, struct why *why)
{
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return open_failed(why, errno, path, here);
    struct stat status;
    if (fstat(fd, &status) < 0)
        return open_failed(why, errno, path, here);
    if (S_ISDIR(status.st_mode))
        return failed(why, ROW_UNSUPPORTED, "a folder, not a file");
    if (!S_ISREG(status.st_mode))
        return failed(why, ROW_UNSUPPORTED, "not a regular file");
    if ((uint64_t)status.st_size > FETCH_MAX_FILE)
        return failed(why, ROW_TOO_LARGE, "the file is larger than 1 GiB");
    *ret_size = (size_t)status.st_size;
    *ret_fd = fd;
    fd = -1;
    return ROW_OK;
}

static enum row_error fetch_file(const struct rec_item *item, const struct fetch_reader *reader, char **ret, size_t *ret_size, struct why *why)
{
    CLEANUP(closep) int fd = -1;
    size_t size = 0;
    enum row_error error = open_file(item->uri.data, reader->here, &fd, &size, why);
    if (error)
        return error;
    int r = tell_moved(reader);
    if (r == 0)
        r = reader->reserve(reader->arg, size);
    if (r == -E2BIG) {
        because(why, 0, "the file has %zu bytes, more than --memory-limit allows", size);
        return ROW_TOO_LARGE;
    }
    if (r < 0)
        return failed(why, ROW_FETCH, "the worker is stopping");
    char *data = malloc(blocks_size(size));
    if (!data)
        return failed(why, ROW_FETCH, "the worker is out of memory");
    ssize_t got = read_all(fd, reader, data, size);
    if (got < 0 || (size_t)got < size) {
        free(data);
        because(why, 0, got < 0 ? "cannot read: %s" : "the file became shorter while it was read", strerror(got < 0 ? (int)-got : 0));
        return ROW_FETCH;
    }
    *ret = data;
    *ret_size = size;
    return ROW_OK;
}

static const struct {
    const char *prefix;
    enum row_error (*fetch)(const struct rec_item *item, const struct fetch_reader *reader, char **ret, size_t *ret_size, struct why *why);
} schemes[] = {
    { "/", fetch_file },
};

enum row_error fetch(const struct rec_item *item, const struct fetch_reader *reader, char **ret, size_t *ret_size, struct why *why)
{
    if (memchr(item->uri.data, '\0', item->uri.size))
        return failed(why, ROW_UNSUPPORTED, "an address with a NUL byte");
    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++)
        if (!strncmp(item->uri.data, schemes[i].prefix, strlen(schemes[i].prefix)))
            return schemes[i].fetch(item, reader, ret, ret_size, why);
    return failed(why, ROW_UNSUPPORTED, "this worker cannot read such an address");
}
