#include "coordinator/counts.h"

#include <stdlib.h>

#define FIRST_SLOTS 256

/* splitmix64's finalizer (Steele, Lea and Flood 2014). */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static struct count *find(const struct counts *counts, uint64_t key)
{
    for (uint64_t i = mix(key);; i++) {
        struct count *slot = &counts->slot[i & (counts->slots - 1)];
        if (!slot->n || slot->key == key)
            return slot;
    }
}

static int grow(struct counts *counts)
{
    struct counts larger = { .slots = counts->slots ? 2 * counts->slots : FIRST_SLOTS };
    larger.slot = calloc(larger.slots, sizeof(*larger.slot));
    if (!larger.slot)
        return -1;
    for (const struct count *c = NULL; (c = counts_next(counts, c));)
        *find(&larger, c->key) = *c;
    free(counts->slot);
    counts->slot = larger.slot;
    counts->slots = larger.slots;
    return 0;
}

void counts_add(struct counts *counts, uint64_t key)
{
    if (2 * counts->used >= counts->slots && grow(counts) < 0) {
        counts->left_out++;
        return;
    }
    struct count *slot = find(counts, key);
    if (!slot->n && counts->used == counts->cap) {
        counts->left_out++;
        return;
    }
    counts->used += !slot->n;
    slot->key = key;
    slot->n++;
}

void counts_done(struct counts *counts)
{
    free(counts->slot);
    counts->slot = NULL;
    counts->slots = counts->used = 0;
}

const struct count *counts_next(const struct counts *counts, const struct count *last)
{
    const struct count *c = last ? last + 1 : counts->slot, *end = counts->slot + counts->slots;
    while (c < end && !c->n)
        c++;
    return c && c < end ? c : NULL;
}
