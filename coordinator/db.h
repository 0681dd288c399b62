/* db.h: job.db: what must survive: the job's description, its batches of items, their results.
 *
 *     meta(key, value)                             the job's spec, epoch, facts, "listed", "skipped" (how many things that are no images), "exported"
 *                                                  and "unwritten" (exported.h), "placement" (placement.h)
 *     batch(id, first, count, items, source, at)   `items` as items_encode() writes them; ids from 0 in list order, no holes; its last item is
 *                                                  number `at` (from 1) of source number `source`
 *     result(id, rows, attempt, node, errors)      one for each batch that is done; `rows` as rows_encode() writes them, `node` a label of provenance.h
 *     retry(id, count, items, places, done)        items that run again (retries.h); ids go on behind those of batch
 *
 * A batch and its rows are a blob each: one insert for sixty images. WAL and synchronous=NORMAL: after a power cut the last
 * transactions may be missing, never half there, and those batches just run again. Where WAL cannot be (it needs memory shared between
 * processes: not on network file systems), the journal is a file of its own and every commit waits for the disk.
 *
 * Threads:   a handle belongs to one thread at a time; several handles (processes) may have the file open.
 * Ownership: db_close() frees. Blobs given to a callback live during the call.
 * Errors:    negative errno with the file, SQLite's reason and what to do: -ENOSPC disk full, -EDQUOT, -EFBIG, -EMFILE, -EROFS read-only,
 *            -EBUSY locked, -EBADMSG damaged or not a job, -ESTALE removed under way, -ENOENT, -EEXIST, -EIO. */
#pragma once

#include "common/cleanup.h"
#include "common/why.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;

int db_create(const char *path, struct db **ret, struct why *why); /* must not exist */
int db_open(const char *path, bool read_only, struct db **ret, struct why *why);
const char *db_path(const struct db *db);
void db_close(struct db *db); /* accepts NULL */
DEFINE_FREEP(db_close, struct db)

/* Everything is in the file itself, none of it in its journal: the file may be renamed once it is closed. */
int db_settle(struct db *db, struct why *why);

/* -ESTALE when the file is no longer what its name means: what is written would be lost. */
int db_begin(struct db *db, struct why *why);
int db_commit(struct db *db, struct why *why);

/* Texts of meta. db_get: -ENOENT when there is none; the text is the caller's to free. */
int db_set(struct db *db, const char *key, const char *value, struct why *why);
int db_get(struct db *db, const char *key, char **ret, struct why *why);
uint64_t db_get_number(struct db *db, const char *key); /* 0: there is none */

struct db_batch {
    uint64_t id, first; /* `first`: place of its first item in the list */
    uint32_t count;
    const void *items;
    size_t items_size;
    const void *rows; /* NULL while it is not done */
    size_t rows_size;
    uint32_t source, errors;
    uint64_t at;
};

int db_add_batch(struct db *db, const struct db_batch *batch, struct why *why);

/* 1 when stored, 0 when this batch had a result already (nothing changes). */
int db_add_result(struct db *db, uint64_t id, const void *rows, size_t size, uint32_t attempt, const char *node, uint32_t errors,
                  struct why *why);

struct db_counts {
    uint64_t batches, images;           /* listed */
    uint64_t done_batches, done_images; /* with a result */
    uint64_t errors;                    /* rows among those that failed */
};

int db_count(struct db *db, struct db_counts *ret, struct why *why);

/* What runs again: `errors` is how many rows of the batches in work are counted as failed and not yet replaced. */
int db_count_retries(struct db *db, struct db_counts *ret, struct why *why);

/* Both together, for whoever hands out work: batches are those of the list and those that run again; images are those of the list, each once, and one
 * that is to run again is neither done nor failed meanwhile. */
int db_count_work(struct db *db, struct db_counts *ret, struct why *why);

/* Rows = entries: every batch follows the one before it, has its result, and there is no other. Does not look into the blobs. */
int db_verify(struct db *db, struct why *why);

/* Calls `each` for every node that has results, in the order of its first one: its name, and how much it did. */
typedef int db_each_node(void *arg, const char *node, uint64_t images, uint64_t batches, struct why *why);
int db_nodes(struct db *db, db_each_node *each, void *arg, struct why *why);

/* Calls `each` for batches in list order: those from `from` on without a result, then retries, at most `limit`. A negative answer stops. */
typedef int db_each(void *arg, const struct db_batch *batch, struct why *why);
int db_pending(struct db *db, uint64_t from, uint32_t limit, db_each *each, void *arg, struct why *why);

/* The same for the last batch, without its rows. */
int db_last(struct db *db, db_each *each, void *arg, struct why *why);

/* The same for every batch, with its rows. */
int db_walk(struct db *db, db_each *each, void *arg, struct why *why);

/* The same for batches with failed rows. */
int db_walk_failed(struct db *db, db_each *each, void *arg, struct why *why);

/* ---- retries ---- */

struct db_retry {
    uint64_t id;
    uint32_t count;
    const void *items, *places;
    size_t items_size, places_size;
};

int db_add_retry(struct db *db, const struct db_retry *retry, struct why *why);

/* The places of a retry, to be freed; -ENOENT (without a sentence) when there is none of this id. */
int db_get_retry(struct db *db, uint64_t id, void **ret_places, size_t *ret_size, struct why *why);

/* 1; 0 when it was done already. */
int db_retry_done(struct db *db, uint64_t id, struct why *why);
int db_forget_retries(struct db *db, struct why *why);

/* The rows of a batch, to be freed; and others in their place. */
int db_get_rows(struct db *db, uint64_t id, void **ret_rows, size_t *ret_size, struct why *why);
int db_set_rows(struct db *db, uint64_t id, const void *rows, size_t size, uint32_t errors, struct why *why);

/* ---- private ----
 *
 * What must not be in job.db, a log or a table: the queries and passwords of addresses, in a file beside it that only its owner may read. Batches
 * and retries have it under their ids, the job itself under negative ones. Kept within a transaction, it is safe before that one. */

int db_keep_private(struct db *db, int64_t id, const void *data, size_t size, struct why *why);

/* To be freed; -ENOENT (without a sentence) when there is none of this id, -ENODATA when the file is gone. */
int db_get_private(struct db *db, int64_t id, void **ret, size_t *ret_size, struct why *why);

/* Of these ids and beyond, before they are given out anew. */
int db_forget_private(struct db *db, uint64_t from, struct why *why);

/* The file: nothing needs it any more. */
int db_remove_private(struct db *db, struct why *why);

/* The file beside a job.db that is not there: of a job that was never made to the end. */
int db_unlink_private(const char *job_db, struct why *why);
