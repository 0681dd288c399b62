/* samples.h: pooled features with the class of each image, as `sleddog-coordinator run --emit features --truth ...` leaves them.
 *
 * features.npy has a row an image, predictions.jsonl a line an image with its "truth", in the same order. A row that is not
 * all finite is an image that failed: it is left out. Every row kept is scaled to length 1.
 *
 * Threads:   no state.
 * Ownership: samples_read() makes it, samples_free() frees it with all it holds.
 * Errors:    negative errno, with a sentence in `why`. */
#pragma once

#include "common/cleanup.h"
#include "common/why.h"

#include <stddef.h>

#define SAMPLES_CLASSES_MAX 1000

struct samples {
    size_t count, width; /* images kept, features an image */
    double *rows;        /* (count, width), each of length 1 */
    double *lengths;     /* (count): of the rows as they were */
    int *classes;        /* (count): index into names */
    char **names;        /* (named), sorted bytewise */
    size_t named;
    size_t failed;       /* images left out */
};

int samples_read(const char *features, const char *predictions, struct samples **ret, struct why *why);

/* Accepts NULL. */
void samples_free(struct samples *samples);
DEFINE_FREEP(samples_free, struct samples)
