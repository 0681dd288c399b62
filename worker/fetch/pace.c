#include "worker/fetch/pace.h"

#include "common/clock.h"

#define FADE_AT      2048               /* samples */
#define REFRESH      32                 /* samples between two looks at the percentile */
#define COPY         20                 /* one copy in twentieths: what 20 GETs bring */
#define RATION_MAX   (16 * COPY)        /* what may be saved up */
#define PATIENCE_MIN (50 * NS_PER_MS)   /* below it a copy gains nothing worth a connection */

/* 8 classes an octave of microseconds: the octave, and the three bits after the first. */
static uint32_t class_of(uint64_t ns)
{
    uint64_t us = ns / NS_PER_US;
    if (us < 8)
        return (uint32_t)us;
    unsigned octave = 63u - (unsigned)__builtin_clzll(us);
    uint64_t number = (octave - 2ull) * 8 + ((us >> (octave - 3u)) & 7u);
    return number < PACE_CLASSES ? (uint32_t)number : PACE_CLASSES - 1;
}

/* Where a class ends. */
static uint64_t class_end_ns(uint32_t number)
{
    if (number < 8)
        return (number + 1) * NS_PER_US;
    unsigned octave = number / 8 + 2;
    return ((8ull + number % 8 + 1) << (octave - 3u)) * NS_PER_US;
}

static uint64_t percentile_95(const struct pace *pace)
{
    uint64_t above = 0;
    uint32_t number = PACE_CLASSES;
    while (number > 0 && 20 * (above + pace->counts[number - 1]) <= pace->total)
        above += pace->counts[--number];
    return class_end_ns(number ? number - 1 : 0);
}

static void fade(struct pace *pace)
{
    pace->total = 0;
    for (int i = 0; i < PACE_CLASSES; i++)
        pace->total += pace->counts[i] /= 2;
}

void pace_add(struct pace *pace, uint64_t ns)
{
    pace->counts[class_of(ns)]++;
    pace->total++;
    pace->fresh++;
    if (pace->ration < RATION_MAX)
        pace->ration++;
    if (pace->total >= PACE_SAMPLES && (!pace->patience_ns || pace->fresh >= REFRESH)) {
        uint64_t patience = 3 * percentile_95(pace);
        pace->patience_ns = patience > PATIENCE_MIN ? patience : PATIENCE_MIN;
        pace->fresh = 0;
    }
    if (pace->total >= FADE_AT)
        fade(pace);
}

bool pace_take_copy(struct pace *pace)
{
    if (pace->ration < COPY)
        return false;
    pace->ration -= COPY;
    return true;
}
