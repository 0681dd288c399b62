/* cudnn_shapes.h: the convolutions of a network as shapes, each once.
 *
 * Threads:   no state.
 * Ownership: plain memory of the caller.
 * Errors:    -EINVAL for an image that the network cannot work on. */
#pragma once

#include "worker/engines/gpu.h"
#include "worker/network.h"

#define SHAPE_TEXT 128

const char *number_name(enum number_format format);

/* What a convolution of a network in this format is computed in: in s8 the one that reads the image is in f16, as the pixels want more than 8 bits, and
 * the max pool behind it rounds. */
enum number_format conv_format(const struct layer *layer, enum number_format format);

/* Fills in the distinct shapes in the order of their first layers; returns how many. ret_of[i], if asked, is the shape of layer i, -1 for
 * what is no convolution. `shapes` has room for NETWORK_LAYERS_MAX. */
int conv_shapes(const struct network *network, struct plane image, int batch, enum number_format format, struct conv_shape *shapes,
                int *ret_of);

/* "f16 256 56x56 64->256 1x1/1 +residual relu": for people and as a key. */
void conv_shape_text(const struct conv_shape *shape, char text[SHAPE_TEXT]);

/* The plane of y. */
struct plane conv_shape_output(const struct conv_shape *shape);

/* 2 * multiplications of all images, and bytes of x, w, z, b and y together: what a roofline needs. */
double conv_shape_flop(const struct conv_shape *shape);
double conv_shape_bytes(const struct conv_shape *shape);
