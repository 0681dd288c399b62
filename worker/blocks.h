/* blocks.h: memory of files that were decoded, kept for the next ones. Fresh memory is dear: the kernel clears it page by page, which takes longer
 * than receiving 100 KB into it.
 *
 * A block is ordinary memory of malloc() whose size is one of the few that blocks_size() rounds to; free() is right for one as well.
 *
 * Threads:   any.
 * Ownership: the pool owns what was given back, `limit` bytes at most.
 * Errors:    NULL when memory is refused. */
#pragma once

#include <pthread.h>
#include <stddef.h>

#define BLOCK_CLASSES 32

struct blocks {
    pthread_mutex_t lock;
    void *free[BLOCK_CLASSES]; /* lists, by size */
    size_t kept, limit;
};

void blocks_init(struct blocks *blocks, size_t limit);
void blocks_done(struct blocks *blocks);

/* What a block for `size` bytes really has: less than 32 KiB more, and 1 at least. */
size_t blocks_size(size_t size);

char *blocks_take(struct blocks *blocks, size_t size);
void blocks_give(struct blocks *blocks, char *data, size_t size); /* `size` as it was taken; NULL is accepted */
