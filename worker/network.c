/* network.c: expands one row a network (blocks, groups, width) into its layers. */
#include "worker/network.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define IMAGE_MAX 16384 /* pixels a side */

static struct network networks[] = {
    { .name = "resnet18", .bottleneck = false, .blocks = { 2, 2, 2, 2 }, .groups = 1, .width = 64 },
    { .name = "resnet34", .bottleneck = false, .blocks = { 3, 4, 6, 3 }, .groups = 1, .width = 64 },
    { .name = "resnet50", .bottleneck = true, .blocks = { 3, 4, 6, 3 }, .groups = 1, .width = 64 },
    { .name = "resnet101", .bottleneck = true, .blocks = { 3, 4, 23, 3 }, .groups = 1, .width = 64 },
    { .name = "resnet152", .bottleneck = true, .blocks = { 3, 8, 36, 3 }, .groups = 1, .width = 64 },
    { .name = "wide_resnet50_2", .bottleneck = true, .blocks = { 3, 4, 6, 3 }, .groups = 1, .width = 128 },
    { .name = "wide_resnet101_2", .bottleneck = true, .blocks = { 3, 4, 23, 3 }, .groups = 1, .width = 128 },
    { .name = "resnext50_32x4d", .bottleneck = true, .blocks = { 3, 4, 6, 3 }, .groups = 32, .width = 4 },
    { .name = "resnext101_32x8d", .bottleneck = true, .blocks = { 3, 4, 23, 3 }, .groups = 32, .width = 8 },
    { .name = "resnext101_64x4d", .bottleneck = true, .blocks = { 3, 4, 23, 3 }, .groups = 64, .width = 4 },
};

#define NETWORKS (sizeof(networks) / sizeof(networks[0]))

static struct layer tables[NETWORKS][NETWORK_LAYERS_MAX];
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* A table under construction. */
struct draft {
    struct layer *layers;
    int count;
};

/* Appends a layer and returns the activation it leaves behind. */
static int add(struct draft *draft, struct layer layer)
{
    assert(draft->count < NETWORK_LAYERS_MAX);
    draft->layers[draft->count++] = layer;
    return draft->count;
}

/* A convolution of block layer<stage>.<block>: `conv` and `norm` are the module's names inside it. */
static int add_conv(struct draft *draft, int stage, int block, const char *conv, const char *norm, struct layer layer)
{
    layer.kind = LAYER_CONV;
    layer.padding = layer.kernel / 2;
    snprintf(layer.name, sizeof(layer.name), "layer%d.%d.%s", stage, block, conv);
    snprintf(layer.norm, sizeof(layer.norm), "layer%d.%d.%s", stage, block, norm);
    return add(draft, layer);
}

static int add_downsample(struct draft *draft, int stage, int block, int input, int inputs, int outputs, int stride)
{
    return add_conv(draft, stage, block, "downsample.0", "downsample.1",
                    (struct layer){ .input = input, .inputs = inputs, .outputs = outputs, .kernel = 1, .stride = stride,
                                    .groups = 1, .relu = false, .residual = NETWORK_NONE });
}

static int add_bottleneck(struct draft *draft, const struct network *network, int stage, int block, int input, int inputs,
                          int planes, int stride)
{
    int width = planes * network->width / 64 * network->groups, outputs = 4 * planes;
    int x = add_conv(draft, stage, block, "conv1", "bn1",
                     (struct layer){ .input = input, .inputs = inputs, .outputs = width, .kernel = 1, .stride = 1,
                                     .groups = 1, .relu = true, .residual = NETWORK_NONE });
    x = add_conv(draft, stage, block, "conv2", "bn2",
                 (struct layer){ .input = x, .inputs = width, .outputs = width, .kernel = 3, .stride = stride,
                                 .groups = network->groups, .relu = true, .residual = NETWORK_NONE });
    int residual = input;
    if (block == 0)
        residual = add_downsample(draft, stage, block, input, inputs, outputs, stride);
    return add_conv(draft, stage, block, "conv3", "bn3",
                    (struct layer){ .input = x, .inputs = width, .outputs = outputs, .kernel = 1, .stride = 1,
                                    .groups = 1, .relu = true, .residual = residual });
}

static int add_basic(struct draft *draft, int stage, int block, int input, int inputs, int planes, int stride)
{
    int x = add_conv(draft, stage, block, "conv1", "bn1",
                     (struct layer){ .input = input, .inputs = inputs, .outputs = planes, .kernel = 3, .stride = stride,
                                     .groups = 1, .relu = true, .residual = NETWORK_NONE });
    int residual = input;
    if (stride != 1 || inputs != planes)
        residual = add_downsample(draft, stage, block, input, inputs, planes, stride);
    return add_conv(draft, stage, block, "conv2", "bn2",
                    (struct layer){ .input = x, .inputs = planes, .outputs = planes, .kernel = 3, .stride = 1,
                                    .groups = 1, .relu = true, .residual = residual });
}

