/* hint.h: the command line that goes on with a job, to be pasted into a shell; and the words of one.
 *
 * Threads: any but for those of `db`. Errors: negative errno of `out`. */
#pragma once

#include "common/bytes.h"
#include "coordinator/db.h"
#include "coordinator/run_options.h"

#define HINT_PLACEMENT "placement" /* in job.db: placement.h */
#define HINT_BEFORE    "hint"      /* in a job.db that has none, of an earlier build: the command without the folder */

#define HINT_PROGRAM "sleddog-coordinator"       /* shown as this program was called */
#define HINT_RESUME  HINT_PROGRAM " resume"      /* where there is no more to say */

/* What `options` say differently from their defaults, or from what the job was begun with, as on a command line: the job itself does not know it. Each word has a space before it. */
int hint_options(const struct run_options *options, struct bytes *out);

/* `command` is "resume" or "retry". */
int hint_command(const char *command, const struct run_options *options, const char *job_dir, struct bytes *out);

/* How to go on with a job of which there is only job.db: as it ran last. To be freed; NULL: no memory. */
char *hint_resume(struct db *db, const char *job_dir);

/* -EBUSY: a job that must be complete is not; how to go on with it. For who holds it (jobdir_open()). */
int hint_incomplete(struct db *db, const char *job_dir, struct why *why);

/* The same for who only looks: another process may be running it, and is to be waited for. */
int hint_not_yet(struct db *db, const char *job_dir, struct why *why);

/* The same, unless every image has a row. */
int hint_check_rows(struct db *db, const char *job_dir, struct why *why);

/* What there is to do with such a job, complete or not: "JOB, complete; see it: COMMAND". */
struct hint_next {
    const char *state; /* ", complete" */
    const char *verb;  /* "go on with", "see", "write the tables of" */
    char *command;     /* to be freed; NULL: no memory */
};
struct hint_next hint_next(struct db *db, const struct spec *spec, const char *job_dir);

/* The command that writes a complete job's tables to a folder of choice: "... export JOBDIR -o DIR". To be freed; NULL: no memory. */
char *hint_elsewhere(const struct spec *spec, const char *job_dir);

/* A space and a word, quoted where the shell wants it. */
void hint_word(struct bytes *out, const char *word);

/* The words of a text that hint_word() made, in place. Returns how many; -E2BIG above `room`, -EINVAL for an open quote. */
int hint_split(char *text, char **ret, int room);
