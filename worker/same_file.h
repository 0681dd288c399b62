/* same_file.h: whether a file is still the one that it was.
 *
 * Threads: no state. Ownership: none. Errors: none. */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

/* Neither another file in its place, nor written to since: as far as device, inode, size and time of the last change tell. */
bool same_file(const struct stat *a, const struct stat *b);
