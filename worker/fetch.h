/* fetch.h: the bytes behind an address. Local files for now; a scheme is a row of the table in fetch.c.
 *
 * Threads:   any; no state.
 * Ownership: the bytes are the caller's, to be freed: a block as in blocks.h.
 * Errors:    an enum row_error for the row (never negative), with the sentence in `why`. */
#pragma once

#include "common/why.h"
#include "proto/messages.h"

#include <stdbool.h>
#include <stddef.h>

/* Larger files are not photos: too_large. */
#define FETCH_MAX_FILE ((size_t)1 << 30)

/* Who wants the bytes. A negative answer of either function stops the fetch. */
struct fetch_reader {
    /* May so much be held? Asked before memory is taken, with the size that is about to be read; -E2BIG: so much will never fit. */
    int (*reserve)(void *arg, size_t size);
    /* The place where the file is has answered: with a file, or some of its bytes. NULL: nobody wants to know. */
    int (*moved)(void *arg);
    bool here; /* who named the file is on this machine: nothing to say about others */
    void *arg;
};

enum row_error fetch(const struct rec_item *item, const struct fetch_reader *reader, char **ret, size_t *ret_size, struct why *why);
