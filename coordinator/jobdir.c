#include "coordinator/jobdir.h"

#include "common/program.h"
#include "coordinator/hint.h"
#include "coordinator/shown.h"
#include "coordinator/truth_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

static int database_path(const char *folder, char *path, size_t size, struct why *why)
{
    return (size_t)snprintf(path, size, "%s/job.db", folder) < size ? 0 : because(why, -ENAMETOOLONG, "%.80s...: the path is too long", folder);
}

/* ---- the lock ---- */

#define LOCK_NAME "job.lock"

static struct flock whole_file(void)
{
    return (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET };
}

/* What job.lock says about who has it. */
static void read_owner(int fd, char *ret, size_t size)
{
    ssize_t n = pread(fd, ret, size - 1, 0);
    ret[n > 0 ? n : 0] = '\0';
    ret[strcspn(ret, "\n")] = '\0';
    if (!*ret)
        snprintf(ret, size, "another process"); /* it has just begun */
}

/* Not worth failing for: the lock is what counts. */
static void write_owner(int fd)
{
    char text[400], host[256] = "";
    gethostname(host, sizeof(host) - 1);
    int size = snprintf(text, sizeof(text), "process %d on %s\n", (int)getpid(), host);
    if (ftruncate(fd, 0) == 0)
        (void)!pwrite(fd, text, (size_t)size, 0);
}

static int lock(int fd, const char *path, struct why *why)
{
    struct flock wanted = whole_file();
    char owner[400];
    if (fcntl(fd, F_OFD_SETLK, &wanted) == 0)
        return 0;
    if (errno == EAGAIN || errno == EACCES) {
        read_owner(fd, owner, sizeof(owner));
        return because(why, -EBUSY, "%s: %s runs this job; wait for it or end it, and see %s status %s", path, owner, program_called(), path);
    }
    return because(why, -errno, "%s: cannot be locked: %s; without locks two processes could run one job: use a folder on another file system", path,
                   strerror(errno));
}

static int lock_folder(const char *path, struct jobdir *ret, struct why *why)
{
    CLEANUP(closep) int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return because(why, -errno, "%s: %s; a job directory is meant", path, strerror(errno));
    CLEANUP(closep) int fd = openat(folder, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0)
        return because(why, -errno, "%s/" LOCK_NAME ": %s; the job directory must be writable", path, strerror(errno));
    int r = lock(fd, path, why);
    if (r < 0)
        return r;
    ret->path = realpath(path, NULL);
    if (!ret->path)
        return because(why, -errno, "%s: %s", path, strerror(errno));
    write_owner(fd);
    ret->fd = fd;
    fd = -1;
    return 0;
}

int jobdir_look(const char *path, struct db **ret_db, struct spec **ret_spec, struct labels **ret_labels, struct why *why)
{
    int r = jobdir_read(path, ret_db, ret_spec, why);
    return r < 0 ? r : labels_open(*(*ret_spec)->labels ? (*ret_spec)->labels : NULL, ret_labels, why);
}

bool jobdir_is_running(const char *path, char *ret_who, size_t size)
{
    char file[PATH_MAX];
    struct flock found = whole_file();
    snprintf(file, sizeof(file), "%s/" LOCK_NAME, path);
    CLEANUP(closep) int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fcntl(fd, F_OFD_GETLK, &found) < 0 || found.l_type == F_UNLCK)
        return false;
    read_owner(fd, ret_who, size);
    return true;
}

/* ---- making ---- */

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
            return because(why, -errno, "%s: cannot make this folder: %s; choose another --job", part, strerror(errno));
        *slash = '/';
    }
    if (mkdir(part, 0777) < 0 && errno != EEXIST)
        return because(why, -errno, "%s: cannot make this folder: %s; choose another --job", part, strerror(errno));
    return 0;
}

static int refuse_file(const char *path, struct why *why)
{
    struct stat status;
    if (stat(path, &status) < 0 || S_ISDIR(status.st_mode))
        return 0;
    return because(why, -ENOTDIR, "%s: is a file, and a job needs a folder: choose another --job", path);
}

/* What addresses in the description hide: the weights' under PRIVATE_WEIGHTS, those of sources under the numbers below it. */
#define PRIVATE_WEIGHTS (-1)

static int keep_private(struct db *db, int64_t id, const char *text, struct why *why)
{
    return text && shown_is_private(text) ? db_keep_private(db, id, text, strlen(text) + 1, why) : 0;
}

static int write_private(struct db *db, const struct spec *spec, struct why *why)
{
    int r = keep_private(db, PRIVATE_WEIGHTS, spec->weights, why);
    for (int i = 0; i < spec->source_count && r == 0; i++)
        r = keep_private(db, PRIVATE_WEIGHTS - 1 - i, spec->sources[i], why);
    return r;
}

static int read_private_text(struct db *db, int64_t id, char **text, struct why *why)
{
    void *whole;
    size_t size;
    int r = db_get_private(db, id, &whole, &size, why);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    free(*text);
    *text = whole;
    return 0;
}

static int read_private(struct db *db, struct spec *spec, struct why *why)
{
    int r = read_private_text(db, PRIVATE_WEIGHTS, &spec->weights, why);
    for (int i = 0; i < spec->source_count && r == 0; i++)
        r = read_private_text(db, PRIVATE_WEIGHTS - 1 - i, &spec->sources[i], why);
    return r;
}

