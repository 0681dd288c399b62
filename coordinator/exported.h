/* exported.h: whether a complete job's tables are written, and where, as job.db has it. In meta (db.h):
 *
 *     exported   paths, one a line; "": none, or they are older than the rows
 *     unwritten  "yes": that was tried and failed; summary.json has all but them
 *
 * Threads:   the main thread's.
 * Ownership: borrows everything. Files are NUL-separated paths.
 * Errors:    negative errno with a sentence. */
#pragma once

#include "common/bytes.h"
#include "coordinator/db.h"

struct finish_output;

/* They are written: `resume` knows then that nothing is left to do, and no retry is under way. */
int exported_mark(struct db *db, const struct bytes *files, struct why *why);

/* They cannot be, and the summary is there. */
int exported_fail(struct db *db, struct why *why);
bool exported_is_failed(struct db *db);
bool exported_is_written(struct db *db, const char *job_dir); /* and so is the summary */

/* Within a transaction: rows will change. */
int exported_forget(struct db *db, struct why *why);

/* `export` wrote these. Where they are all that the job could not write itself, it is complete with that: job.db and summary.json say so. */
void exported_note(const char *job_dir, const struct finish_output *output, const struct bytes *files);
