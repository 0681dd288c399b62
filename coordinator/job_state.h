/* job_state.h: how far a job is, as job.db has it.
 *
 * Threads: whoever has the handle. Ownership: plain data. Errors: negative errno with a sentence. */
#pragma once

#include "coordinator/db.h"

struct job_state {
    bool listed;   /* the list is complete */
    bool all_rows; /* and every image has a row */
    bool complete; /* and none of them runs again */
    struct db_counts list, again;
};

int job_state_read(struct db *db, struct job_state *ret, struct why *why);
