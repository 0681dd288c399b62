/* cudnn_net.c: in this order: sizes, memory, weights, plans. */
#include "worker/engines/cudnn_build.h"

#include "common/cleanup.h"
#include "worker/engines/cudnn_stem.h"
#include "worker/weights/check.h"
#include "worker/weights/ranges.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static_assert(GPU_FC_WORKSPACE <= PLAN_WORKSPACE_MAX, "one workspace is for all");

/* Bytes between the beginnings of two things in one allocation. */
static size_t aligned(size_t bytes)
{
    return (bytes + GPU_ALIGNMENT - 1) / GPU_ALIGNMENT * GPU_ALIGNMENT;
}

/* ---- sizes and memory ----------------------------------------------------------------------------------------------------- */

/* In which format activation `a` lies there. What is pooled over the whole plane and classified is f32. In s8 the image and what a convolution makes
 * of it are f16; a max pool rounds. */
static enum number_format activation_format(const struct builder *builder, int a)
{
    const struct layer *layers = builder->network->layers;
    enum layer_kind kind = a == NETWORK_IMAGE ? LAYER_CONV : layers[a - 1].kind;
    if (kind == LAYER_AVG_POOL || kind == LAYER_FC)
        return NUMBER_F32;
    bool early = a == NETWORK_IMAGE || (kind == LAYER_CONV && layers[a - 1].input == NETWORK_IMAGE);
    return builder->net->format == NUMBER_S8 && early ? NUMBER_F16 : builder->net->format;
}

static size_t activation_size(const struct builder *builder, int a, struct plane plane, int channels)
{
    size_t numbers = (size_t)builder->net->batch * (size_t)plane.height * (size_t)plane.width * (size_t)channels;
    return aligned(numbers * number_size(activation_format(builder, a)));
}

static size_t activation_bytes(const struct builder *builder, int a)
{
    const struct net *net = builder->net;
    if (a == NETWORK_IMAGE) {
        const struct conv_shape *stem = &net->shapes[builder->shape_of[0]];
        return activation_size(builder, a, (struct plane){ stem->height, stem->width }, stem->inputs);
    }
    return activation_size(builder, a, builder->planes[a], network_channels(builder->network, a, net->classes));
}

static void size_arenas(struct builder *builder)
{
    struct net *net = builder->net;
    net->arenas = network_arenas(builder->network, false, builder->arena);
    for (int a = 0; a <= builder->network->count; a++) {
        size_t bytes = activation_bytes(builder, a), *arena = &net->arena_bytes[builder->arena[a]];
        *arena = bytes > *arena ? bytes : *arena;
    }
}

struct weight_bytes build_weight_bytes(const struct net *net, const struct layer *layer)
{
    enum number_format format = conv_format(layer, net->format), bias = format == NUMBER_S8 ? NUMBER_F32 : format;
    if (layer->kind == LAYER_CONV) {
        size_t numbers = layer->input == NETWORK_IMAGE ? stem_filter_count(layer) : pack_filter_count(layer);
        return (struct weight_bytes){ aligned(number_size(format) * numbers), aligned((size_t)layer->outputs * number_size(bias)) };
    }
    size_t classes = layer->kind == LAYER_FC ? (size_t)net->classes : 0;
    return (struct weight_bytes){ aligned(classes * (size_t)layer->inputs * sizeof(float)), aligned(classes * sizeof(float)) };
}

static int allocate(struct builder *builder, const char *what, size_t bytes, void **ret)
{
    int r = builder->gpu->ops->allocate(builder->gpu, bytes, ret, builder->why);
    return r < 0 ? because_in(builder->why, r, "no room for %s of batch %d", what, builder->net->batch) : 0;
}

