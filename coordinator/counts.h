/* counts.h: how often each 64-bit key came; bounded.
 *
 * Threads:   one at a time.
 * Ownership: counts_done() frees; {0} with a cap is an empty one.
 * Errors:    a new key beyond the cap, or without memory, is counted in `left_out`. */
#pragma once

#include <stdint.h>

struct count {
    uint64_t key, n; /* n 0: free */
};

struct counts {
    struct count *slot;
    uint32_t slots; /* a power of two */
    uint32_t used, cap;
    uint64_t left_out;
};

void counts_add(struct counts *counts, uint64_t key);
void counts_done(struct counts *counts);

/* for (const struct count *c = NULL; (c = counts_next(counts, c));) in no order that means anything */
const struct count *counts_next(const struct counts *counts, const struct count *last);
