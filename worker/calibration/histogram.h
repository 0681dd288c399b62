/* histogram.h: how often which values occur in a tensor, counted by magnitude in bins that are 1/256 of their value wide.
 *
 * A bin is the upper 16 bits of a float without its sign, so nothing need be known of the values beforehand, and one pass does.
 *
 * Threads:   a histogram belongs to one thread at a time.
 * Ownership: histogram_done() frees.
 * Errors:    -ENOMEM; -ERANGE for a value that is not finite. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BINS 65536

struct histogram {
    uint64_t *above, *below; /* (HISTOGRAM_BINS) by magnitude: of 0 and more, and of less than 0 */
    uint64_t total;
    float low, high;         /* least and largest value; both 0 as long as there are none */
};

int histogram_init(struct histogram *h);
void histogram_done(struct histogram *h); /* accepts zeroed memory */

int histogram_add(struct histogram *h, const float *values, size_t count);

/* The smallest value that a bin counts; that of bin + 1 is the first beyond it. */
float histogram_edge(uint32_t bin);
