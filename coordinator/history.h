/* history.h: how far each stage was at which moment of a run, in bounded memory.
 *
 * Points are taken every HISTORY_FIRST_NS at first. When there are HISTORY_POINTS, every second one is dropped and the interval doubles,
 * so a run of any length ends with between half as many and all of them, evenly spread.
 *
 * Threads:   the loop's.
 * Ownership: plain memory (some 37 KB); {0} is an empty one. */
#pragma once

#include "proto/messages.h"

#include <stdbool.h>

#define HISTORY_POINTS   256
#define HISTORY_FIRST_NS 100000000u

struct history_point {
    uint64_t at_ns;               /* since the beginning of the run */
    uint64_t done;                /* images that are safe, since the beginning of the job */
    uint64_t items[LIMIT_STAGES]; /* through each stage, all nodes */
};

struct history {
    char stage[LIMIT_STAGES][33];
    uint32_t stages, count;
    uint64_t interval_ns;
    struct history_point points[HISTORY_POINTS];
};

/* It is time for the next one. */
bool history_due(const struct history *history, uint64_t at_ns);

/* A new point; then history_count() adds the counters of each node to it. */
struct history_point *history_begin(struct history *history, uint64_t at_ns, uint64_t done);
void history_count(struct history *history, struct history_point *point, const struct rec_stage *stages, uint32_t count);
