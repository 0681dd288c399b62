/* facts.h: what a job's summary says besides its rows: gathered from the spec, from this run, and from what earlier runs left in job.db.
 *
 * Threads:   the main thread's, once the loop has ended.
 * Ownership: borrows everything; the summary is the caller's: summary_free().
 * Errors:    -ENOMEM (without a sentence), or what job.db says. */
#pragma once

#include "coordinator/coordinator.h"
#include "coordinator/db.h"
#include "coordinator/tally.h"

struct json_t;

/* `files`: NUL-separated paths that were written. */
int facts_summary(struct db *db, const char *job_dir, const struct spec *spec, const struct coordinator *c, const struct tally *tally,
                  struct json_t *evaluation, const struct bytes *files, struct json_t **ret, struct why *why);
