/* retries.h: images of a complete job that run again, and the way of their new rows to their places.
 *
 * A retry is a batch of items from wherever they failed; it is sent to a worker like any other. Its rows take the places of the old ones in the
 * transaction that marks it done: an old row stays until there is a new one. So an interrupted retry loses nothing, and `resume` goes on with it.
 *
 * Threads:   whoever has the handle.
 * Ownership: borrows everything.
 * Errors:    negative errno with a sentence. */
#pragma once

#include "coordinator/db.h"

/* How many rows have a failure that may pass. */
int retries_count(struct db *db, uint64_t *ret_images, struct why *why);

/* Makes retries, of at most `batch` items, of all rows whose failure may pass, and forgets that tables were written: one transaction.
 * `ret_images` is how many run again; 0: there is nothing to retry, and nothing changed. */
int retries_plan(struct db *db, uint32_t batch, uint64_t *ret_images, struct why *why);

/* Rows of batch `id`, within a transaction: 1 stored, 0 there were some already, -ENOENT without a sentence: this is no retry. */
int retries_take(struct db *db, uint64_t id, const void *rows, size_t size, struct why *why);