static int allocate_all(struct builder *builder)
{
    struct net *net = builder->net;
    int r = 0;
    size_arenas(builder);
    for (int i = 0; i < builder->network->count; i++) {
        struct weight_bytes bytes = build_weight_bytes(net, &builder->network->layers[i]);
        net->weight_bytes += bytes.filter + bytes.bias;
    }
    for (int i = 0; i < net->arenas && r == 0; i++)
        r = allocate(builder, "the activations", net->arena_bytes[i], &net->arena[i]);
    if (r < 0 || (r = allocate(builder, "its marks", (size_t)net->batch * sizeof(*net->broken), (void **)&net->broken)) < 0 ||
        (r = allocate(builder, "the weights", net->weight_bytes, &net->weights)) < 0 ||
        (r = allocate(builder, "the workspace", PLAN_WORKSPACE_MAX, &net->workspace)) < 0)
        return r;
    if (!net->classify)
        return 0;
    return allocate(builder, "the predictions", (size_t)net->batch * (size_t)net->top * sizeof(*net->predictions),
                    (void **)&net->predictions);
}

/* ---- steps ---------------------------------------------------------------------------------------------------------------- */

static void describe_pool(const struct builder *builder, struct net_step *step)
{
    struct plane in = builder->planes[step->layer.input], out = builder->planes[step - builder->net->steps + 1];
    step->pool = (struct pool_args){
        .input = step->input, .output = step->output, .batch = builder->net->batch, .height = in.height, .width = in.width,
        .channels = step->layer.inputs, .kernel = step->layer.kernel, .stride = step->layer.stride, .padding = step->layer.padding,
        .out_height = out.height, .out_width = out.width, .format = activation_format(builder, step->layer.input), .to = builder->net->format,
        .scale = 1, .broken = builder->net->broken,
    };
    float unit = builder->net->units[step->layer.input];
    if (builder->net->format == NUMBER_S8)
        step->pool.scale = step->layer.kind == LAYER_MAX_POOL ? 1 / unit : unit;
}

/* An activation's 127 is the end of its range. What is always 0, or nearly, may have any unit. */
static void choose_units(struct builder *builder)
{
    struct net *net = builder->net;
    for (int a = 0; a <= builder->network->count; a++) {
        const struct range *range = &builder->spec->ranges->of[a];
        float most = fmaxf(-range->low, range->high);
        net->units[a] = (most > 1 / RANGES_LARGEST ? most : 1) / NUMBER_S8_MOST;
    }
}

/* Convolutions and pools read s8, but for what reads the image, and the max pool behind that. */
static int check_s8(const struct builder *builder)
{
    const struct network *network = builder->network;
    for (int i = 0; i < network->count; i++) {
        const struct layer *layer = &network->layers[i];
        bool reads = (layer->kind == LAYER_CONV && layer->input != NETWORK_IMAGE) || layer->kind == LAYER_AVG_POOL;
        if ((reads && activation_format(builder, layer->input) != NUMBER_S8) ||
            (layer->residual != NETWORK_NONE && activation_format(builder, layer->residual) != NUMBER_S8))
            return because(builder->why, -ENOTSUP, "%s: %s reads what is not int8; use --precision f16", network->name, layer->name);
    }
    return 0;
}

/* Layer i is step i; `fc` is left out of a net that does not classify. */
static void describe_steps(struct builder *builder)
{
    struct net *net = builder->net;
    uint8_t *weights = net->weights;
    for (int i = 0; i < builder->network->count; i++) {
        const struct layer *layer = &builder->network->layers[i];
        struct net_step *step = &net->steps[i];
        *step = (struct net_step){ .layer = *layer, .shape = builder->shape_of[i] };
        step->input = net->arena[builder->arena[layer->input]];
        step->output = net->arena[builder->arena[i + 1]];
        if (layer->residual != NETWORK_NONE)
            step->residual = net->arena[builder->arena[layer->residual]];
        struct weight_bytes bytes = build_weight_bytes(net, layer);
        if (bytes.filter) {
            step->weight = weights;
            step->bias = weights + bytes.filter;
            weights += bytes.filter + bytes.bias;
        }
        describe_pool(builder, step);
        if (layer->kind != LAYER_FC || net->classify)
            net->count = i + 1;
    }
    net->values = net->steps[net->count - 1].output;
}

/* ---- init and done -------------------------------------------------------------------------------------------------------- */

