/* hint.h: the command line that goes on with a job, to be pasted into a shell.
 *
 * Threads: any but for those of `db`. Errors: negative errno of `out`. */
#pragma once

#include "common/bytes.h"
#include "coordinator/db.h"
#include "coordinator/run_options.h"

#define HINT_KEPT "hint" /* in job.db: the command of the last process, without the folder */

#define HINT_PROGRAM "sleddog-coordinator"       /* as it stands in job.db; shown as this program was called */
#define HINT_RESUME  HINT_PROGRAM " resume"      /* where there is no more to say */

/* `command` is "resume" or "retry". What `options` say differently from its defaults is repeated: the job itself does not know it. With `job_dir` NULL
 * the command is one to be kept: it ends before the folder, and the program has its own name. */
int hint_command(const char *command, const struct run_options *options, const char *job_dir, struct bytes *out);

/* How to go on with a job of which there is only job.db: as the last process that ran it would have said. To be freed; NULL: no memory. */
char *hint_resume(struct db *db, const char *job_dir);

/* A space and a word, quoted where the shell wants it. */
void hint_word(struct bytes *out, const char *word);
