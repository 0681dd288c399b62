/* loops.h: items from the network: http://, https:// and s3://, many at once in a few threads.
 *
 * An item waits in a lane of its origin until it may start and the budget has room for it; its GET is tried again after trouble, with a second
 * copy where it is slow; it ends in `done`. An origin that is down is waited for. While a loop waits for anything it can still be told to stop
 * or that a work was abandoned, and then lets go at once.
 *
 *     inbox --> lanes of origins --(a free transfer, and room in the budget)--> under way --> done
 *                  ^  ^                                                          |   |
 *                  |  +-- the origin is down ------------------------------------+   |
 *                  +----- later, after a pause <-------------------------------------+
 *
 * Threads:   loops_submit() and loops_poke() from any; `done` is called by the loops' threads and must not wait.
 * Ownership: a task belongs to the loops from submit until `done`. With ROW_OK its data stand for `size` bytes of the budget.
 * Errors:    a task's trouble becomes its row: not_found, denied, fetch, timeout, too_large, unsupported. */
#pragma once

#include "common/s3/config.h"
#include "worker/blocks.h"
#include "worker/budget.h"
#include "worker/stage.h"
#include "worker/task.h"

struct loops;

struct loops_spec {
    int threads;            /* each with loops of its own connections */
    int concurrency;        /* GETs under way, of all together */
    size_t file_bytes;      /* of one file */
    uint64_t stall_ns;      /* no answer, or hardly any bytes, for so long: begun again */
    uint64_t store_timeout_ns; /* how long an origin that is down is waited for */
    bool alone;             /* there is no job that could be retried: sentences advise nothing of the kind */
    const struct s3_options *s3;
    struct budget *budget;
    struct blocks *blocks;  /* the memory of data comes from there */
    struct stage *stage;
    /* `detail`: of an error. ROW_ERRORS: the loops are ending, and the task was not done. */
    void (*done)(void *arg, struct task *task, enum row_error error, const char *detail);
    void *arg;
};

bool loops_takes(const struct span *uri);

int loops_new(const struct loops_spec *spec, struct loops **ret, struct why *why);
void loops_free(struct loops *loops); /* ends what is inside; accepts NULL */

void loops_submit(struct loops *loops, struct task *task);

/* Some work was abandoned: looks for its items, wherever they are. */
void loops_poke(struct loops *loops);
