/* db_rows.c: the tables of job.db. */
#include "coordinator/db_handle.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const char *const statements[SQL_STATEMENTS] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_SET] = "INSERT OR REPLACE INTO meta(key, value) VALUES(?1, ?2)",
    [SQL_GET] = "SELECT value FROM meta WHERE key = ?1",
    [SQL_ADD_BATCH] = "INSERT INTO batch(id, first, count, items, source, at) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    [SQL_ADD_RESULT] = "INSERT OR IGNORE INTO result(id, rows, attempt, node, errors) VALUES(?1, ?2, ?3, ?4, ?5)",
    [SQL_COUNT_BATCHES] = "SELECT count(*), coalesce(sum(count), 0) FROM batch",
    [SQL_COUNT_RESULTS] = "SELECT count(*), coalesce(sum(count), 0), coalesce(sum(errors), 0) FROM result LEFT JOIN batch USING(id)",
    [SQL_COUNT_RETRIES] = "SELECT count(*), coalesce(sum(count), 0), coalesce(sum(done), 0), coalesce(sum(done * count), 0) FROM retry",
    /* What db_each reads: id, first, count, source, at, errors, items, rows. */
    [SQL_PENDING] = ("SELECT id, first, count, source, at, 0, items, NULL FROM batch WHERE id >= ?1 AND NOT EXISTS "
                     "(SELECT 1 FROM result WHERE result.id = batch.id) UNION ALL "
                     "SELECT id, 0, count, 0, 0, 0, items, NULL FROM retry WHERE id >= ?1 AND NOT done ORDER BY id LIMIT ?2"),
    [SQL_LAST] = "SELECT id, first, count, source, at, 0, items, NULL FROM batch ORDER BY id DESC LIMIT 1",
    [SQL_WALK] = "SELECT batch.id, first, count, source, at, errors, items, rows FROM batch LEFT JOIN result USING(id) ORDER BY batch.id",
    [SQL_FAILED] = ("SELECT batch.id, first, count, source, at, errors, items, rows FROM batch JOIN result USING(id) WHERE errors > 0 "
                    "ORDER BY batch.id"),
    [SQL_VERIFY] = "SELECT batch.id, first, count, result.id IS NOT NULL FROM batch LEFT JOIN result USING(id) ORDER BY batch.id",
    [SQL_NODES] = "SELECT node, sum(count), count(*) FROM result JOIN batch USING(id) GROUP BY node ORDER BY min(id)",
    [SQL_ADD_RETRY] = "INSERT INTO retry(id, count, items, places, done) VALUES(?1, ?2, ?3, ?4, 0)",
    [SQL_RETRY] = "SELECT places FROM retry WHERE id = ?1",
    [SQL_RETRY_DONE] = "UPDATE retry SET done = 1 WHERE id = ?1 AND NOT done",
    [SQL_ROWS] = "SELECT rows FROM result WHERE id = ?1",
    [SQL_SET_ROWS] = "UPDATE result SET rows = ?2, errors = ?3 WHERE id = ?1",
    [SQL_FORGET_RETRIES] = "DELETE FROM retry",
};

int db_prepare(struct db *db, struct why *why)
{
    for (int i = 0; i < SQL_STATEMENTS; i++) {
        int code = sqlite3_prepare_v3(db->handle, statements[i], -1, SQLITE_PREPARE_PERSISTENT, &db->prepared[i], NULL);
        if (code != SQLITE_OK)
            return db_failed(db, code, why);
    }
    return 0;
}

/* Makes a statement ready for its next use. */
static void rest(sqlite3_stmt *statement)
{
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
}

int db_run(struct db *db, enum db_statement which, struct why *why)
{
    sqlite3_stmt *statement = db->prepared[which];
    int code = sqlite3_step(statement);
    int r = code == SQLITE_DONE ? 0 : db_failed(db, code, why);
    rest(statement);
    return r;
}

/* ---- meta ---- */

int db_set(struct db *db, const char *key, const char *value, struct why *why)
{
    sqlite3_stmt *statement = db->prepared[SQL_SET];
    sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, value, -1, SQLITE_STATIC);
    return db_run(db, SQL_SET, why);
}

int db_get(struct db *db, const char *key, char **ret, struct why *why)
{
    sqlite3_stmt *statement = db->prepared[SQL_GET];
    sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
    int r = 0, code = sqlite3_step(statement);
    if (code == SQLITE_DONE)
        r = because(why, -ENOENT, "%s: has no %s", db->path, key);
    else if (code != SQLITE_ROW)
        r = db_failed(db, code, why);
    else {
        const char *text = (const char *)sqlite3_column_text(statement, 0);
        *ret = text ? strdup(text) : NULL;
        r = *ret ? 0 : because(why, -ENOMEM, "%s: out of memory", db->path);
    }
    rest(statement);
    return r;
}