static void describe_input(struct builder *builder)
{
    struct net *net = builder->net;
    const struct engine_spec *spec = builder->spec;
    const struct conv_shape *stem = &net->shapes[builder->shape_of[0]];
    net->normalise = (struct normalise_args){
        .image = net->arena[builder->arena[NETWORK_IMAGE]],
        .batch = net->batch,
        .height = net->height,
        .width = net->width,
        .rows = stem->height,
        .columns = stem->width,
        .before = stem_before(&builder->network->layers[0]),
        .format = activation_format(builder, NETWORK_IMAGE),
        .broken = net->broken,
    };
    for (int c = 0; c < 3; c++) { /* (v / 255 - mean) / std */
        net->normalise.scale[c] = (float)(1 / (255.0 * (double)spec->std[c]));
        net->normalise.shift[c] = (float)(-(double)spec->mean[c] / (double)spec->std[c]);
    }
}

static enum number_format format_of(enum precision precision)
{
    static const enum number_format formats[] = { [PRECISION_AUTO] = NUMBER_F16, [PRECISION_F32] = NUMBER_F32, [PRECISION_F16] = NUMBER_F16,
                                                  [PRECISION_BF16] = NUMBER_BF16, [PRECISION_INT8] = NUMBER_S8 };
    return formats[precision];
}

static int describe(struct builder *builder, const struct net_options *options)
{
    struct net *net = builder->net;
    const struct engine_spec *spec = builder->spec;
    net->gpu = builder->gpu;
    net->stream = options->stream;
    net->batch = options->batch;
    net->format = format_of(spec->precision);
    net->height = spec->height;
    net->width = spec->width;
    net->features = spec->network->features;
    net->top = spec->top;
    net->classify = spec->emit != EMIT_FEATURES;
    int r = weights_check(spec->weights, spec->network, &net->classes, builder->why);
    if (r < 0)
        return r;
    if (network_planes(spec->network, (struct plane){ spec->height, spec->width }, builder->planes) < 0)
        return because(builder->why, -EINVAL, "%s cannot work on images of %dx%d pixels", spec->network->name, spec->width, spec->height);
    net->shape_count = conv_shapes(spec->network, (struct plane){ spec->height, spec->width }, net->batch, net->format, net->shapes,
                                   builder->shape_of);
    return 0;
}

static int build(struct builder *builder, const struct net_options *options)
{
    struct net *net = builder->net;
    int r = describe(builder, options);
    if (r == 0 && builder->net->format == NUMBER_S8) {
        choose_units(builder);
        r = check_s8(builder);
    }
    if (r == 0)
        r = allocate_all(builder);
    if (r < 0)
        return r;
    describe_steps(builder);
    describe_input(builder);
    r = build_weights(builder);
    if (r == 0 && net->classify)
        r = builder->gpu->ops->fc_new(builder->gpu, net->batch, net->features, net->classes, &net->fc, builder->why);
    if (r < 0)
        return r;
    return build_plans(builder);
}

int net_init(struct net *net, struct gpu *gpu, const struct engine_spec *spec, const struct net_options *options, struct why *why)
{
    memset(net, 0, sizeof(*net));
    CLEANUP(freep) struct builder *builder = calloc(1, sizeof(*builder));
    if (!builder)
        return because(why, -ENOMEM, "out of memory");
    *builder = (struct builder){ .net = net, .gpu = gpu, .spec = spec, .network = spec->network, .like = options->like, .why = why };
    int r = build(builder, options);
    tuner_done(&builder->tuner);
    book_done(&builder->book);
    return r;
}

void net_done(struct net *net)
{
    struct gpu *gpu = net->gpu;
    if (!gpu)
        return;
    for (int i = 0; i < net->count; i++)
        gpu->ops->plan_free(gpu, net->steps[i].plan);
    gpu->ops->fc_free(gpu, net->fc);
    for (int i = 0; i < net->arenas; i++)
        gpu->ops->release(gpu, net->arena[i]);
    gpu->ops->release(gpu, net->weights);
    gpu->ops->release(gpu, net->workspace);
    gpu->ops->release(gpu, net->predictions);
    gpu->ops->release(gpu, net->broken);
    memset(net, 0, sizeof(*net));
}
