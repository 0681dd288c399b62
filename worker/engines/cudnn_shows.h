/* cudnn_shows.h: could a convolution's ReLU hide that it read an infinity?
 *
 * Infinity times a negative weight is -infinity, of which a ReLU makes 0, as if all were well. One filter with a weight that is not negative is enough:
 * its sum is infinite, or not a number if another infinity meets it, and both are seen in the end.
 *
 * Threads:   no state.
 * Ownership: plain memory of the caller.
 * Errors:    none. */
#pragma once

#include "worker/network.h"

#include <stdbool.h>

/* Whether +infinity in any channel and at any pixel of the plane `in` that is read makes +infinity, or no number, of some sum. `filter` as for pack_filter(),
 * one of at most 8x8; false for a larger one. */
bool shows_infinity(const struct layer *layer, const float *filter, struct plane in);
