/* bytes.h: the one way to grow a buffer.
 *
 * Threads:   a buffer belongs to one thread at a time.
 * Ownership: bytes_init() takes no memory; bytes_done() frees it; bytes_take() hands it over.
 * Errors:    -EMSGSIZE above the cap given at birth, -ENOMEM. A failed buffer has freed itself, stays failed and refuses
 *            every later append, so a writer may append many times and look at bytes_error() once. */
#pragma once

#include "common/why.h"

#include <stddef.h>
#include <stdint.h>

struct bytes {
    char *data; /* always followed by a NUL once anything was appended */
    size_t size, capacity, cap;
    int error;
};

void bytes_init(struct bytes *b, size_t cap);
void bytes_done(struct bytes *b);
void bytes_clear(struct bytes *b); /* forgets the content (and an error), keeps the memory */

int bytes_append(struct bytes *b, const void *data, size_t size);
int bytes_append_text(struct bytes *b, const char *text);
int bytes_append_char(struct bytes *b, char c);
int bytes_printf(struct bytes *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Makes room for `size` more bytes and returns where they go; bytes_grew() says how many were written. NULL on error. */
char *bytes_room(struct bytes *b, size_t size);
void bytes_grew(struct bytes *b, size_t size);

/* Appends a whole file. A file that cannot be read has its sentence in `why`; one beyond the cap (-EMSGSIZE) is left to the caller, who knows
 * what it should have been. */
int bytes_append_file(struct bytes *b, const char *path, struct why *why);

int bytes_error(const struct bytes *b);

/* As if an append had failed so: for text that was made elsewhere, and was not. */
int bytes_fail(struct bytes *b, int r);

/* The content as a string to be freed by the caller; NULL after an error. The buffer is empty afterwards. */
char *bytes_take(struct bytes *b);
