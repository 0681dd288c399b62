/* lent.h: a model that is lent, or borrowed: its hash, and where it is in a worker's cache.
 *
 * Threads: one. Ownership: static. Errors: fail the test. */
#pragma once

#include "common/sha256.h"

#include <limits.h>
#include <stdint.h>

/* Of a worker that computes with it. */
#define LENT_ENGINE "--engine", "onednn", "--threads", "2", "--engine-threads", "1"

/* Of the model that lent_make() made last. */
extern char lent_hash[SHA256_HEX];
extern uint64_t lent_size;
extern char lent_in_cache[3][PATH_MAX]; /* paths in the folders cache0, cache1, cache2 */

void lent_make(const char *path);

/* Bytes of it that cache0 has while it comes. */
uint64_t lent_half(void);
