#include "coordinator/db.h"

#include <errno.h>
#include <limits.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>

/* In the file's header: tells a job from any other SQLite file. */
#define APPLICATION_ID 0x534c4447 /* "SLDG" */
#define SCHEMA_VERSION 1
#define BUSY_MS        10000

enum statement {
    SQL_BEGIN, SQL_COMMIT, SQL_SET, SQL_GET, SQL_ADD_BATCH, SQL_ADD_RESULT, SQL_COUNT_BATCHES, SQL_COUNT_RESULTS, SQL_PENDING, SQL_LAST, SQL_WALK, SQL_NODES,
    SQL_COUNT,
};

static const char *const statements[SQL_COUNT] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_SET] = "INSERT OR REPLACE INTO meta(key, value) VALUES(?1, ?2)",
    [SQL_GET] = "SELECT value FROM meta WHERE key = ?1",
    [SQL_ADD_BATCH] = "INSERT INTO batch(id, first, count, items) VALUES(?1, ?2, ?3, ?4)",
    [SQL_ADD_RESULT] = "INSERT OR IGNORE INTO result(id, rows, attempt, node, errors) VALUES(?1, ?2, ?3, ?4, ?5)",
    [SQL_COUNT_BATCHES] = "SELECT count(*), coalesce(sum(count), 0) FROM batch",
    [SQL_COUNT_RESULTS] = "SELECT count(*), coalesce(sum(count), 0), coalesce(sum(errors), 0) FROM result JOIN batch USING(id)",
    [SQL_PENDING] = ("SELECT id, first, count, items, NULL FROM batch WHERE id >= ?1 AND NOT EXISTS "
                    "(SELECT 1 FROM result WHERE result.id = batch.id) ORDER BY id LIMIT ?2"),
    [SQL_LAST] = "SELECT id, first, count, items, NULL FROM batch ORDER BY id DESC LIMIT 1",
    [SQL_NODES] = "SELECT node, sum(count), count(*) FROM result JOIN batch USING(id) GROUP BY node ORDER BY min(id)",
    [SQL_WALK] = "SELECT batch.id, first, count, items, rows FROM batch LEFT JOIN result USING(id) ORDER BY batch.id",
};

static const char schema[] =
    "PRAGMA page_size = 8192;"
    "PRAGMA journal_mode = WAL;"
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE batch(id INTEGER PRIMARY KEY, first INTEGER NOT NULL, count INTEGER NOT NULL, items BLOB NOT NULL);"
    "CREATE TABLE result(id INTEGER PRIMARY KEY, rows BLOB NOT NULL, attempt INTEGER NOT NULL, node TEXT NOT NULL, errors INTEGER NOT NULL);";

struct db {
    sqlite3 *handle;
    char path[PATH_MAX];
    sqlite3_stmt *prepared[SQL_COUNT];
};

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

static const char *advice(int code)
{
    switch (code & 0xff) {
    case SQLITE_FULL:
        return "; make room on the disk and resume the job";
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
        return "; the job directory must be there and writable";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return "; this is not a job.db of sleddog";
    default:
        return "";
    }
}

static int failed(struct db *db, int code, struct why *why)
{
    return because(why, to_errno(code), "%s: %s%s", db->path, db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(code), advice(code));
}

static int execute(struct db *db, const char *sql, struct why *why)
{
    int code = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? 0 : failed(db, code, why);
}

