/* db.c: job.db as a file: its journal, its identity, its errors in words. */
#include "coordinator/db_handle.h"

#include "coordinator/filesystem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* In the file's header: tells a job from any other SQLite file. */
#define APPLICATION_ID 0x534c4447 /* "SLDG" */
#define SCHEMA_VERSION 2
#define BUSY_MS        10000

static const char schema[] =
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE batch(id INTEGER PRIMARY KEY, first INTEGER NOT NULL, count INTEGER NOT NULL, items BLOB NOT NULL, source INTEGER NOT NULL,"
    " at INTEGER NOT NULL);"
    "CREATE TABLE result(id INTEGER PRIMARY KEY, rows BLOB NOT NULL, attempt INTEGER NOT NULL, node TEXT NOT NULL, errors INTEGER NOT NULL);"
    "CREATE TABLE retry(id INTEGER PRIMARY KEY, count INTEGER NOT NULL, items BLOB NOT NULL, places BLOB NOT NULL, done INTEGER NOT NULL);";

/* ---- errors ---- */

/* Why no file can be made beside the database: SQLite tries this and that, and the reason is gone by then. 0: one can be made. */
static int try_to_make_file(const char *database)
{
    char path[PATH_MAX + 8];
    snprintf(path, sizeof(path), "%s-try", database);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666), r = fd < 0 ? -errno : 0;
    closep(&fd);
    unlink(path);
    return r;
}

/* Of the journal's last failure, or the file's. */
static int last_errno(struct db *db)
{
    sqlite3_file *journal = NULL;
    int error = 0;
    sqlite3_file_control(db->handle, NULL, SQLITE_FCNTL_JOURNAL_POINTER, &journal);
    if (journal && journal->pMethods)
        journal->pMethods->xFileControl(journal, SQLITE_FCNTL_LAST_ERRNO, &error);
    if (!error)
        sqlite3_file_control(db->handle, NULL, SQLITE_FCNTL_LAST_ERRNO, &error);
    return error ? error : sqlite3_system_errno(db->handle);
}

/* What the system said, where SQLite passes on less than that; 0 if it does not. */
static int system_error(struct db *db, int code)
{
    int primary = code & 0xff, r;
    if (!db->handle || (primary != SQLITE_IOERR && primary != SQLITE_CANTOPEN))
        return 0;
    r = primary == SQLITE_CANTOPEN ? try_to_make_file(db->path) : -last_errno(db);
    switch (r) {
    case -ENOSPC:
    case -EDQUOT:
    case -EFBIG:
    case -EMFILE:
    case -ENFILE:
    case -EROFS:
    case -ENOLCK:
        return r;
    default:
        return 0;
    }
}

static int to_errno(int code)
{
    switch (code & 0xff) {
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
        return -EROFS;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return -EBADMSG;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_CONSTRAINT:
        return -EEXIST;
    default:
        return -EIO;
    }
}

static const char *advice(int r, int code)
{
    switch (r) {
    case -ENOSPC:
    case -EDQUOT:
        return "; make room there and go on";
    case -EFBIG:
        return "; the file system or a ulimit takes no larger file: raise that and go on";
    case -EMFILE:
    case -ENFILE:
        return "; raise the limit of open files (ulimit -n) and go on";
    case -ENOLCK:
        return "; this file system knows no locks: give --job a folder elsewhere";
    case -EROFS:
        return "; the job directory must be there and writable";
    case -EBUSY:
        return "; another process holds it: end that and go on";
    case -EIO:
        if ((code & 0xff) == SQLITE_ERROR) /* no such table, no such column */
            return "; it " DB_DAMAGED;
        return "; look at the disk or the mount, then go on";
    case -EBADMSG:
        return code == SQLITE_NOTADB ? "; this is not a job.db of sleddog" : "; it " DB_DAMAGED;
    default:
        return "";
    }
}

