/* cudnn_stem.h: the convolution that reads the image, over blocks of IMAGE_BLOCK x IMAGE_BLOCK pixels.
 *
 * A filter of 7x7 that moves by 2 over three channels is what tensor cores do worst: of cuDNN's engines for Hopper none takes it. In blocks of 2x2 pixels
 * it is a filter of 4x4 that moves by 1 over 12 channels (16 with zeros), which is a convolution like all others: the same products, some more of
 * them with 0. Zeros around the image are blocks as well, since more of them lie in front than behind.
 *
 * Threads:   no state.
 * Ownership: buffers are the caller's.
 * Errors:    none: conv_computed() of a layer that reads the image wants a stride of IMAGE_BLOCK (all networks of the table have that). */
#pragma once

#include "worker/network.h"

/* The layer as it is computed: itself, or for one that reads the image that over blocks, which wants no padding any more. */
struct layer conv_computed(const struct layer *layer);

/* What such a layer reads of an image of this size: blocks, those of zeros included. */
struct plane stem_plane(const struct layer *layer, struct plane image);

/* Blocks of zeros above the image, and as many to its left. */
int stem_before(const struct layer *layer);

/* `filter`: (outputs, 3, kernel, kernel); `to`: (outputs, IMAGE_CHANNELS, kernel, kernel) of conv_computed(), all of it written. */
void stem_filter(const struct layer *layer, const float *filter, float *to);