static int read_pragma(struct db *db, const char *sql, int *ret, struct why *why)
{
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(db->handle, sql, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *ret = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return code == SQLITE_ROW ? 0 : failed(db, code, why);
}

static int check_identity(struct db *db, struct why *why)
{
    int id = 0, version = 0;
    int r = read_pragma(db, "PRAGMA application_id", &id, why);
    if (r == 0)
        r = read_pragma(db, "PRAGMA user_version", &version, why);
    if (r < 0)
        return r;
    if (id != APPLICATION_ID)
        return because(why, -EBADMSG, "%s: not a job of sleddog", db->path);
    if (version != SCHEMA_VERSION)
        return because(why, -EBADMSG, "%s: made by another release of sleddog (schema %d, this one reads %d)", db->path, version, SCHEMA_VERSION);
    return 0;
}

static int prepare_all(struct db *db, struct why *why)
{
    for (int i = 0; i < SQL_COUNT; i++) {
        int code = sqlite3_prepare_v3(db->handle, statements[i], -1, SQLITE_PREPARE_PERSISTENT, &db->prepared[i], NULL);
        if (code != SQLITE_OK)
            return failed(db, code, why);
    }
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
        return failed(db, code, why);
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
    char identity[128];
    snprintf(identity, sizeof(identity), "PRAGMA application_id = %d; PRAGMA user_version = %d; PRAGMA synchronous = NORMAL", APPLICATION_ID,
             SCHEMA_VERSION);
    r = execute(db, schema, why);
    if (r == 0)
        r = execute(db, identity, why);
    if (r == 0)
        r = prepare_all(db, why);
    if (r < 0)
        return r;
    *ret = take(db);
    return 0;
}

int db_open(const char *path, bool read_only, struct db **ret, struct why *why)
{
    CLEANUP(db_closep) struct db *db = NULL;
    struct stat status;
    if (stat(path, &status) < 0)
        return because(why, -errno, "%s: %s; is this a job directory?", path, strerror(errno));
    /* A reader of a WAL file needs its -shm beside it, so a plain read-only open is not enough where it can be had. */
    bool writable = !read_only || access(path, W_OK) == 0;
    int r = open_handle(path, writable ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY, &db, why);
    if (r == 0)
        r = check_identity(db, why);
    if (r == 0)
        r = execute(db, read_only ? "PRAGMA query_only = 1" : "PRAGMA synchronous = NORMAL", why);
    if (r == 0)
        r = prepare_all(db, why);
    if (r < 0)
        return r;
    *ret = take(db);
    return 0;
}

void db_close(struct db *db)
{
    if (!db)
        return;
    for (int i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(db->prepared[i]);
    sqlite3_close(db->handle);
    free(db);
}

int db_settle(struct db *db, struct why *why)
{
    int code = sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    return code == SQLITE_OK ? 0 : failed(db, code, why);
}

/* Runs a bound statement that returns no rows. */
static int run(struct db *db, enum statement which, struct why *why)
{
    sqlite3_stmt *statement = db->prepared[which];
    int code = sqlite3_step(statement);
    int r = code == SQLITE_DONE ? 0 : failed(db, code, why);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return r;
}

int db_begin(struct db *db, struct why *why)
{
    return run(db, SQL_BEGIN, why);
}

int db_commit(struct db *db, struct why *why)
{
    return run(db, SQL_COMMIT, why);
}

int db_set(struct db *db, const char *key, const char *value, struct why *why)
{
    sqlite3_stmt *statement = db->prepared[SQL_SET];
    sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, value, -1, SQLITE_STATIC);
    return run(db, SQL_SET, why);
}

int db_get(struct db *db, const char *key, char **ret, struct why *why)
{
    sqlite3_stmt *statement = db->prepared[SQL_GET];
    sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
    int r = 0, code = sqlite3_step(statement);
    if (code == SQLITE_DONE)
        r = because(why, -ENOENT, "%s: has no %s", db->path, key);
    else if (code != SQLITE_ROW)
        r = failed(db, code, why);
    else {
        const char *text = (const char *)sqlite3_column_text(statement, 0);
        *ret = text ? strdup(text) : NULL;
        r = *ret ? 0 : because(why, -ENOMEM, "%s: out of memory", db->path);
    }
    sqlite3_reset(statement);
    return r;
}

int db_add_batch(struct db *db, const struct db_batch *batch, struct why *why)
{
    sqlite3_stmt *statement = db->prepared[SQL_ADD_BATCH];
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)batch->id);
    sqlite3_bind_int64(statement, 2, (sqlite3_int64)batch->first);
    sqlite3_bind_int64(statement, 3, batch->count);
    sqlite3_bind_blob64(statement, 4, batch->items, batch->items_size, SQLITE_STATIC);
    return run(db, SQL_ADD_BATCH, why);
}

