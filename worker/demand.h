/* demand.h: what a job asks of the arithmetic (hello: --precision and --recheck of the run). It counts where the worker's own options leave the choice;
 * where they have made another one, the job is refused: its owner would get other numbers than he asked for.
 *
 * Threads: plain data. Ownership: holds copies. */
#pragma once

#include "common/why.h"
#include "proto/messages.h"
#include "proto/tuning.h"

#include <stdbool.h>

struct demand {
    char precision[16]; /* a word of --precision; empty or "auto": whatever the worker chooses */
    int recheck;        /* %; 0: whatever the worker's own is */
};

/* -EINVAL for words and numbers that there are not. */
int demand_from_hello(struct demand *ret, const struct msg_hello *hello, struct why *why);

bool demand_equal(const struct demand *a, const struct demand *b);

/* Fills in what `tuning`, the worker's own, leaves open; `demand` must outlive it. -EINVAL, and which of them stands against which, where they disagree. */
int demand_fill(const struct demand *demand, struct tuning *tuning, struct why *why);
