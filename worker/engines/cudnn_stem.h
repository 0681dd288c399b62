/* cudnn_stem.h: the convolution that reads the image, in a form for which there are fast engines.
 *
 * A filter of 7x7 that moves by 2 over three channels is what tensor cores do worst. Here the image lies as what each column of the output reads: pairs of rows
 * of pixels, and of these the 8 pixels that column meets, their colours side by side as 48 channels (and IMAGE_CHANNELS with zeros). Over that it is a
 * filter 4 high and 1 wide that moves by 1: the same products, and some with 0. Pixels lie there four times; that costs less than it saves. Zeros around
 * the image lie there as well, since more of them come in front than behind.
 *
 * Threads:   no state.
 * Ownership: buffers are the caller's.
 * Errors:    none: a layer that reads the image must have three channels, a kernel of at most IMAGE_ACROSS - 1 and a stride of IMAGE_PAIR, as in all
 *            networks of the table. */
#pragma once

#include "worker/engines/gpu.h"
#include "worker/network.h"

/* Of the layer that reads an image of this size: what is read, and the filter. */
void stem_describe(const struct layer *layer, struct plane image, struct conv_shape *shape);

/* Pairs of rows of zeros above the image, and pairs of columns to its left. */
int stem_before(const struct layer *layer);

/* Numbers of its filter. */
size_t stem_filter_count(const struct layer *layer);

/* `filter`: (outputs, 3, kernel, kernel); `to`: (outputs, kernel_height, kernel_width, inputs) of the described shape, all of it written. */
void stem_filter(const struct layer *layer, const float *filter, float *to);
