/* filter.h: --include and --exclude, as the AWS CLI's users know them, but independent of their order; and --sample.
 *
 * A pattern is held against the part of an address that is relative to its source; * and ? match any byte, the slash too, so that *.jpg wants
 * what ends so at any depth. An entry is wanted if one --include wants it, or there is none, and no --exclude does.
 *
 * A sample is decided by that part of the address alone, by its hash (FNV-1a, mixed as MurmurHash3 ends): the same images again wherever they lie, and those
 * of a set that has grown since.
 *
 * Threads: no state. Ownership: borrows. Errors: filter_put_folder()'s are `out`'s. */
#pragma once

#include "common/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct filter {
    char *const *include, *const *exclude;
    int include_count, exclude_count;
    uint32_t sample; /* about one entry in so many; 0 and 1: all */
};

/* `name` needs no NUL behind it. */
bool filter_wants(const struct filter *filter, const char *name, size_t size);

/* No entry below a folder is wanted, so that it need not be read: an --exclude that ends in * matches its name, which ends with a slash. */
bool filter_leaves_folder(const struct filter *filter, const char *name, size_t size);

/* The pattern that leaves out just this folder, which ends with a slash, quoted for a shell. */
void filter_put_folder(struct bytes *out, const char *name, size_t size);
