#include "worker/image/webp_memory.h"

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>

#define EXPORTED __attribute__((visibility("default"))) /* to the library */

/* libwebp's, from src/utils/utils.h, which is not installed. */
EXPORTED void *WebPSafeMalloc(uint64_t count, size_t size);
EXPORTED void *WebPSafeCalloc(uint64_t count, size_t size);
EXPORTED void WebPSafeFree(void *memory);

static __thread struct {
    bool on, exceeded;
    size_t used, most; /* bytes */
} ledger;

void webp_memory_allow(size_t most)
{
    ledger.on = true;
    ledger.exceeded = false;
    ledger.used = 0;
    ledger.most = most;
}

void webp_memory_allow_more(size_t bytes)
{
    if (__builtin_add_overflow(ledger.most, bytes, &ledger.most))
        ledger.most = SIZE_MAX;
}

bool webp_memory_end(void)
{
    ledger.on = false;
    return ledger.exceeded;
}

static bool is_allowed(uint64_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return false;
    if (!ledger.on || (ledger.used <= ledger.most && bytes <= ledger.most - ledger.used))
        return true;
    ledger.exceeded = true;
    return false;
}

static void *counted(void *memory)
{
    ledger.used += malloc_usable_size(memory);
    return memory;
}

void *WebPSafeMalloc(uint64_t count, size_t size)
{
    return is_allowed(count, size) ? counted(malloc((size_t)count * size)) : NULL;
}

void *WebPSafeCalloc(uint64_t count, size_t size)
{
    return is_allowed(count, size) ? counted(calloc((size_t)count, size)) : NULL;
}

void WebPSafeFree(void *memory)
{
    ledger.used -= malloc_usable_size(memory);
    free(memory);
}
