/* network.h: the layer table: what a ResNet is made of, said once for every engine.
 *
 * A network is a list of layers in an order in which they can run. Activation 0 is the image, activation i + 1 what layer i
 * leaves behind; a layer names the activation it reads and, for the last convolution of a block, the one that is added before
 * its ReLU. Batch norm is not a layer: it belongs to its convolution and is folded into it (weights/fold.h).
 *
 * Threads:   constant data, made on first use under a lock; call from anywhere.
 * Ownership: nothing to free.
 * Source:    torchvision.models.resnet ("v1.5": a bottleneck strides in its 3x3), with its tensor names. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define NETWORK_LAYERS_MAX 160 /* ResNet-152 has 158 */
#define NETWORK_IMAGE 0        /* the activation that is the image */
#define NETWORK_NONE (-1)

enum layer_kind {
    LAYER_CONV,     /* convolution + batch norm [+ residual] [+ ReLU] */
    LAYER_MAX_POOL,
    LAYER_AVG_POOL, /* over the whole plane */
    LAYER_FC,
};

struct layer {
    enum layer_kind kind;
    char name[32]; /* of the torchvision module: "layer1.0.conv2" has NAME.weight; "fc" has NAME.weight and NAME.bias */
    char norm[32]; /* its batch norm: "layer1.0.bn2" has .weight .bias .running_mean .running_var [.num_batches_tracked] */
    int inputs, outputs; /* channels; outputs of `fc` is 0: the weights decide */
    int kernel, stride, padding; /* square */
    int groups;
    bool relu;
    int input;    /* activation it reads */
    int residual; /* activation added before the ReLU, or NETWORK_NONE */
};

struct network {
    const char *name;
    bool bottleneck;     /* 1x1, 3x3, 1x1 and four times as many channels out; else 3x3, 3x3 */
    int blocks[4];       /* in layer1 .. layer4 */
    int groups;          /* of the 3x3 in a bottleneck: more than 1 makes a ResNeXt */
    int width;           /* channels a group in layer1's 3x3: 64; 128 makes a Wide ResNet, fewer go with groups */
    int features;        /* pooled, in front of `fc` */
    int count;           /* layers */
    const struct layer *layers;
};

/* NULL when there is no network of this name. */
const struct network *network_find(const char *name);

/* The i-th network, NULL after the last. */
const struct network *network_at(int i);

struct plane {
    int height, width;
};

/* The plane of every activation (count + 1 of them) for an image of this size. Returns -EINVAL when it is too small (or
 * larger than 16384), so that no plane is ever empty. */
int network_planes(const struct network *network, struct plane image, struct plane *ret_planes);

/* Channels of an activation; `classes` is what fc puts out. */
int network_channels(const struct network *network, int activation, int classes);

/* Shares few buffers between all activations: ret_arena[a] is the buffer of activation a, and no two activations that are
 * needed at the same time share one. With `in_place`, a layer with a residual writes over it. Returns the number of buffers. */
int network_arenas(const struct network *network, bool in_place, int *ret_arena);
