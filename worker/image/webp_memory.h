/* webp_memory.h: bounds what libwebp takes for itself. For webp.c.
 *
 * libwebp has no such setting, and a file of 400 KB can make it take 800 MB for tables. But its allocator is three functions that it
 * exports, and those that a program defines under these names are the ones that its libraries call. Here they count, a thread at a time.
 *
 * Threads:   an allowance is that of the calling thread; without one nothing is counted.
 * Ownership: what libwebp allocated may be freed later and elsewhere, but then by a thread without an allowance.
 * Errors:    beyond the allowance libwebp is told that there is no memory. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* libwebp may hold so many bytes from now on. */
void webp_memory_allow(size_t most);

/* The same, in addition. */
void webp_memory_allow_more(size_t bytes);

/* No allowance any more. True if it was not enough. */
bool webp_memory_end(void);
