/* placement.h: where and how a job ran last: node list, keys, number of local workers, time limits, tuning of local workers. All that `resume`
 * and `retry` take as options, kept in job.db as the words of a command line (hint.h), paths absolute.
 *
 * What is kept was good for something: it is replaced when a worker has taken the job with other options (coordinator.c), not before.
 *
 * Threads:   the main thread's.
 * Ownership: placement_done() frees; options that were taken point into it.
 * Errors:    negative errno with a sentence that names the file and its option. */
#pragma once

#include "coordinator/db.h"
#include "coordinator/run_options.h"

#define PLACEMENT_WORDS 512

struct placement {
    char *kept;  /* as job.db has it; NULL: nothing, a new job or one of an earlier build */
    char *words; /* the same in pieces, where they were taken */
    char *now;   /* of this run, for job.db; NULL: not worked out */
    struct run_options taken; /* as they are kept */
    bool says_precision, says_recheck; /* among them */
    bool elsewhere; /* --nodes or --local was given */
    bool rest;      /* and something else was taken from there all the same */
};

void placement_done(struct placement *placement);

/* Reads what is kept. Without --nodes and --local among `options`, which `argv` has made, that is where the job runs again: `options` become what is
 * kept, but for those in `argv`. With one of them, time limits and tuning stay as they are kept, unless `argv` has them; nodes, keys, --min-nodes and flags are
 * those of `argv` alone. */
int placement_take(struct placement *placement, struct db *db, struct run_options *options, int argc, char **argv, struct why *why);

/* Before work begins: whether the files that `options` took from there are still to be read. Says what was taken, in a line. */
int placement_check(const struct placement *placement, const struct run_options *options, const char *job_dir, struct why *why);

/* What is to be kept of `options`; before the folder is changed. */
int placement_describe(struct placement *placement, const struct run_options *options, struct why *why);
