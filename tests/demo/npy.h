/* npy.h: reads a two-dimensional array of f32 from a NumPy file.
 *
 * Format: numpy.lib.format, versions 1 and 2, '<f4', C order.
 *
 * Threads:   no state.
 * Ownership: the array is the caller's; npy_done() frees it and accepts an empty one.
 * Errors:    negative errno; -EINVAL for a file that is not such an array, with its name in the sentence. */
#pragma once

#include "common/why.h"

#include <stddef.h>

#define NPY_FILE_MAX (1ull << 30) /* bytes */

struct npy {
    size_t rows, columns;
    float *values; /* (rows, columns) */
};

int npy_read(const char *path, struct npy *ret, struct why *why);
void npy_done(struct npy *npy);
