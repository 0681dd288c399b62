#include "worker/engines/cudnn_stem.h"

#include "worker/engines/kernels.h"

#include <assert.h>
#include <string.h>

/* Tap t of the filter meets pixel IMAGE_BLOCK * o + t - padding for output o. Counted from the first block that output o meets, that is pixel t + shift(). */
static int shift(const struct layer *layer)
{
    return IMAGE_BLOCK * stem_before(layer) - layer->padding;
}

int stem_before(const struct layer *layer)
{
    return (layer->padding + IMAGE_BLOCK - 1) / IMAGE_BLOCK;
}

struct layer conv_computed(const struct layer *layer)
{
    struct layer computed = *layer;
    if (layer->input != NETWORK_IMAGE)
        return computed;
    assert(layer->stride == IMAGE_BLOCK && layer->groups == 1);
    computed.inputs = IMAGE_CHANNELS;
    computed.kernel = (layer->kernel - 1 + shift(layer)) / IMAGE_BLOCK + 1;
    computed.stride = 1;
    computed.padding = 0;
    return computed;
}

static int blocks(const struct layer *layer, int size)
{
    int out = (size + 2 * layer->padding - layer->kernel) / layer->stride + 1;
    return out - 1 + conv_computed(layer).kernel;
}

struct plane stem_plane(const struct layer *layer, struct plane image)
{
    return (struct plane){ blocks(layer, image.height), blocks(layer, image.width) };
}

void stem_filter(const struct layer *layer, const float *filter, float *to)
{
    struct layer computed = conv_computed(layer);
    size_t kernel = (size_t)layer->kernel, channels = (size_t)layer->inputs, side = (size_t)computed.kernel, first = (size_t)shift(layer);
    memset(to, 0, (size_t)layer->outputs * IMAGE_CHANNELS * side * side * sizeof(*to));
    for (size_t o = 0; o < (size_t)layer->outputs; o++)
        for (size_t c = 0; c < channels; c++)
            for (size_t r = 0; r < kernel; r++)
                for (size_t q = 0; q < kernel; q++) {
                    size_t y = r + first, x = q + first;
                    size_t channel = (y % IMAGE_BLOCK * IMAGE_BLOCK + x % IMAGE_BLOCK) * channels + c;
                    to[((o * IMAGE_CHANNELS + channel) * side + y / IMAGE_BLOCK) * side + x / IMAGE_BLOCK] =
                        filter[((o * channels + c) * kernel + r) * kernel + q];
                }
}