static int add_stem(struct draft *draft)
{
    int x = add(draft, (struct layer){ .kind = LAYER_CONV, .name = "conv1", .norm = "bn1", .inputs = 3, .outputs = 64,
                                       .kernel = 7, .stride = 2, .padding = 3, .groups = 1, .relu = true,
                                       .input = NETWORK_IMAGE, .residual = NETWORK_NONE });
    return add(draft, (struct layer){ .kind = LAYER_MAX_POOL, .name = "maxpool", .inputs = 64, .outputs = 64, .kernel = 3,
                                      .stride = 2, .padding = 1, .groups = 1, .input = x, .residual = NETWORK_NONE });
}

static void expand(struct network *network, struct layer *layers)
{
    struct draft draft = { layers, 0 };
    int x = add_stem(&draft), channels = 64;
    for (int stage = 1; stage <= 4; stage++)
        for (int block = 0; block < network->blocks[stage - 1]; block++) {
            int planes = 32 << stage, stride = block == 0 && stage > 1 ? 2 : 1;
            x = network->bottleneck ? add_bottleneck(&draft, network, stage, block, x, channels, planes, stride)
                                    : add_basic(&draft, stage, block, x, channels, planes, stride);
            channels = network->bottleneck ? 4 * planes : planes;
        }
    x = add(&draft, (struct layer){ .kind = LAYER_AVG_POOL, .name = "avgpool", .inputs = channels, .outputs = channels,
                                    .groups = 1, .input = x, .residual = NETWORK_NONE });
    add(&draft, (struct layer){ .kind = LAYER_FC, .name = "fc", .inputs = channels, .groups = 1, .input = x,
                                .residual = NETWORK_NONE });
    network->features = channels;
    network->count = draft.count;
    network->layers = layers;
}

static void expand_all(void)
{
    for (size_t i = 0; i < NETWORKS; i++)
        expand(&networks[i], tables[i]);
}

const struct network *network_at(int i)
{
    pthread_once(&once, expand_all);
    return i >= 0 && (size_t)i < NETWORKS ? &networks[i] : NULL;
}

const struct network *network_find(const char *name)
{
    const struct network *network;
    for (int i = 0; (network = network_at(i)); i++)
        if (!strcmp(network->name, name))
            return network;
    return NULL;
}

static int slide(int size, const struct layer *layer)
{
    int room = size + 2 * layer->padding - layer->kernel;
    return room < 0 ? 0 : room / layer->stride + 1;
}

int network_planes(const struct network *network, struct plane image, struct plane *ret_planes)
{
    if (image.height < 1 || image.width < 1 || image.height > IMAGE_MAX || image.width > IMAGE_MAX)
        return -EINVAL;
    ret_planes[NETWORK_IMAGE] = image;
    for (int i = 0; i < network->count; i++) {
        const struct layer *layer = &network->layers[i];
        struct plane in = ret_planes[layer->input], *out = &ret_planes[i + 1];
        if (layer->kind == LAYER_AVG_POOL || layer->kind == LAYER_FC)
            *out = (struct plane){ 1, 1 };
        else
            *out = (struct plane){ slide(in.height, layer), slide(in.width, layer) };
        if (out->height < 1 || out->width < 1)
            return -EINVAL;
    }
    return 0;
}

int network_channels(const struct network *network, int activation, int classes)
{
    if (activation == NETWORK_IMAGE)
        return 3;
    const struct layer *layer = &network->layers[activation - 1];
    return layer->kind == LAYER_FC ? classes : layer->outputs;
}

/* last[a]: the last layer that reads activation a. What nothing reads is wanted at the end. */
static void last_reads(const struct network *network, int *last)
{
    for (int a = 0; a <= network->count; a++)
        last[a] = network->count;
    for (int i = network->count - 1; i >= 0; i--) {
        const struct layer *layer = &network->layers[i];
        if (last[layer->input] == network->count)
            last[layer->input] = i;
        if (layer->residual != NETWORK_NONE && last[layer->residual] == network->count)
            last[layer->residual] = i;
    }
}

int network_arenas(const struct network *network, bool in_place, int *ret_arena)
{
    int last[NETWORK_LAYERS_MAX + 1] = { 0 }, busy[NETWORK_LAYERS_MAX + 1], count = 1;
    last_reads(network, last);
    ret_arena[NETWORK_IMAGE] = 0;
    busy[0] = last[NETWORK_IMAGE]; /* busy[b]: the layer that reads buffer b for the last time */
    for (int i = 0; i < network->count; i++) {
        int residual = network->layers[i].residual, b = 0;
        if (in_place && residual != NETWORK_NONE && last[residual] == i)
            b = ret_arena[residual];
        else
            while (b < count && busy[b] >= i)
                b++;
        count = b == count ? count + 1 : count;
        ret_arena[i + 1] = b;
        busy[b] = last[i + 1];
    }
    return count;
}