static int write_spec(struct db *db, const struct spec *spec, struct why *why)
{
    CLEANUP(freep) char *json = NULL;
    int r = spec_to_json(spec, &json, why);
    if (r == 0)
        r = db_begin(db, why);
    if (r == 0)
        r = write_private(db, spec, why);
    if (r == 0)
        r = db_set(db, "spec", json, why);
    if (r == 0)
        r = db_set(db, "epoch", "1", why);
    return r < 0 ? r : db_commit(db, why);
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
    (void)db_unlink_private(file, NULL);
    int r = db_create(fresh, &db, why);
    if (r == 0)
        r = write_spec(db, spec, why);
    if (r == 0)
        r = db_settle(db, why); /* closing would try, and not say if it failed */
    if (r < 0)
        return r;
    db_closep(&db);
    if (rename(fresh, file) < 0)
        return because(why, -errno, "%s: cannot be renamed to %s: %s; mend that and run again", fresh, file, strerror(errno));
    return db_open(file, false, ret_db, why);
}

static int read_job(const char *path, bool read_only, struct db **ret_db, struct spec **ret_spec, struct why *why);

/* There is a job already: is it this one? */
static int refuse_another(const char *path, const struct spec *spec, struct why *why)
{
    CLEANUP(db_closep) struct db *db = NULL;
    CLEANUP(spec_freep) struct spec *old = NULL;
    char difference[600];
    int r = read_job(path, true, &db, &old, why);
    if (r < 0)
        return because_in(why, -EEXIST, "%s: holds a job already, and another --job must be chosen", path);
    struct hint_next next = hint_next(db, old, path);
    CLEANUP(freep) char *command = next.command;
    if (!spec_differs(old, spec, difference, sizeof(difference)))
        return because(why, -EEXIST, "%s: holds this job already%s; %s it: %s", path, next.state, next.verb, command ? command : HINT_RESUME);
    return because(why, -EEXIST, "%s: holds another job already%s: %s; choose another --job, or %s that one: %s", path, next.state, difference, next.verb,
                   command ? command : HINT_RESUME);
}

int jobdir_create(const char *path, const struct spec *spec, struct jobdir *ret, struct db **ret_db, struct why *why)
{
    char file[PATH_MAX];
    int r = database_path(path, file, sizeof(file), why);
    if (r == 0)
        r = make_folders(path, why);
    if (r == 0)
        r = refuse_file(path, why);
    if (r == 0)
        r = lock_folder(path, ret, why);
    if (r < 0)
        return r;
    r = access(file, F_OK) == 0 ? refuse_another(path, spec, why) : truth_keep(spec->truth, spec->truth_sha256, ret->path, why);
    if (r == 0)
        r = make_database(file, spec, ret_db, why);
    if (r < 0)
        jobdir_close(ret);
    return r;
}

static int read_job(const char *path, bool read_only, struct db **ret_db, struct spec **ret_spec, struct why *why)
{
    CLEANUP(db_closep) struct db *db = NULL;
    CLEANUP(spec_freep) struct spec *spec = NULL;
    CLEANUP(freep) char *json = NULL, *folder = realpath(path, NULL);
    char file[PATH_MAX];
    int r = database_path(path, file, sizeof(file), why);
    if (r == 0)
        r = db_open(file, read_only, &db, why);
    if (r == 0)
        r = db_get(db, "spec", &json, why);
    if (r == 0)
        r = spec_from_json(json, &spec, why);
    if (r == 0)
        r = folder ? spec_set_folder(spec, folder, why) : because(why, -ENOMEM, "%s: out of memory", path);
    if (r < 0)
        return r;
    *ret_db = take(db);
    *ret_spec = take(spec);
    return 0;
}

/* What a process that died wrote about its nodes would be taken for ours. */
static void remove_status(const char *path)
{
    char file[PATH_MAX];
    snprintf(file, sizeof(file), "%s/status.json", path);
    unlink(file);
}

int jobdir_open(const char *path, struct jobdir *ret, struct db **ret_db, struct spec **ret_spec, struct why *why)
{
    char file[PATH_MAX];
    int r = database_path(path, file, sizeof(file), why);
    if (r == 0 && access(path, F_OK) == 0 && access(file, F_OK) < 0)
        r = because(why, -errno, "%s: %s; is this a job directory?", file, strerror(errno));
    if (r == 0)
        r = lock_folder(path, ret, why);
    if (r < 0)
        return r;
    remove_status(path);
    CLEANUP(db_closep) struct db *db = NULL;
    CLEANUP(spec_freep) struct spec *spec = NULL;
    r = read_job(path, false, &db, &spec, why);
    if (r == 0)
        r = read_private(db, spec, why);
    if (r < 0) {
        jobdir_close(ret);
        return r;
    }
    *ret_db = take(db);
    *ret_spec = take(spec);
    return 0;
}

int jobdir_read(const char *path, struct db **ret_db, struct spec **ret_spec, struct why *why)
{
    return read_job(path, true, ret_db, ret_spec, why);
}

void jobdir_forget(const char *path)
{
    char file[PATH_MAX];
    if (database_path(path, file, sizeof(file), NULL) < 0 || access(file, F_OK) == 0)
        return;
    if (snprintf(file, sizeof(file), "%s/" LOCK_NAME, path) < (int)sizeof(file))
        unlink(file);
    (void)rmdir(path); /* unless there is something else in it */
}

void jobdir_close(struct jobdir *dir)
{
    free(dir->path);
    if (dir->fd >= 0)
        close(dir->fd);
    *dir = (struct jobdir){ .fd = -1 };
}
