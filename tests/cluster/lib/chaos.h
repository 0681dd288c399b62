/* chaos.h: one job on some workers behind a bad network (proxy.h), while processes are killed, stopped and asked to leave, all as a seed says.
 *
 * The faults are a list, made from the seed before anything starts. Each waits until so many images are safe in job.db and a little longer; what it does is
 * undone some time later: the dead are started again as systemd would, the stopped go on, a coordinator that is gone is followed by `resume`. The list is
 * finite and so are the proxy's faults, hence a run ends.
 *
 * Threads, errors: as process.h. Logs of all processes are left in the working directory: worker-I.N.err, coordinator.N.err, N counting starts. */
#pragma once

#include "tests/cluster/lib/proxy.h"

#define CHAOS_WORKERS_MAX 8

enum chaos_fault {
    CHAOS_KILL_WORKER,
    CHAOS_STOP_WORKER,  /* SIGSTOP, and SIGCONT before or after it expired */
    CHAOS_DRAIN_WORKER, /* SIGTERM: it must end with status 0 */
    CHAOS_REMOVE_WORKER, /* taken off the node list, and put on it again */
    CHAOS_KILL_COORDINATOR,
    CHAOS_STOP_COORDINATOR,
    CHAOS_INTERRUPT_COORDINATOR, /* SIGINT: it must end with status 130 */
    CHAOS_FAULTS
};

struct chaos_plan {
    uint64_t seed;
    int workers;
    const char *const *worker;      /* options of each */
    const char *const *coordinator; /* options and sources of `run`, without nodes, job and expiry */
    long images;
    int faults[CHAOS_FAULTS];       /* how many of each */
    struct proxy_plan frames;
};

struct chaos_tally {
    int faults[CHAOS_FAULTS], frames[PROXY_FAULTS];
    double seconds;
};

/* Returns when a coordinator has ended with status 0. The job is in "job". */
void chaos_run(const struct chaos_plan *plan, struct chaos_tally *ret);

/* "workers killed 3, stopped 2, ..." */
void chaos_describe(const struct chaos_tally *tally, char *text, int size);
