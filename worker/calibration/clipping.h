/* clipping.h: where to cut a tensor's values off, so that 8 bits do most for the rest: ways to choose it.
 *
 * Threads:   no state.
 * Ownership: none. Errors: -ENOMEM. */
#pragma once

#include "worker/calibration/histogram.h"
#include "worker/weights/ranges.h"

/* "none": from the least to the largest value. "percentile P": so that P % of the values are inside. "entropy": so that the distribution changes
 * least, by Kullback and Leibler's divergence (S. Migacz, "8-bit Inference with TensorRT", GTC 2017). "least error": so that rounding and cutting off
 * together have the least mean square. "least error and a fifth": that limit, a fifth wider: other
 * images may have stronger features. */
#define CLIPPINGS 6

const char *clipping_name(int way);

int clipping_range(int way, const struct histogram *h, struct range *ret);
