/* finish.h: a complete job's rows on their way out: tables, one file an image, summary.json, and the summary for people.
 *
 * Threads:   the main thread's, once the loop has ended.
 * Ownership: borrows everything.
 * Errors:    negative errno with a sentence; the job stays complete and can be exported again. */
#pragma once

#include "coordinator/coordinator.h"
#include "coordinator/db.h"
#include "coordinator/evaluation.h"
#include "coordinator/tally.h"

/* Rows that failed, and those of them whose failure may pass. */
struct finished {
    uint64_t failed, retryable;
    bool unwritten; /* the error is that tables cannot be written where they are to go; summary.json is there */
};

/* Sees that rows = entries, writes what the spec asks for, prints the summary on stdout. `c` says who did the work, `s3` is the store if the
 * output is in one: what says there that all is written, and holds the summary, is the object _SUCCESS. job.db keeps that, and where, it
 * was written. */
int finish_job(const char *job_dir, const struct spec *spec, const struct labels *labels, struct s3_session *s3, const struct coordinator *c,
               struct finished *ret, struct why *why);

/* Has the rows judged by another truth (truth.h) than the job was run with; NULL: by its own. -EINVAL for what is none. */
int finish_judge_by(struct spec *spec, const char *truth, struct why *why);

/* Calls `each` for every row in list order, with its truth and match. -EBUSY for a job that is not complete. */
typedef int finish_each(void *arg, const struct export_row *row, struct why *why);
int finish_walk(struct db *db, const struct spec *spec, const struct labels *labels, finish_each *each, void *arg, struct why *why);

/* How good a complete job's answers are. */
int finish_evaluate(struct db *db, const struct spec *spec, const struct labels *labels, struct evaluation **ret, struct why *why);

/* Which tables, and where to: a folder, or s3://bucket/prefix/ with the session for it. */
struct finish_output {
    unsigned formats; /* of enum export_format */
    const char *directory;
    struct s3_session *s3;
};

/* Tables of a complete job. `tally` and `evaluation` count along, and may be NULL. The paths are added to `ret_files` as a
 * NUL-separated list. */
int finish_export(struct db *db, const struct spec *spec, const struct labels *labels, const struct finish_output *output,
                  struct tally *tally, struct evaluation *evaluation, struct bytes *ret_files, struct why *why);
