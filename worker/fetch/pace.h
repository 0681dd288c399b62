/* pace.h: how long GETs take just now, and when one of them is worth a second copy.
 *
 * Durations are counted in classes an eighth of an octave wide; when enough have come all counts are halved, so what is long ago fades. A copy
 * is worth it after 3 times the 95th percentile; copies are rationed to 5 % of what has been asked for, so that a store that is slow as a whole is
 * not asked twice. (Dean, Barroso: "The Tail at Scale", CACM 2013.)
 *
 * Threads:   a struct pace belongs to one thread.
 * Ownership: plain memory, zeroed at first. Errors: none. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PACE_CLASSES 256 /* up to 2^32 us */
#define PACE_SAMPLES 32  /* fewer say nothing */

struct pace {
    uint32_t counts[PACE_CLASSES];
    uint32_t total, fresh; /* samples; those since the percentile was computed */
    uint64_t patience_ns;  /* 0: too few samples */
    uint32_t ration;       /* of copies, in twentieths */
};

void pace_add(struct pace *pace, uint64_t ns);

/* How long to wait before a copy is worth it; 0: nothing is known yet. */
static inline uint64_t pace_patience_ns(const struct pace *pace)
{
    return pace->patience_ns;
}

/* Takes one copy from the ration; false when it is used up. */
bool pace_take_copy(struct pace *pace);
