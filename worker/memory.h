/* memory.h: how the memory that a worker may hold is divided.
 *
 * What is left of the limit, once the model and the engine are in memory, goes
 *     one quarter   to fetched files that are not decoded yet (at most --fetch-memory of it at once),
 *     one half      to what decoders take for whole pictures (progressive JPEGs, interlaced PNGs, WebPs, turned photos),
 *     one quarter   to everything else: rows in work, batches and their results, stacks, what the allocator holds back.
 * The first two are budgets, and nothing that needs more than the whole of one is ever taken in. The last quarter does not
 * depend on what the files say.
 *
 * Threads:   any; no state.
 * Errors:    -EINVAL when the limit leaves too little. */
#pragma once

#include "common/why.h"

#include <stddef.h>
#include <stdint.h>

#define MIB ((uint64_t)1 << 20)

struct memory_plan {
    size_t fetched; /* of all fetched files */
    size_t file;    /* of one */
    size_t decoded; /* of all pictures, and of one */
};

/* `limit`: bytes, 0: most of the machine. `machine`: bytes it has. */
uint64_t memory_whole(uint64_t limit, uint64_t machine);

/* The least limit, in whole MiB, for a process that holds so much before any image. */
uint64_t memory_least_limit(uint64_t resident);

/* Whether any job can be done: -EINVAL when the limit is less than what this program needs without a model. */
int memory_check_limit(uint64_t limit, uint64_t resident, struct why *why);

/* `limit`, `machine`: as above; `resident`: held already, before any image. */
int memory_plan(uint64_t limit, uint64_t machine, uint64_t resident, uint64_t fetch_memory, struct memory_plan *ret, struct why *why);

/* Makes the allocator give large blocks back to the system when they are freed. Once, at the start. */
void memory_prepare(void);
