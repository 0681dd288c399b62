#include "coordinator/job_state.h"

int job_state_read(struct db *db, struct job_state *ret, struct why *why)
{
    CLEANUP(freep) char *listed = NULL;
    struct job_state state = { 0 };
    int r = db_count(db, &state.list, why);
    if (r == 0)
        r = db_count_retries(db, &state.again, why);
    if (r < 0)
        return r;
    state.listed = db_get(db, "listed", &listed, NULL) == 0;
    state.all_rows = state.listed && state.list.done_images == state.list.images;
    state.complete = state.all_rows && state.again.done_images == state.again.images;
    *ret = state;
    return 0;
}
