/* evaluation_print.h: how the predictions compare to the truths (summary.json's "evaluation"), for a terminal.
 *
 * Threads: any. Ownership: none taken. Errors: those of bytes.h, kept in the buffer. */
#pragma once

#include "common/bytes.h"

#include <stddef.h>

struct json_t;

/* The lines below "classified correctly", with at most so many confusions. Nothing for a job without truths. */
void evaluation_print(struct bytes *out, const struct json_t *evaluation, size_t confusions);

/* A table with a line a class; evaluation_full() has them. */
void evaluation_print_classes(struct bytes *out, const struct json_t *evaluation);
