/* success.h: _SUCCESS, the object that says, as other batch systems do, that all of a job's output is there; it holds the summary.
 *
 * Nothing happens for an output that is a folder: summary.json is in the job's.
 *
 * Threads: one at a time. Ownership: borrows. Errors: negative errno and a sentence that names the object. */
#pragma once

#include "common/why.h"

struct s3_session;

/* Before anything is written: what an earlier job left there no longer says the truth. */
int success_forget(struct s3_session *s3, const char *output, struct why *why);

/* After everything is. */
int success_write(struct s3_session *s3, const char *output, const char *job_dir, struct why *why);

/* Before a long run: whether the bucket is there at all. What the store does not let us see is not an error yet. */
int success_look(struct s3_session *s3, const char *output, struct why *why);
