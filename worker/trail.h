/* trail.h: the daemon's crumbs: its own, and what the process before it at this address died of.
 *
 * Threads:   the loop's.
 * Ownership: trail_close() frees; zeroed memory is a closed trail.
 * Errors:    none that stop a worker: without a file it goes on, and says so once in the log. */
#pragma once

#include "worker/crumbs.h"

struct trail {
    struct crumbs *crumbs; /* NULL only without memory */
    struct suspects former;
    struct rec_suspect *named; /* room for all of them */
};

/* Threads that fault mark their crumbs from here on. */
void trail_open(struct trail *trail, const char *endpoint, const char *cache);

/* This end is an orderly one. */
void trail_remove(struct trail *trail);
/* After the last thread that leaves crumbs. */
void trail_close(struct trail *trail);

/* For a welcome: those of this job. Valid until the next call. Returns how many. */
uint32_t trail_suspects(struct trail *trail, uint64_t job, struct rec_suspect **ret);

/* The coordinator of this job has heard of them. */
void trail_forget(struct trail *trail, uint64_t job);
