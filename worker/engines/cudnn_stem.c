#include "worker/engines/cudnn_stem.h"

#include <assert.h>
#include <string.h>

int stem_before(const struct layer *layer)
{
    return (layer->padding + IMAGE_PAIR - 1) / IMAGE_PAIR;
}

/* Tap t of the filter meets pixel IMAGE_PAIR * o + t - padding for output o. Counted from the first pixel that lies there for that output, it is
 * t + shift(). */
static int shift(const struct layer *layer)
{
    return IMAGE_PAIR * stem_before(layer) - layer->padding;
}

/* Pairs of rows that an output meets. */
static int pairs(const struct layer *layer)
{
    assert(layer->stride == IMAGE_PAIR && layer->groups == 1 && layer->inputs == 3 && layer->kernel + shift(layer) <= IMAGE_ACROSS);
    return (layer->kernel - 1 + shift(layer)) / IMAGE_PAIR + 1;
}

void stem_describe(const struct layer *layer, struct plane image, struct conv_shape *shape)
{
    shape->kernel_height = pairs(layer);
    shape->kernel_width = 1;
    shape->stride = 1;
    shape->padding = 0;
    shape->inputs = IMAGE_CHANNELS;
    shape->height = (image.height + 2 * layer->padding - layer->kernel) / layer->stride + pairs(layer);
    shape->width = (image.width + 2 * layer->padding - layer->kernel) / layer->stride + 1;
}

size_t stem_filter_count(const struct layer *layer)
{
    return (size_t)layer->outputs * (size_t)pairs(layer) * IMAGE_CHANNELS;
}

void stem_filter(const struct layer *layer, const float *filter, float *to)
{
    size_t kernel = (size_t)layer->kernel, rows = (size_t)pairs(layer), first = (size_t)shift(layer);
    memset(to, 0, stem_filter_count(layer) * sizeof(*to));
    for (size_t o = 0; o < (size_t)layer->outputs; o++)
        for (size_t c = 0; c < 3; c++)
            for (size_t r = 0; r < kernel; r++)
                for (size_t q = 0; q < kernel; q++) {
                    size_t y = r + first, x = q + first, channel = (y % IMAGE_PAIR * IMAGE_ACROSS + x) * 3 + c;
                    to[(o * rows + y / IMAGE_PAIR) * IMAGE_CHANNELS + channel] = filter[((o * 3 + c) * kernel + r) * kernel + q];
                }
}
