/* truth_table.h: what images show, from a file: CSV with a line an image, the image's name and its truth, further columns being ignored [csv.h].
 *
 *     n02085620_10074.jpg,Chihuahua            columns are separated by tabs if the first line has one, else by commas or semicolons, whichever it has
 *     "dogs/a, b.jpg",n02085620                first, else by blanks; RFC 4180's quotes; a first line of headings names no image, and does no harm
 *
 * A name is the image's whole URI, or its end behind a slash, with or without the extension: "n02085620_10074" is that file in any folder. Of several
 * that name an image the longest counts. An empty truth is none.
 *
 * Threads:   one at a time.
 * Ownership: truths found lie in the table.
 * Errors:    -EINVAL and the line of what is wrong, -ENOMEM, what reading gave. */
#pragma once

#include "common/why.h"
#include "proto/messages.h"

#define TRUTH_TABLE_MAX ((size_t)1 << 30) /* bytes of a file */

struct truth_table;

/* -EINVAL for what would be read for ever, or once only: pipes, devices; and for what is too large. Not for what is not there. */
int truth_table_check_file(const char *path, struct why *why);

int truth_table_read(const char *path, struct truth_table **ret, struct why *why);

/* The same from memory; `path` stands for it in messages. */
int truth_table_parse(const char *path, const char *text, size_t size, struct truth_table **ret, struct why *why);
void truth_table_free(struct truth_table *table); /* accepts NULL */

/* What the image shows; `data` is NULL if the table does not know it. */
struct span truth_table_find(struct truth_table *table, struct span uri);

/* How many names were never found, headings left out; `ret_first`, the line of the first of them, when there are any. */
size_t truth_table_unused(const struct truth_table *table, size_t *ret_first);
size_t truth_table_count(const struct truth_table *table);
