/* hostile_keys.h: legal keys of S3 objects that have broken clients.
 *
 * Threads: constant data. */
#pragma once

#include <stddef.h>

struct hostile_key {
    const char *data;
    size_t size;
};

/* Sorted bytewise; all UTF-8, at most 1024 bytes, no NUL. */
const struct hostile_key *hostile_keys(size_t *ret_count);
