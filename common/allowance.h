/* allowance.h: how often something may happen: so much at once, and so much a second later on.
 *
 * Threads:   an allowance belongs to its owner.
 * Ownership: plain memory; zero it and it is full.
 * Errors:    none. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct allowance {
    double spent;
    uint64_t at_ns;
};

/* Takes `cost` of it, unless more than `most` would be spent then. `refill` a second comes back. */
bool allowance_take(struct allowance *allowance, double cost, double most, double refill, uint64_t now_ns);
