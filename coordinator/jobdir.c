#include "coordinator/jobdir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

static int database_path(const char *folder, char *path, size_t size, struct why *why)
{
    return (size_t)snprintf(path, size, "%s/job.db", folder) < size ? 0 : because(why, -ENAMETOOLONG, "%.80s...: the path is too long", folder);
}

static int lock_folder(const char *path, struct jobdir *ret, struct why *why)
{
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return because(why, -errno, "%s: %s; a job directory is meant", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? because(why, -EBUSY, "%s: this job is running in another process; see status", path)
                                    : because(why, -errno, "%s: cannot be locked: %s", path, strerror(errno));
    ret->path = realpath(path, NULL);
    if (!ret->path)
        return because(why, -errno, "%s: %s", path, strerror(errno));
    ret->fd = fd;
    fd = -1;
    return 0;
}

static int make_folders(const char *path, struct why *why)
{
    char part[PATH_MAX];
    if (!*path)
        return because(why, -EINVAL, "the job directory has an empty name");
    if ((size_t)snprintf(part, sizeof(part), "%s", path) >= sizeof(part))
        return because(why, -ENAMETOOLONG, "%.80s...: the path is too long", path);
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(part, 0777) < 0 && errno != EEXIST)
            return because(why, -errno, "%s: cannot make this folder: %s", part, strerror(errno));
        *slash = '/';
    }
    if (mkdir(part, 0777) < 0 && errno != EEXIST)
        return because(why, -errno, "%s: cannot make this folder: %s", part, strerror(errno));
    return 0;
}

static int write_spec(struct db *db, const struct spec *spec, struct why *why)
{
    CLEANUP(freep) char *json = NULL;
    int r = spec_to_json(spec, &json, why);
    if (r == 0)
        r = db_set(db, "spec", json, why);
    return r < 0 ? r : db_set(db, "epoch", "1", why);
}

/* Whole or not at all: under another name until the description is in it. */
static int make_database(const char *file, const struct spec *spec, struct db **ret_db, struct why *why)
{
    CLEANUP(db_closep) struct db *db = NULL;
    static const char *const left_behind[] = { "", "-wal", "-shm" };
    char fresh[PATH_MAX + 8], path[PATH_MAX + 16];
    snprintf(fresh, sizeof(fresh), "%s.new", file);
    for (size_t i = 0; i < ARRAY_SIZE(left_behind); i++) {
        snprintf(path, sizeof(path), "%s%s", fresh, left_behind[i]);
        unlink(path);
    }
    int r = db_create(fresh, &db, why);
    if (r == 0)
        r = write_spec(db, spec, why);
    if (r == 0)
        r = db_settle(db, why); /* closing would try, and not say if it failed */
    if (r < 0)
        return r;
    db_closep(&db);
    if (rename(fresh, file) < 0)
        return because(why, -errno, "%s: cannot be renamed to %s: %s", fresh, file, strerror(errno));
    return db_open(file, false, ret_db, why);
}

int jobdir_create(const char *path, const struct spec *spec, struct jobdir *ret, struct db **ret_db, struct why *why)
{
    char file[PATH_MAX];
    int r = database_path(path, file, sizeof(file), why);
    if (r == 0)
        r = make_folders(path, why);
    if (r == 0)
        r = lock_folder(path, ret, why);
    if (r < 0)
        return r;
    r = access(file, F_OK) == 0
            ? because(why, -EEXIST, "%s: holds a job already; choose another --job, or go on with it: sleddog-coordinator resume %s", path, path)
            : make_database(file, spec, ret_db, why);
    if (r < 0)
        jobdir_close(ret);
    return r;
}

static int read_job(const char *path, bool read_only, struct db **ret_db, struct spec **ret_spec, struct why *why)
{
    CLEANUP(db_closep) struct db *db = NULL;
    CLEANUP(freep) char *json = NULL;
    char file[PATH_MAX];
    int r = database_path(path, file, sizeof(file), why);
    if (r == 0)
        r = db_open(file, read_only, &db, why);
    if (r == 0)
        r = db_get(db, "spec", &json, why);
    if (r == 0)
        r = spec_from_json(json, ret_spec, why);
    if (r < 0)
        return r;
    *ret_db = take(db);
    return 0;
}

int jobdir_open(const char *path, struct jobdir *ret, struct db **ret_db, struct spec **ret_spec, struct why *why)
{
    int r = lock_folder(path, ret, why);
    if (r < 0)
        return r;
    r = read_job(path, false, ret_db, ret_spec, why);
    if (r < 0)
        jobdir_close(ret);
    return r;
}

int jobdir_read(const char *path, struct db **ret_db, struct spec **ret_spec, struct why *why)
{
    return read_job(path, true, ret_db, ret_spec, why);
}

void jobdir_close(struct jobdir *dir)
{
    free(dir->path);
    if (dir->fd >= 0)
        close(dir->fd);
    *dir = (struct jobdir){ .fd = -1 };
}

bool jobdir_is_running(const char *path)
{
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}
