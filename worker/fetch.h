/* fetch.h: the bytes behind an address. Local files for now; a scheme is a row of the table in fetch.c.
 *
 * Threads:   any; no state.
 * Ownership: the bytes are the caller's, to be freed: a block as in blocks.h.
 * Errors:    an enum row_error for the row (never negative), with the sentence in `why`. */
#pragma once

#include "common/why.h"
#include "proto/messages.h"

#include <stddef.h>

/* Larger files are not photos: too_large. */
#define FETCH_MAX_FILE ((size_t)1 << 30)

/* Asks what may be held before memory is taken: `reserve` is called with the size that is about to be read; a negative
 * answer stops the fetch; -E2BIG means that so much will never fit. */
typedef int fetch_reserve(void *arg, size_t size);

enum row_error fetch(const struct rec_item *item, fetch_reserve *reserve, void *arg, char **ret, size_t *ret_size,
                     struct why *why);
