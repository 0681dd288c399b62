/* names.h: different texts, numbered from 0 in the order in which they first appear; bounded.
 *
 * Threads:   one at a time.
 * Ownership: texts are copied; names_done() frees them.
 * Errors:    names_number() gives NAMES_FULL for a new text when there is no room (count or bytes) or no memory. */
#pragma once

#include "common/arena.h"
#include "proto/messages.h"

#define NAMES_FULL UINT32_MAX

struct names {
    struct span *text; /* by number */
    uint32_t count, capacity, cap;
    uint32_t *slot; /* open addressing: number + 1, 0 is free */
    uint32_t slots; /* a power of two, at least twice `capacity` */
    struct arena arena;
};

void names_init(struct names *names, uint32_t cap, size_t cap_bytes);
void names_done(struct names *names);
uint32_t names_number(struct names *names, struct span text);
