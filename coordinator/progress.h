/* progress.h: what a person sees while a job runs, and JOBDIR/status.json for `status`.
 *
 * On a terminal (stderr): a bar with done/total, images/s, time left and errors, and a short line a worker. Elsewhere a plain line
 * every few seconds, with who is missing when that has changed, or a minute has passed. Log lines push the bar down instead of tearing it. Done are images whose rows are safe, the same as `status` says; what is computed
 * of batches that are not done is shown beside them. Of a retry: images that are to run again are not done.
 *
 * Threads:   the loop's.
 * Errors:    a status.json that cannot be written is not worth failing for. */
#pragma once

#include "common/why.h"

struct coordinator;
struct progress;

int progress_new(const char *job_dir, struct progress **ret, struct why *why);
void progress_free(struct progress *progress); /* accepts NULL; removes the bar and status.json */

/* Called at every tick; draws when it is time to. */
void progress_update(struct progress *progress, struct coordinator *c);
