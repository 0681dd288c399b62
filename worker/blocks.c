#include "worker/blocks.h"

#include <stdlib.h>
#include <string.h>

#define UNIT ((size_t)32 << 10)

/* Sizes are multiples of 32 KiB, up to BLOCK_CLASSES of them; larger ones are not kept, and small ones not rounded. */
static size_t class_of(size_t size)
{
    return (size + UNIT - 1) / UNIT - 1;
}

static int is_kept(size_t size)
{
    return size > UNIT / 2 && size <= BLOCK_CLASSES * UNIT;
}

size_t blocks_size(size_t size)
{
    if (!is_kept(size))
        return size ? size : 1;
    return (class_of(size) + 1) * UNIT;
}

void blocks_init(struct blocks *blocks, size_t limit)
{
    *blocks = (struct blocks){ .limit = limit };
    pthread_mutex_init(&blocks->lock, NULL);
}

static void *pop(void **list)
{
    void *block = *list;
    if (block)
        memcpy(list, block, sizeof(*list)); /* its first bytes are the list's next */
    return block;
}

void blocks_done(struct blocks *blocks)
{
    for (int i = 0; i < BLOCK_CLASSES; i++)
        for (void *block; (block = pop(&blocks->free[i]));)
            free(block);
    pthread_mutex_destroy(&blocks->lock);
}

char *blocks_take(struct blocks *blocks, size_t size)
{
    void *block = NULL;
    if (is_kept(size)) {
        pthread_mutex_lock(&blocks->lock);
        block = pop(&blocks->free[class_of(size)]);
        if (block)
            blocks->kept -= blocks_size(size);
        pthread_mutex_unlock(&blocks->lock);
    }
    return block ? block : malloc(blocks_size(size));
}

void blocks_give(struct blocks *blocks, char *data, size_t size)
{
    if (data && is_kept(size)) {
        pthread_mutex_lock(&blocks->lock);
        if (blocks->kept + blocks_size(size) <= blocks->limit) {
            void **list = &blocks->free[class_of(size)];
            memcpy(data, list, sizeof(*list));
            *list = data;
            data = NULL;
            blocks->kept += blocks_size(size);
        }
        pthread_mutex_unlock(&blocks->lock);
    }
    free(data);
}
