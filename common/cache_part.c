#include "common/cache_part.h"

#include "common/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define WHOLE "sha256-"
#define HALF  "half-"

int cache_content_path(const char *folder, const char *sha256, const char *suffix, char path[PATH_MAX], struct why *why)
{
    if (strlen(sha256) != SHA256_HEX - 1 || strspn(sha256, "0123456789abcdef") != SHA256_HEX - 1)
        return because(why, -EINVAL, "\"%.80s\" is no sha256: 64 hex digits in lower case", sha256);
    int r = cache_folder(folder, path, why); /* leaves room for a name */
    if (r == 0)
        snprintf(path + strlen(path), PATH_MAX - strlen(path), "/" WHOLE "%s%s", sha256, suffix);
    return r;
}

static void half_path(const char *final, char path[PATH_MAX])
{
    const char *name = strrchr(final, '/') + 1;
    snprintf(path, PATH_MAX, "%.*s" HALF "%s", (int)(name - final), final, name + strlen(WHOLE));
}

/* Opens and locks it; another process may put it in its place between the two, then there is a new one. Where locks are impossible it is ours. */
static int open_locked(const char *path)
{
    for (;;) {
        struct stat status;
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
        if (fd < 0)
            return -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
            close(fd);
            return -EAGAIN;
        }
        if (fstat(fd, &status) == 0 && status.st_nlink && S_ISREG(status.st_mode))
            return fd;
        close(fd);
        if (!S_ISREG(status.st_mode))
            return -EEXIST;
    }
}

int cache_part_open(const char *final, uint64_t size, struct cache_part *ret, struct why *why)
{
    struct cache_part part;
    struct stat status;
    half_path(final, part.path);
    part.fd = open_locked(part.path);
    if (part.fd == -EAGAIN)
        return because(why, -EAGAIN, "%s: another process writes it", part.path);
    if (part.fd < 0)
        return because(why, part.fd, "%s: cannot make it: %s; give another folder with --cache DIR", part.path, strerror(-part.fd));
    bool begin = fstat(part.fd, &status) < 0 || (uint64_t)status.st_size > size;
    if (begin && ftruncate(part.fd, 0) < 0) {
        int r = because(why, -errno, "%s: cannot begin it anew: %s", part.path, strerror(errno));
        close(part.fd);
        return r;
    }
    part.size = part.found = begin ? 0 : (uint64_t)status.st_size;
    *ret = part;
    return 0;
}

int cache_part_append(struct cache_part *part, const void *data, size_t size, struct why *why)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = pwrite(part->fd, (const char *)data + done, size - done, (off_t)(part->size + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return because(why, -errno, "%s: cannot write: %s; make room there, or give another folder with --cache DIR", part->path, strerror(errno));
        done += (size_t)n;
    }
    part->size += size;
    return 0;
}

int cache_part_finish(struct cache_part *part, const char *final, const char *sha256, struct why *why)
{
    char hex[SHA256_HEX];
    int r = fchmod(part->fd, 0644) < 0 || fsync(part->fd) < 0 ? because(why, -errno, "%s: cannot write: %s", part->path, strerror(errno)) : 0;
    if (r == 0)
        r = sha256_file(part->path, hex, why);
    if (r == 0 && strcmp(hex, sha256)) {
        r = because(why, -EBADMSG, "%s: what came has the sha256 %.12s..., and %.12s... is wanted; it is thrown away", part->path, hex, sha256);
        unlink(part->path);
    }
    if (r == 0 && rename(part->path, final) < 0)
        r = because(why, -errno, "%s: cannot put it in place: %s", final, strerror(errno));
    return r;
}

void cache_part_close(struct cache_part *part)
{
    if (part->fd >= 0)
        close(part->fd);
    part->fd = -1;
}