int db_add_result(struct db *db, uint64_t id, const void *rows, size_t size, uint32_t attempt, const char *node, uint32_t errors,
                  struct why *why)
{
    sqlite3_stmt *statement = db->prepared[SQL_ADD_RESULT];
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)id);
    sqlite3_bind_blob64(statement, 2, rows, size, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 3, attempt);
    sqlite3_bind_text(statement, 4, node, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 5, errors);
    int r = run(db, SQL_ADD_RESULT, why);
    return r < 0 ? r : sqlite3_changes(db->handle);
}

static int read_numbers(struct db *db, enum statement which, uint64_t *const *to, int count, struct why *why)
{
    sqlite3_stmt *statement = db->prepared[which];
    int code = sqlite3_step(statement);
    for (int i = 0; code == SQLITE_ROW && i < count; i++)
        *to[i] = (uint64_t)sqlite3_column_int64(statement, i);
    int r = code == SQLITE_ROW ? 0 : failed(db, code, why);
    sqlite3_reset(statement);
    return r;
}

int db_count(struct db *db, struct db_counts *ret, struct why *why)
{
    uint64_t *const listed[] = { &ret->batches, &ret->images };
    uint64_t *const done[] = { &ret->done_batches, &ret->done_images, &ret->errors };
    int r = read_numbers(db, SQL_COUNT_BATCHES, listed, ARRAY_SIZE(listed), why);
    return r < 0 ? r : read_numbers(db, SQL_COUNT_RESULTS, done, ARRAY_SIZE(done), why);
}

static int each_row(struct db *db, enum statement which, db_each *each, void *arg, struct why *why)
{
    sqlite3_stmt *statement = db->prepared[which];
    int code, r = 0;
    while (r >= 0 && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct db_batch batch = {
            .id = (uint64_t)sqlite3_column_int64(statement, 0),
            .first = (uint64_t)sqlite3_column_int64(statement, 1),
            .count = (uint32_t)sqlite3_column_int64(statement, 2),
            .items = sqlite3_column_blob(statement, 3),
            .items_size = (size_t)sqlite3_column_bytes(statement, 3),
            .rows = sqlite3_column_blob(statement, 4),
            .rows_size = (size_t)sqlite3_column_bytes(statement, 4),
        };
        r = each(arg, &batch, why);
    }
    if (r >= 0 && code != SQLITE_DONE)
        r = failed(db, code, why);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return r < 0 ? r : 0;
}

int db_pending(struct db *db, uint64_t from, uint32_t limit, db_each *each, void *arg, struct why *why)
{
    sqlite3_bind_int64(db->prepared[SQL_PENDING], 1, (sqlite3_int64)from);
    sqlite3_bind_int64(db->prepared[SQL_PENDING], 2, limit);
    return each_row(db, SQL_PENDING, each, arg, why);
}

int db_last(struct db *db, db_each *each, void *arg, struct why *why)
{
    return each_row(db, SQL_LAST, each, arg, why);
}

int db_walk(struct db *db, db_each *each, void *arg, struct why *why)
{
    return each_row(db, SQL_WALK, each, arg, why);
}

int db_nodes(struct db *db, db_each_node *each, void *arg, struct why *why)
{
    sqlite3_stmt *statement = db->prepared[SQL_NODES];
    int code = SQLITE_DONE, r = 0;
    while (r >= 0 && (code = sqlite3_step(statement)) == SQLITE_ROW)
        r = each(arg, (const char *)sqlite3_column_text(statement, 0), (uint64_t)sqlite3_column_int64(statement, 1),
                 (uint64_t)sqlite3_column_int64(statement, 2), why);
    if (r >= 0 && code != SQLITE_DONE)
        r = failed(db, code, why);
    sqlite3_reset(statement);
    return r < 0 ? r : 0;
}
