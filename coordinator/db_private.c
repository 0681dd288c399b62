/* db_private.c: JOBDIR/private.db, which only its owner may read: what addresses hold besides what may be shown. A job that has none of it has no such
 * file.
 *
 * Each of its commits is on disk before the commit of job.db that it goes with: so whatever job.db knows of is here, also after a power cut. What
 * job.db does not know of, because it ended in between, is forgotten when the numbers are given out again (db_forget_private). */
#include "coordinator/db_handle.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define MARK "private" /* in meta, once the file is needed */

static const char schema[] = "PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = FULL; PRAGMA secure_delete = 1;"
                             "CREATE TABLE IF NOT EXISTS private(id INTEGER PRIMARY KEY, data BLOB NOT NULL)";

struct db_private {
    struct db file; /* for db_failed(): its handle and path */
    bool open;      /* a transaction is */
    bool marked;    /* job.db says that there is one */
};

/* Beside this job.db. */
static void locate(const char *job_db, char path[PATH_MAX])
{
    const char *slash = strrchr(job_db, '/');
    int folder = slash ? (int)(slash + 1 - job_db) : 0;
    snprintf(path, PATH_MAX, "%.*sprivate.db", folder, job_db);
}

void db_private_close(struct db *db)
{
    if (!db->aside)
        return;
    sqlite3_close(db->aside->file.handle);
    free(db->aside);
    db->aside = NULL;
}

static int execute(struct db *db, const char *sql, struct why *why)
{
    int code = sqlite3_exec(db->aside->file.handle, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? 0 : db_failed(&db->aside->file, code, why);
}

/* SQLite gives its journal the permissions of the file, which is there before it. */
static int make_file(const char *path, struct why *why)
{
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    int r = fd < 0 || fchmod(fd, 0600) < 0 ? -errno : 0;
    closep(&fd);
    return r < 0 ? because(why, r, "%s: %s; the job directory must be there and writable", path, strerror(-r)) : 0;
}

static int open_file(struct db *db, bool make, struct why *why)
{
    char path[PATH_MAX];
    locate(db->path, path);
    if (!make && access(path, F_OK) < 0)
        return because(why, -ENODATA, "%s: is missing; it holds what the addresses of this job's images have besides what is shown (signatures, passwords): put "
                       "it back, or begin a new job", path);
    int r = make ? make_file(path, why) : 0;
    if (r < 0)
        return r;
    db->aside = calloc(1, sizeof(*db->aside));
    if (!db->aside)
        return because(why, -ENOMEM, "%s: out of memory", path);
    snprintf(db->aside->file.path, sizeof(db->aside->file.path), "%s", path);
    int code = sqlite3_open_v2(path, &db->aside->file.handle, SQLITE_OPEN_READWRITE, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(db->aside->file.handle, schema, NULL, NULL, NULL);
    if (code == SQLITE_OK)
        return 0;
    r = db_failed(&db->aside->file, code, why);
    db_private_close(db);
    return r;
}

/* 1: job.db says that there is one; 0: it does not. */
static int is_marked(struct db *db, struct why *why)
{
    CLEANUP(freep) char *mark = NULL;
    struct why reason = { "" };
    int r = db_get(db, MARK, &mark, &reason);
    if (r == -ENOENT)
        return 0;
    return r < 0 ? because(why, r, "%s", reason.text) : *mark != '\0';
}

/* 1: it is open; 0: this job has none. */
static int look(struct db *db, struct why *why)
{
    if (!db->aside && !db->no_private) {
        int r = is_marked(db, why);
        if (r > 0)
            r = open_file(db, false, why);
        if (r < 0)
            return r;
        db->no_private = !db->aside;
    }
    return db->aside != NULL;
}

static int run(struct db *db, const char *sql, int64_t id, const void *data, size_t size, struct why *why)
{
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(db->aside->file.handle, sql, -1, &statement, NULL);
    if (code == SQLITE_OK) {
        sqlite3_bind_int64(statement, 1, id);
        if (data)
            sqlite3_bind_blob64(statement, 2, data, size, SQLITE_STATIC);
        code = sqlite3_step(statement);
    }
    int r = code == SQLITE_DONE ? 0 : db_failed(&db->aside->file, code, why);
    sqlite3_finalize(statement);
    return r;
}

int db_keep_private(struct db *db, int64_t id, const void *data, size_t size, struct why *why)
{
    int r = db->aside ? 0 : open_file(db, true, why);
    if (r == 0 && !db->aside->open) {
        r = execute(db, "BEGIN IMMEDIATE", why);
        db->aside->open = r == 0;
    }
    if (r == 0 && !db->aside->marked) {
        r = db_set(db, MARK, "yes", why);
        db->aside->marked = r == 0;
        db->no_private = false;
    }
    return r < 0 ? r : run(db, "INSERT OR REPLACE INTO private(id, data) VALUES(?1, ?2)", id, data, size, why);
}

int db_private_commit(struct db *db, struct why *why)
{
    if (!db->aside || !db->aside->open)
        return 0;
    db->aside->open = false;
    return execute(db, "COMMIT", why);
}

int db_get_private(struct db *db, int64_t id, void **ret, size_t *ret_size, struct why *why)
{
    sqlite3_stmt *statement;
    int r = look(db, why);
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    int code = sqlite3_prepare_v2(db->aside->file.handle, "SELECT data FROM private WHERE id = ?1", -1, &statement, NULL);
    if (code == SQLITE_OK) {
        sqlite3_bind_int64(statement, 1, id);
        code = sqlite3_step(statement);
    }
    r = code == SQLITE_DONE ? -ENOENT : code == SQLITE_ROW ? db_copy_blob(&db->aside->file, statement, ret, ret_size, why) : db_failed(&db->aside->file, code, why);
    sqlite3_finalize(statement);
    return r;
}

int db_forget_private(struct db *db, uint64_t from, struct why *why)
{
    int r = look(db, why);
    return r <= 0 ? r : run(db, "DELETE FROM private WHERE id >= ?1", (int64_t)from, NULL, 0, why);
}

int db_remove_private(struct db *db, struct why *why)
{
    int r = is_marked(db, why);
    if (r <= 0)
        return r;
    r = db_set(db, MARK, "", why);
    if (r < 0)
        return r;
    db_private_close(db);
    db->no_private = true;
    return db_unlink_private(db->path, why);
}

int db_unlink_private(const char *job_db, struct why *why)
{
    char path[PATH_MAX + 16];
    locate(job_db, path);
    int r = unlink(path) < 0 && errno != ENOENT ? because(why, -errno, "%s: cannot be removed: %s", path, strerror(errno)) : 0;
    strcat(path, "-journal");
    unlink(path);
    return r;
}
