#include "common/cache_limit.h"

#include "common/cache.h"
#include "common/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

struct kept {
    char *name;
    uint64_t size;
    struct timespec used;
};

struct survey {
    DIR *folder;
    struct kept *files;
    size_t count, capacity;
    uint64_t total;
};

static void survey_done(struct survey *survey)
{
    for (size_t i = 0; i < survey->count; i++)
        free(survey->files[i].name);
    free(survey->files);
    if (survey->folder)
        closedir(survey->folder);
}

/* "sha256-...", "half-...", or 16 hex digits and what cache_get() appends. */
static bool is_ours(const char *name)
{
    return !strncmp(name, "sha256-", 7) || !strncmp(name, "half-", 5) || (strspn(name, "0123456789abcdef") == 16 && name[16] == '_');
}

static int add(struct survey *survey, const char *name, const struct stat *status)
{
    if (survey->count == survey->capacity) {
        size_t capacity = survey->capacity ? 2 * survey->capacity : 16;
        struct kept *files = realloc(survey->files, capacity * sizeof(*files));
        if (!files)
            return -ENOMEM;
        survey->files = files;
        survey->capacity = capacity;
    }
    struct kept *kept = &survey->files[survey->count];
    *kept = (struct kept){ strdup(name), (uint64_t)status->st_size, status->st_atim };
    if (!kept->name)
        return -ENOMEM;
    survey->count++;
    survey->total += kept->size;
    return 0;
}

static int look_around(struct survey *survey)
{
    int r = 0;
    for (const struct dirent *entry; r == 0 && (entry = readdir(survey->folder));) {
        struct stat status;
        if (is_ours(entry->d_name) && fstatat(dirfd(survey->folder), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode))
            r = add(survey, entry->d_name, &status);
    }
    return r;
}

static int by_use(const void *a, const void *b)
{
    const struct timespec *x = &((const struct kept *)a)->used, *y = &((const struct kept *)b)->used;
    if (x->tv_sec != y->tv_sec)
        return x->tv_sec < y->tv_sec ? -1 : 1;
    return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

/* Unless somebody holds it, or writes it. */
static bool remove_file(const struct survey *survey, const char *name)
{
    CLEANUP(closep) int fd = openat(dirfd(survey->folder), name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        return false;
    return unlinkat(dirfd(survey->folder), name, 0) == 0;
}

int cache_hold(const char *path)
{
    static const struct timespec now[2] = { { .tv_nsec = UTIME_NOW }, { .tv_nsec = UTIME_OMIT } };
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    flock(fd, LOCK_SH | LOCK_NB); /* where there are no locks the newest are kept all the same */
    futimens(fd, now);
    return fd;
}

int cache_make_room(const char *folder, uint64_t limit, uint64_t size, struct why *why)
{
    char path[PATH_MAX];
    CLEANUP(survey_done) struct survey survey = { .folder = NULL };
    int removed = 0;
    if (!limit)
        return 0;
    if (size > limit)
        return because(why, -EFBIG, "%llu bytes more are too much for a cache that --cache-limit keeps below %llu", (unsigned long long)size,
                       (unsigned long long)limit);
    int r = cache_folder(folder, path, why);
    if (r < 0)
        return r;
    survey.folder = opendir(path);
    if (!survey.folder)
        return because(why, -errno, "%s: %s", path, strerror(errno));
    if (look_around(&survey) < 0)
        return because(why, -ENOMEM, "out of memory");
    if (survey.count)
        qsort(survey.files, survey.count, sizeof(survey.files[0]), by_use);
    for (size_t i = 0; i < survey.count && survey.total + size > limit; i++)
        if (remove_file(&survey, survey.files[i].name)) {
            survey.total -= survey.files[i].size;
            removed++;
        }
    if (survey.total + size > limit)
        return because(why, -EFBIG, "%s: no room for %llu bytes: %llu are in use, and --cache-limit is %llu", path, (unsigned long long)size,
                       (unsigned long long)survey.total, (unsigned long long)limit);
    return removed;
}