uint64_t db_get_number(struct db *db, const char *key)
{
    CLEANUP(freep) char *text = NULL;
    return db_get(db, key, &text, NULL) == 0 ? strtoull(text, NULL, 10) : 0;
}

/* ---- batches and results ---- */

int db_add_batch(struct db *db, const struct db_batch *batch, struct why *why)
{
    sqlite3_stmt *statement = db->prepared[SQL_ADD_BATCH];
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)batch->id);
    sqlite3_bind_int64(statement, 2, (sqlite3_int64)batch->first);
    sqlite3_bind_int64(statement, 3, batch->count);
    sqlite3_bind_blob64(statement, 4, batch->items, batch->items_size, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 5, batch->source);
    sqlite3_bind_int64(statement, 6, (sqlite3_int64)batch->at);
    return db_run(db, SQL_ADD_BATCH, why);
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
    int r = db_run(db, SQL_ADD_RESULT, why);
    return r < 0 ? r : sqlite3_changes(db->handle);
}

static int read_numbers(struct db *db, enum db_statement which, uint64_t *const *to, int count, struct why *why)
{
    sqlite3_stmt *statement = db->prepared[which];
    int code = sqlite3_step(statement);
    for (int i = 0; code == SQLITE_ROW && i < count; i++)
        *to[i] = (uint64_t)sqlite3_column_int64(statement, i);
    int r = code == SQLITE_ROW ? 0 : db_failed(db, code, why);
    rest(statement);
    return r;
}

int db_count(struct db *db, struct db_counts *ret, struct why *why)
{
    uint64_t *const listed[] = { &ret->batches, &ret->images };
    uint64_t *const done[] = { &ret->done_batches, &ret->done_images, &ret->errors };
    int r = read_numbers(db, SQL_COUNT_BATCHES, listed, ARRAY_SIZE(listed), why);
    return r < 0 ? r : read_numbers(db, SQL_COUNT_RESULTS, done, ARRAY_SIZE(done), why);
}

int db_count_retries(struct db *db, struct db_counts *ret, struct why *why)
{
    uint64_t *const numbers[] = { &ret->batches, &ret->images, &ret->done_batches, &ret->done_images };
    ret->errors = 0;
    return read_numbers(db, SQL_COUNT_RETRIES, numbers, ARRAY_SIZE(numbers), why);
}

int db_count_work(struct db *db, struct db_counts *ret, struct why *why)
{
    struct db_counts again = { 0 };
    int r = db_count(db, ret, why);
    if (r == 0)
        r = db_count_retries(db, &again, why);
    if (r < 0)
        return r;
    uint64_t to_do = again.images - again.done_images;
    ret->batches += again.batches;
    ret->done_batches += again.done_batches;
    ret->done_images -= to_do; /* of the list, which is complete: each of them has its old row, an error */
    ret->errors -= to_do;
    return 0;
}