int db_failed(struct db *db, int code, struct why *why)
{
    int system = system_error(db, code), r = system < 0 ? system : to_errno(code);
    const char *reason = system < 0 ? strerror(-r) : db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(code);
    return because(why, r, "%s: %s%s", db->path, reason, advice(r, code));
}

static int execute(struct db *db, const char *sql, struct why *why)
{
    int code = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? 0 : db_failed(db, code, why);
}

/* Gives SQLite's code: SQLITE_ROW, and the first column of the first row, where all is well. */
static int read_pragma(struct db *db, const char *sql, char *ret, size_t size)
{
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(db->handle, sql, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    const unsigned char *text = code == SQLITE_ROW ? sqlite3_column_text(statement, 0) : NULL;
    if (code == SQLITE_ROW && !text)
        code = SQLITE_NOMEM;
    snprintf(ret, size, "%s", text ? (const char *)text : "");
    sqlite3_finalize(statement);
    return code;
}

/* ---- the journal ---- */

/* Memory of its own in place of shared memory: for leaving WAL where a job was copied to from a local disk. */
static const char without_wal[] = "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = TRUNCATE; PRAGMA locking_mode = NORMAL;"
                                  "PRAGMA synchronous = FULL; SELECT count(*) FROM sqlite_master";

static int choose_journal(struct db *db, struct why *why)
{
    char mode[16] = "";
    if (!filesystem_is_remote(db->path)) {
        int code = read_pragma(db, "PRAGMA journal_mode = WAL", mode, sizeof(mode));
        if (!strcmp(mode, "wal"))
            return execute(db, "PRAGMA synchronous = NORMAL", why);
        if (code != SQLITE_ROW && code != SQLITE_CANTOPEN)
            return db_failed(db, code, why);
    }
    return execute(db, without_wal, why);
}

/* ---- opening ---- */

static int check_identity(struct db *db, struct why *why)
{
    char id[24], version[24];
    int code = read_pragma(db, "PRAGMA application_id", id, sizeof(id));
    if (code == SQLITE_ROW)
        code = read_pragma(db, "PRAGMA user_version", version, sizeof(version));
    if (code != SQLITE_ROW)
        return db_failed(db, code, why);
    if (atoi(id) != APPLICATION_ID)
        return because(why, -EBADMSG, "%s: not a job of sleddog", db->path);
    if (atoi(version) != SCHEMA_VERSION)
        return because(why, -EBADMSG, "%s: made by another release of sleddog (schema %s, this one reads %d); go on with that one, or begin a new job",
                       db->path, version, SCHEMA_VERSION);
    return 0;
}

static int open_handle(const char *path, int flags, struct db **ret, struct why *why)
{
    CLEANUP(db_closep) struct db *db = calloc(1, sizeof(*db));
    if (!db)
        return because(why, -ENOMEM, "%s: out of memory", path);
    snprintf(db->path, sizeof(db->path), "%s", path);
    int code = sqlite3_open_v2(path, &db->handle, flags, NULL);
    if (code != SQLITE_OK)
        return db_failed(db, code, why);
    sqlite3_busy_timeout(db->handle, BUSY_MS);
    *ret = take(db);
    return 0;
}

int db_create(const char *path, struct db **ret, struct why *why)
{
    CLEANUP(db_closep) struct db *db = NULL;
    if (access(path, F_OK) == 0)
        return because(why, -EEXIST, "%s: exists already", path);
    int r = open_handle(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &db, why);
    if (r < 0)
        return r;
    char identity[96];
    snprintf(identity, sizeof(identity), "PRAGMA application_id = %d; PRAGMA user_version = %d", APPLICATION_ID, SCHEMA_VERSION);
    r = execute(db, "PRAGMA page_size = 8192", why);
    if (r == 0)
        r = choose_journal(db, why);
    if (r == 0)
        r = execute(db, schema, why);
    if (r == 0)
        r = execute(db, identity, why);
    if (r == 0)
        r = db_prepare(db, why);
    if (r < 0)
        return r;
    *ret = take(db);
    return 0;
}

/* A foreign file is left as it is. -EROFS: it is in WAL mode, and lies where that cannot be read. */
static int open_for_writing(struct db *db, struct why *why)
{
    int identity = check_identity(db, why);
    if (identity < 0 && identity != -EROFS)
        return identity;
    int r = choose_journal(db, why);
    return r < 0 || identity == 0 ? r : check_identity(db, why);
}

/* One that looks only leaves the journal to the process that runs the job, or to the next one. */
static int open_for_looking(struct db *db, struct why *why)
{
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    int r = check_identity(db, why);
    return r < 0 ? r : execute(db, "PRAGMA query_only = 1", why);
}

/* Nobody here writes to it, and nothing waits beside it. */
static bool is_at_rest(const char *path)
{
    char wal[PATH_MAX + 8];
    struct stat status;
    snprintf(wal, sizeof(wal), "%s-wal", path);
    return access(path, W_OK) < 0 && (stat(wal, &status) < 0 ? errno == ENOENT : status.st_size == 0);
}

/* On a disk that cannot be written SQLite reads a file in WAL mode only if it is told that nobody changes it. */
static int open_at_rest(const char *path, struct db **ret, struct why *why)
{
    char uri[3 * PATH_MAX + 32];
    size_t used = (size_t)snprintf(uri, sizeof(uri), *path == '/' ? "file://" : "file:");
    for (const char *at = path; *at && used < sizeof(uri) - 20; at++)
        used += (size_t)snprintf(uri + used, 4, strchr("%?#", *at) ? "%%%02x" : "%c", *at);
    snprintf(uri + used, sizeof(uri) - used, "?immutable=1");
    int r = open_handle(uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, ret, why);
    if (r < 0)
        return r;
    snprintf((*ret)->path, sizeof((*ret)->path), "%s", path);
    return check_identity(*ret, why);
}

int db_open(const char *path, bool read_only, struct db **ret, struct why *why)
{
    CLEANUP(db_closep) struct db *db = NULL;
    struct stat status;
    if (stat(path, &status) < 0)
        return because(why, -errno, "%s: %s; is this a job directory?", path, strerror(errno));
    if (access(path, R_OK) < 0)
        return because(why, -errno, "%s: cannot be read: %s; look at it as who runs the job, or have them allow it", path, strerror(errno));
    /* A reader of a WAL file needs its -shm beside it, so a plain read-only open is not enough where it can be had. */
    bool writable = !read_only || access(path, W_OK) == 0;
    int r = open_handle(path, writable ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY, &db, why);
    if (r == 0)
        r = read_only ? open_for_looking(db, why) : open_for_writing(db, why);
    if (r == -EROFS && read_only && is_at_rest(path)) {
        db_close(take(db));
        r = open_at_rest(path, &db, why);
    }
    if (r == 0)
        r = db_prepare(db, why);
    if (r < 0)
        return r;
    *ret = take(db);
    return 0;
}

const char *db_path(const struct db *db)
{
    return db->path;
}

void db_close(struct db *db)
{
    if (!db)
        return;
    for (int i = 0; i < SQL_STATEMENTS; i++)
        sqlite3_finalize(db->prepared[i]);
    db_private_close(db);
    sqlite3_close(db->handle);
    free(db);
}

int db_settle(struct db *db, struct why *why)
{
    int code = sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    return code == SQLITE_OK ? 0 : db_failed(db, code, why);
}

/* ---- transactions ---- */

int db_begin(struct db *db, struct why *why)
{
    int moved = 0;
    sqlite3_file_control(db->handle, NULL, SQLITE_FCNTL_HAS_MOVED, &moved);
    if (moved)
        return because(why, -ESTALE, "%s: was removed or replaced while the job ran; put the folder back if you moved it, and resume the job, or begin a "
                       "new one", db->path);
    return db_run(db, SQL_BEGIN, why);
}

int db_commit(struct db *db, struct why *why)
{
    int r = db_private_commit(db, why);
    return r < 0 ? r : db_run(db, SQL_COMMIT, why);
}
