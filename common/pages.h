/* pages.h: memory for large things that are read over and over, in pages of 2 MiB where the system has them.
 *
 * A walk through tens of megabytes misses the TLB at every page of 4 KiB. The kernel gives larger ones to who asks for them: transparent huge
 * pages, /sys/kernel/mm/transparent_hugepage/enabled, "madvise" or "always"; with "never" pages stay small. What is not touched costs nothing.
 *
 * Threads:   one thread at a time takes; what was taken is anybody's.
 * Ownership: pages_done() frees everything that came from it.
 * Errors:    NULL when memory is refused. */
#pragma once

#include <stddef.h>

#define PAGES_ALIGNMENT 64 /* bytes: a cache line, the widest vector */

struct pages_chunk;

struct pages {
    struct pages_chunk *chunks; /* newest first; NULL: nothing was taken */
};

/* Zeroed, aligned to PAGES_ALIGNMENT. */
void *pages_take(struct pages *pages, size_t size);
void pages_done(struct pages *pages); /* accepts zeroed memory */