static int each_row(struct db *db, enum db_statement which, db_each *each, void *arg, struct why *why)
{
    sqlite3_stmt *statement = db->prepared[which];
    int code, r = 0;
    while (r >= 0 && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct db_batch batch = {
            .id = (uint64_t)sqlite3_column_int64(statement, 0),
            .first = (uint64_t)sqlite3_column_int64(statement, 1),
            .count = (uint32_t)sqlite3_column_int64(statement, 2),
            .source = (uint32_t)sqlite3_column_int64(statement, 3),
            .at = (uint64_t)sqlite3_column_int64(statement, 4),
            .errors = (uint32_t)sqlite3_column_int64(statement, 5),
            .items = sqlite3_column_blob(statement, 6),
            .items_size = (size_t)sqlite3_column_bytes(statement, 6),
            .rows = sqlite3_column_blob(statement, 7),
            .rows_size = (size_t)sqlite3_column_bytes(statement, 7),
        };
        r = each(arg, &batch, why);
    }
    if (r >= 0 && code != SQLITE_DONE)
        r = db_failed(db, code, why);
    rest(statement);
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

int db_walk_failed(struct db *db, db_each *each, void *arg, struct why *why)
{
    return each_row(db, SQL_FAILED, each, arg, why);
}

int db_nodes(struct db *db, db_each_node *each, void *arg, struct why *why)
{
    sqlite3_stmt *statement = db->prepared[SQL_NODES];
    int code = SQLITE_DONE, r = 0;
    while (r >= 0 && (code = sqlite3_step(statement)) == SQLITE_ROW)
        r = each(arg, (const char *)sqlite3_column_text(statement, 0), (uint64_t)sqlite3_column_int64(statement, 1),
                 (uint64_t)sqlite3_column_int64(statement, 2), why);
    if (r >= 0 && code != SQLITE_DONE)
        r = db_failed(db, code, why);
    rest(statement);
    return r < 0 ? r : 0;
}

/* ---- rows = entries ---- */

static int verify_next(struct db *db, sqlite3_stmt *statement, uint64_t *batches, uint64_t *images, struct why *why)
{
    uint64_t id = (uint64_t)sqlite3_column_int64(statement, 0);
    if (id != *batches || (uint64_t)sqlite3_column_int64(statement, 1) != *images)
        return because(why, -EBADMSG, "%s: batch %" PRIu64 " of the list is not in its place; the file " DB_DAMAGED, db->path, id);
    if (!sqlite3_column_int(statement, 3))
        return because(why, -EBUSY, "%s: this job is not complete: batch %" PRIu64 " (image %" PRIu64 " and those behind it) has no rows; go on with it: "
                       "sleddog-coordinator resume", db->path, id, *images);
    *images += (uint64_t)sqlite3_column_int64(statement, 2);
    (*batches)++;
    return 0;
}

static int verify_batches(struct db *db, uint64_t *batches, uint64_t *images, struct why *why)
{
    sqlite3_stmt *statement = db->prepared[SQL_VERIFY];
    int code, r = 0;
    while (r == 0 && (code = sqlite3_step(statement)) == SQLITE_ROW)
        r = verify_next(db, statement, batches, images, why);
    if (r == 0 && code != SQLITE_DONE)
        r = db_failed(db, code, why);
    rest(statement);
    return r;
}

int db_verify(struct db *db, struct why *why)
{
    struct db_counts counts = { 0 };
    uint64_t batches = 0, images = 0;
    CLEANUP(freep) char *listed = NULL;
    int r = verify_batches(db, &batches, &images, why);
    if (r == 0)
        r = db_count(db, &counts, why);
    if (r == 0 && db_get(db, "listed", &listed, NULL) < 0)
        r = because(why, -EBUSY, "%s: this job is not complete: its list is not; go on with it: sleddog-coordinator resume", db->path);
    if (r == 0 && (counts.done_batches != batches || counts.done_images != images))
        r = because(why, -EBADMSG, "%s: has rows for %" PRIu64 " images, and the list has %" PRIu64 "; the file " DB_DAMAGED, db->path, counts.done_images, images);
    return r;
}

/* ---- retries ---- */

int db_add_retry(struct db *db, const struct db_retry *retry, struct why *why)
{
    sqlite3_stmt *statement = db->prepared[SQL_ADD_RETRY];
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)retry->id);
    sqlite3_bind_int64(statement, 2, retry->count);
    sqlite3_bind_blob64(statement, 3, retry->items, retry->items_size, SQLITE_STATIC);
    sqlite3_bind_blob64(statement, 4, retry->places, retry->places_size, SQLITE_STATIC);
    return db_run(db, SQL_ADD_RETRY, why);
}

int db_copy_blob(struct db *db, sqlite3_stmt *statement, void **ret, size_t *ret_size, struct why *why)
{
    const void *blob = sqlite3_column_blob(statement, 0);
    size_t size = (size_t)sqlite3_column_bytes(statement, 0);
    *ret = blob ? malloc(size) : NULL;
    *ret_size = size;
    if (!*ret)
        return because(why, -ENOMEM, "%s: out of memory", db->path);
    memcpy(*ret, blob, size);
    return 0;
}

/* The blob in the only column of the row with this id. */
static int get_blob(struct db *db, enum db_statement which, uint64_t id, void **ret, size_t *ret_size, struct why *why)
{
    sqlite3_stmt *statement = db->prepared[which];
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)id);
    int code = sqlite3_step(statement);
    int r = code == SQLITE_DONE ? -ENOENT : code == SQLITE_ROW ? db_copy_blob(db, statement, ret, ret_size, why) : db_failed(db, code, why);
    rest(statement);
    return r;
}

int db_get_retry(struct db *db, uint64_t id, void **ret_places, size_t *ret_size, struct why *why)
{
    return get_blob(db, SQL_RETRY, id, ret_places, ret_size, why);
}

int db_retry_done(struct db *db, uint64_t id, struct why *why)
{
    sqlite3_bind_int64(db->prepared[SQL_RETRY_DONE], 1, (sqlite3_int64)id);
    int r = db_run(db, SQL_RETRY_DONE, why);
    return r < 0 ? r : sqlite3_changes(db->handle);
}

int db_forget_retries(struct db *db, struct why *why)
{
    return db_run(db, SQL_FORGET_RETRIES, why);
}

int db_get_rows(struct db *db, uint64_t id, void **ret_rows, size_t *ret_size, struct why *why)
{
    int r = get_blob(db, SQL_ROWS, id, ret_rows, ret_size, why);
    return r == -ENOENT ? because(why, -EBADMSG, "%s: batch %" PRIu64 " has no rows", db->path, id) : r;
}

int db_set_rows(struct db *db, uint64_t id, const void *rows, size_t size, uint32_t errors, struct why *why)
{
    sqlite3_stmt *statement = db->prepared[SQL_SET_ROWS];
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)id);
    sqlite3_bind_blob64(statement, 2, rows, size, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 3, errors);
    return db_run(db, SQL_SET_ROWS, why);
}
