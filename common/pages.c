#include "common/pages.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define HUGE_PAGE  ((size_t)2 << 20)  /* x86-64, and AArch64 with small pages of 4 KiB */
#define CHUNK_SIZE ((size_t)16 << 20)

struct pages_chunk {
    struct pages_chunk *older;
    char *data;
    size_t size, used;
};

static size_t round_up(size_t size, size_t unit)
{
    return (size + unit - 1) / unit * unit;
}

/* So many bytes, a multiple of a huge page, beginning at such a page: what is mapped too much before and behind goes back. */
static char *map(size_t size)
{
    char *all = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED)
        return NULL;
    size_t before = round_up((uintptr_t)all, HUGE_PAGE) - (uintptr_t)all;
    if (before)
        munmap(all, before);
    if (before < HUGE_PAGE)
        munmap(all + before + size, HUGE_PAGE - before);
    (void)madvise(all + before, size, MADV_HUGEPAGE); /* a kernel without them: small ones do */
    return all + before;
}

static struct pages_chunk *chunk_for(struct pages *pages, size_t size)
{
    struct pages_chunk *chunk = pages->chunks;
    if (chunk && chunk->size - chunk->used >= size)
        return chunk;
    chunk = calloc(1, sizeof(*chunk));
    if (!chunk)
        return NULL;
    chunk->size = round_up(size > CHUNK_SIZE ? size : CHUNK_SIZE, HUGE_PAGE);
    chunk->data = map(chunk->size);
    if (!chunk->data) {
        free(chunk);
        return NULL;
    }
    chunk->older = pages->chunks;
    pages->chunks = chunk;
    return chunk;
}

void *pages_take(struct pages *pages, size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    size_t rounded = round_up(size ? size : 1, PAGES_ALIGNMENT);
    struct pages_chunk *chunk = chunk_for(pages, rounded);
    if (!chunk)
        return NULL;
    void *memory = chunk->data + chunk->used;
    chunk->used += rounded;
    return memory;
}

void pages_done(struct pages *pages)
{
    while (pages->chunks) {
        struct pages_chunk *chunk = pages->chunks;
        pages->chunks = chunk->older;
        munmap(chunk->data, chunk->size);
        free(chunk);
    }
}
