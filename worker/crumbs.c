#include "worker/crumbs.h"

#include "common/bytes.h"
#include "common/cache.h"
#include "common/machine.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

_Static_assert(sizeof(struct crumb) == 64, "a cache line");

struct crumbs {
    struct crumbs_file *file; /* mapped */
    char path[PATH_MAX];      /* empty: in memory only */
    int fd;                   /* holds the lock; -1 */
};

/* ---- where ---- */

static int runtime_folder(const char *cache, char folder[PATH_MAX], struct why *why)
{
    const char *service = getenv("RUNTIME_DIRECTORY"), *user = getenv("XDG_RUNTIME_DIR");
    if (service && *service == '/') {
        snprintf(folder, PATH_MAX, "%.*s", (int)strcspn(service, ":"), service); /* systemd may have made several */
        return 0;
    }
    if (user && *user == '/') {
        snprintf(folder, PATH_MAX, "%s/sleddog", user);
        if (mkdir(folder, 0700) == 0 || errno == EEXIST)
            return 0;
    }
    return cache_folder(cache, folder, why);
}

int crumbs_path(const char *endpoint, const char *cache, char *path, size_t size, struct why *why)
{
    char folder[PATH_MAX], name[128];
    int length;
    if (!strncmp(endpoint, "ipc:///", 7))
        length = snprintf(path, size, "%s.crumbs", endpoint + 6);
    else {
        int r = runtime_folder(cache, folder, why);
        if (r < 0)
            return r;
        snprintf(name, sizeof(name), "%.64s-%.60s", machine_host(), endpoint);
        for (char *c = name; *c; c++)
            if (!isalnum((unsigned char)*c) && !strchr("-._", *c))
                *c = '_';
        length = snprintf(path, size, "%s/worker-%s.crumbs", folder, name);
    }
    return length > 0 && (size_t)length < size ? 0 : because(why, -ENAMETOOLONG, "the path is too long");
}

/* ---- the file ---- */

static int open_own(const char *path, int *ret_fd, size_t *ret_size, struct why *why)
{
    struct stat status;
    CLEANUP(closep) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd < 0)
        return because(why, -errno, "%s: cannot open: %s", path, strerror(errno));
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_uid != geteuid() || status.st_nlink != 1 || status.st_mode & 077)
        return because(why, -EPERM, "%s: is not a file that only this user can reach; remove it", path);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return because(why, -EBUSY, "%s: another process has it", path);
    *ret_fd = fd;
    *ret_size = (size_t)status.st_size;
    fd = -1;
    return 0;
}

/* 1: something else was in it. */
static int read_former(const char *path, int fd, size_t size, struct suspects *ret, struct why *why)
{
    *ret = (struct suspects){ NULL, 0 };
    if (!size)
        return 0;
    CLEANUP(freep) struct crumbs_file *file = malloc(sizeof(*file));
    if (!file)
        return because(why, -ENOMEM, "%s: out of memory", path);
    struct why what = { "it cannot be read" };
    size_t want = size < sizeof(*file) ? size : sizeof(*file);
    int r = pread(fd, file, want, 0) == (ssize_t)want ? suspects_read(file, size, ret, &what) : -EIO;
    if (r == -ENOMEM)
        return because(why, r, "%s: out of memory", path);
    if (r < 0)
        because(why, 0, "%s: %s; what was in it is ignored", path, what.text);
    return r < 0;
}

/* All blocks are taken now: a full disk must not become SIGBUS later. */
static int map(struct crumbs *crumbs, struct why *why)
{
    size_t size = sizeof(*crumbs->file);
    int flags = crumbs->fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, r = 0;
    if (crumbs->fd >= 0)
        r = ftruncate(crumbs->fd, 0) < 0 ? errno : posix_fallocate(crumbs->fd, 0, (off_t)size);
    if (r)
        return because(why, -r, "%s: cannot take %zu bytes: %s", crumbs->path, size, strerror(r));
    void *mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, crumbs->fd, 0);
    if (mapped == MAP_FAILED)
        return because(why, -errno, "%s: cannot map it: %s", crumbs->path, strerror(errno));
    crumbs->file = mapped;
    crumbs->file->version = CRUMBS_VERSION;
    memcpy(crumbs->file->magic, CRUMBS_MAGIC, sizeof(crumbs->file->magic));
    return 0;
}

void crumbs_remove(struct crumbs *crumbs)
{
    if (crumbs && *crumbs->path)
        unlink(crumbs->path);
}

void crumbs_close(struct crumbs *crumbs)
{
    if (!crumbs)
        return;
    if (crumbs->file)
        munmap(crumbs->file, sizeof(*crumbs->file));
    closep(&crumbs->fd);
    free(crumbs);
}

int crumbs_anonymous(struct crumbs **ret, struct why *why)
{
    CLEANUP(crumbs_closep) struct crumbs *crumbs = calloc(1, sizeof(*crumbs));
    if (!crumbs)
        return because(why, -ENOMEM, "out of memory");
    crumbs->fd = -1;
    int r = map(crumbs, why);
    if (r == 0)
        *ret = take(crumbs);
    return r;
}

int crumbs_open(const char *path, struct crumbs **ret, struct suspects *ret_suspects, struct why *why)
{
    CLEANUP(crumbs_closep) struct crumbs *crumbs = calloc(1, sizeof(*crumbs));
    struct suspects suspects = { NULL, 0 };
    size_t size = 0;
    if (!crumbs)
        return because(why, -ENOMEM, "%s: out of memory", path);
    snprintf(crumbs->path, sizeof(crumbs->path), "%s", path);
    crumbs->fd = -1;
    int r = open_own(path, &crumbs->fd, &size, why);
    if (r < 0)
        return r;
    int ignored = read_former(path, crumbs->fd, size, &suspects, why);
    r = ignored < 0 ? ignored : map(crumbs, why);
    if (r < 0) {
        suspects_done(&suspects);
        return r;
    }
    *ret_suspects = suspects;
    *ret = take(crumbs);
    return ignored;
}

/* ---- crumbs ---- */

struct crumb *crumbs_decoder(struct crumbs *crumbs, size_t i)
{
    return crumbs && i < CRUMBS_DECODERS ? &crumbs->file->crumbs[i] : NULL;
}

struct crumb *crumbs_engine(struct crumbs *crumbs, size_t i)
{
    return crumbs && i < CRUMBS_ALL - CRUMBS_DECODERS ? &crumbs->file->crumbs[CRUMBS_DECODERS + i] : NULL;
}

/* The order in which one thread's stores are in its program is all that counts: a process that dies does so between two of them, and what it
 * stored before reaches the page. */
#define STORE(field, value) atomic_store_explicit(&crumb->field, value, memory_order_release)

void crumb_leave(struct crumb *crumb, const struct task *task, enum crumb_stage stage, uint64_t cpu_ns)
{
    if (!crumb)
        return;
    const struct work *work = task->work;
    STORE(stage, CRUMB_IDLE);
    STORE(job, work->job);
    STORE(batch, work->batch);
    STORE(item, (uint32_t)(task - work->tasks));
    STORE(since_ns, cpu_ns);
    STORE(stage, stage);
}

void crumb_stage(struct crumb *crumb, enum crumb_stage stage)
{
    if (crumb)
        STORE(stage, stage);
}

void crumb_sweep(struct crumb *crumb)
{
    crumb_stage(crumb, CRUMB_IDLE);
}

void crumbs_mark(struct crumbs *crumbs, struct crumb *crumb)
{
    if (crumb)
        STORE(marked, 1);
    if (crumbs)
        crumbs->file->marked = 1;
}
