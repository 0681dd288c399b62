/* observation.h: what passes through a network in f32, seen tensor by tensor; and what becomes of its answers when some tensors are rounded on the way.
 *
 * Threads:   observation_observe() is an engine's observer: several streams call it at once. Everything else is one thread's, and `looking` and `rounded`
 *            change only while nothing runs.
 * Ownership: observation_done() frees.
 * Errors:    negative errno with a sentence. */
#pragma once

#include "worker/calibration/histogram.h"
#include "worker/weights/ranges.h"

#include <pthread.h>
#include <stdatomic.h>

struct observation {
    const struct network *network;
    struct histogram histograms[NETWORK_LAYERS_MAX]; /* by layer; of those with a pair of their own */
    double *sums;                             /* of the channels, in the order of struct ranges' means */
    uint64_t pixels[NETWORK_LAYERS_MAX + 1];  /* that were summed up, by activation */
    pthread_mutex_t locks[NETWORK_LAYERS_MAX + 1]; /* by activation */
    atomic_bool looking;    /* histograms and sums grow */
    atomic_bool not_finite; /* somewhere there was such a number */
    struct range rounded[NETWORK_LAYERS_MAX]; /* by layer: what it leaves behind becomes u8 of this range, and f32 again; 0, 0: it stays */
};

int observation_init(struct observation *seen, const struct network *network, struct why *why);
void observation_done(struct observation *seen);

/* An engine_observer; its first argument is the observation. */
void observation_observe(void *arg, int activation, float *values, size_t count, int images);

/* Each channel's mean of what was looked at, into ranges->means. */
int observation_means(const struct observation *seen, struct ranges *ranges, struct why *why);
