/* arena.h: memory for many small things that die together.
 *
 * Threads:   an arena belongs to one thread at a time.
 * Ownership: arena_done() frees everything that came from it.
 * Errors:    NULL when memory is refused or the arena's cap would be passed. */
#pragma once

#include <stddef.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; /* newest first */
    size_t used, cap;           /* bytes, over all chunks; a small thing counts as 16 */
};

void arena_init(struct arena *arena, size_t cap);
void arena_done(struct arena *arena);
void *arena_take(struct arena *arena, size_t size); /* zeroed, aligned for any type */
const char *arena_text(struct arena *arena, const char *text); /* a copy; NULL counts as "" */
