/* cudnn_net.c: in this order: sizes, memory, weights, plans, and one run that tells whether all of it works. */
#include "worker/engines/cudnn_net.h"

#include "common/cleanup.h"
#include "common/sha256.h"
#include "worker/weights/check.h"
#include "worker/weights/fold.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define NOISE_BYTES ((size_t)1 << 20)

static_assert(GPU_FC_WORKSPACE <= PLAN_WORKSPACE_MAX, "one workspace is for all");

struct builder {
    struct net *net;
    struct gpu *gpu;
    const struct engine_spec *spec;
    const struct network *network;
    struct plane planes[NETWORK_LAYERS_MAX + 1];
    int arena[NETWORK_LAYERS_MAX + 1];
    int shape_of[NETWORK_LAYERS_MAX];
    const struct net *like;
    struct book book;
    struct tuner tuner;
    struct why *why;
};

static size_t aligned(size_t bytes)
{
    return (bytes + GPU_ALIGNMENT - 1) / GPU_ALIGNMENT * GPU_ALIGNMENT;
}

/* "layer1.0.conv2 (f16 256 56x56 64->64 3x3/1+1 relu): ...", in front of what is there. */
static int failed_in(const struct net *net, const struct net_step *step, int r, struct why *why)
{
    char shape[SHAPE_TEXT] = "";
    if (step->shape >= 0)
        conv_shape_text(&net->shapes[step->shape], shape);
    else
        snprintf(shape, sizeof(shape), "%s, batch %d, %d channels", number_name(net->format), net->batch, step->layer.inputs);
    return because_in(why, r, "%s (%s)", step->layer.name, shape);
}

/* ---- sizes and memory ----------------------------------------------------------------------------------------------------- */

static bool is_f32(const struct network *network, int activation)
{
    enum layer_kind kind = activation == NETWORK_IMAGE ? LAYER_CONV : network->layers[activation - 1].kind;
    return kind == LAYER_AVG_POOL || kind == LAYER_FC;
}

static size_t activation_bytes(const struct builder *builder, int a)
{
    const struct net *net = builder->net;
    int channels = a == NETWORK_IMAGE ? IMAGE_CHANNELS : network_channels(builder->network, a, net->classes);
    size_t numbers = (size_t)net->batch * (size_t)builder->planes[a].height * (size_t)builder->planes[a].width * (size_t)channels;
    return aligned(numbers * number_size(is_f32(builder->network, a) ? NUMBER_F32 : net->format));
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

static size_t layer_bytes(const struct net *net, const struct layer *layer)
{
    if (layer->kind == LAYER_CONV)
        return aligned(pack_filter_count(layer) * number_size(net->format)) + aligned((size_t)layer->outputs * number_size(net->format));
    if (layer->kind == LAYER_FC)
        return aligned((size_t)net->classes * (size_t)layer->inputs * sizeof(float)) + aligned((size_t)net->classes * sizeof(float));
    return 0;
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
    for (int i = 0; i < builder->network->count; i++)
        net->weight_bytes += layer_bytes(net, &builder->network->layers[i]);
    for (int i = 0; i < net->arenas && r == 0; i++)
        r = allocate(builder, "the activations", net->arena_bytes[i], &net->arena[i]);
    if (r < 0 || (r = allocate(builder, "the weights", net->weight_bytes, &net->weights)) < 0 ||
        (r = allocate(builder, "the workspace", PLAN_WORKSPACE_MAX, &net->workspace)) < 0)
        return r;
    if (!net->classify)
        return 0;
    return allocate(builder, "the predictions", (size_t)net->batch * (size_t)net->top * sizeof(*net->predictions),
                    (void **)&net->predictions);
}

/* To the device, at once. */
static int send(struct builder *builder, void *to, const void *from, size_t bytes)
{
    struct gpu *gpu = builder->gpu;
    struct gpu_stream *stream = builder->net->stream;
    int r = gpu->ops->copy(gpu, stream, to, from, bytes, builder->why);
    return r < 0 ? r : gpu->ops->stream_wait(gpu, stream, builder->why);
}

/* ---- steps and weights ---------------------------------------------------------------------------------------------------- */

static void describe_pool(const struct builder *builder, struct net_step *step)
{
    struct plane in = builder->planes[step->layer.input], out = builder->planes[step - builder->net->steps + 1];
    step->pool = (struct pool_args){
        .input = step->input, .output = step->output, .batch = builder->net->batch, .height = in.height, .width = in.width,
        .channels = step->layer.inputs, .kernel = step->layer.kernel, .stride = step->layer.stride, .padding = step->layer.padding,
        .out_height = out.height, .out_width = out.width, .format = builder->net->format,
    };
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
        size_t bytes = layer_bytes(net, layer), bias = layer->kind == LAYER_FC ? (size_t)net->classes * sizeof(float)
                                                                               : (size_t)layer->outputs * number_size(net->format);
        if (bytes) {
            step->weight = weights;
            step->bias = weights + bytes - aligned(bias);
            weights += bytes;
        }
        describe_pool(builder, step);
        if (layer->kind != LAYER_FC || net->classify)
            net->count = i + 1;
    }
    net->values = net->steps[net->count - 1].output;
}

static int send_conv(struct builder *builder, struct net_step *step)
{
    struct net *net = builder->net;
    const struct layer *layer = &step->layer;
    size_t folded = (size_t)layer->outputs * (size_t)(layer->inputs / layer->groups) * (size_t)layer->kernel * (size_t)layer->kernel;
    size_t size = number_size(net->format), packed = pack_filter_count(layer);
    CLEANUP(freep) float *filter = calloc(folded + (size_t)layer->outputs, sizeof(*filter));
    CLEANUP(freep) uint8_t *out = calloc(packed + (size_t)layer->outputs, size);
    if (!filter || !out)
        return because(builder->why, -ENOMEM, "no memory for its weights");
    float *bias = filter + folded;
    uint8_t *out_bias = out + packed * size;
    int r;
    if ((r = fold_conv(builder->spec->weights, layer, filter, bias, builder->why)) < 0 ||
        (r = pack_filter(layer, filter, net->format, out, &net->report, builder->why)) < 0 ||
        (r = pack_bias(layer, bias, net->format, out_bias, &net->report, builder->why)) < 0 ||
        (r = send(builder, (void *)step->weight, out, packed * size)) < 0)
        return r;
    return send(builder, (void *)step->bias, out_bias, (size_t)layer->outputs * size);
}

static int send_fc(struct builder *builder, struct net_step *step)
{
    size_t classes = (size_t)builder->net->classes, weights = classes * (size_t)step->layer.inputs;
    CLEANUP(freep) float *weight = calloc(weights + classes, sizeof(*weight));
    if (!weight)
        return because(builder->why, -ENOMEM, "no memory for its weights");
    int r = fold_fc(builder->spec->weights, &step->layer, weight, weight + weights, builder->why);
    if (r == 0)
        r = send(builder, (void *)step->weight, weight, weights * sizeof(*weight));
    return r < 0 ? r : send(builder, (void *)step->bias, weight + weights, classes * sizeof(*weight));
}

static int send_weights(struct builder *builder)
{
    struct net *net = builder->net;
    int r = 0;
    for (int i = 0; i < net->count && r == 0; i++) {
        struct net_step *step = &net->steps[i];
        r = step->layer.kind == LAYER_CONV ? send_conv(builder, step) : step->layer.kind == LAYER_FC ? send_fc(builder, step) : 0;
    }
    return r;
}

/* ---- plans ---------------------------------------------------------------------------------------------------------------- */

/* Pages of a format's numbers between -1 and 1: zeros are multiplied faster than what comes later. */
static int send_noise(struct builder *builder)
{
    struct net *net = builder->net;
    CLEANUP(freep) uint8_t *noise = malloc(NOISE_BYTES);
    if (!noise)
        return because(builder->why, -ENOMEM, "out of memory");
    uint64_t state = 1;
    for (size_t i = 0; i < NOISE_BYTES / number_size(net->format); i++) {
        state = state * 6364136223846793005u + 1442695040888963407u; /* Knuth, MMIX */
        number_store(net->format, noise, i, (float)(int32_t)(state >> 32) * 0x1p-31f);
    }
    int r = 0;
    for (int a = 0; a < net->arenas; a++)
        for (size_t at = 0; at < net->arena_bytes[a] && r == 0; at += NOISE_BYTES) {
            size_t rest = net->arena_bytes[a] - at;
            r = builder->gpu->ops->copy(builder->gpu, net->stream, (uint8_t *)net->arena[a] + at, noise,
                                        rest < NOISE_BYTES ? rest : NOISE_BYTES, builder->why);
        }
    return r < 0 ? r : builder->gpu->ops->stream_wait(builder->gpu, net->stream, builder->why);
}

static struct conv_memory memory_of(const struct net *net, const struct net_step *step)
{
    return (struct conv_memory){ .x = step->input, .w = step->weight, .z = step->residual, .b = step->bias, .y = step->output,
                                 .workspace = net->workspace };
}

/* A step that has this shape. */
static const struct net_step *step_with(const struct net *net, int shape)
{
    int i = 0;
    while (net->steps[i].shape != shape)
        i++;
    return &net->steps[i];
}

static int load(struct builder *builder, int shape, const char *text)
{
    struct net *net = builder->net;
    int r = builder->gpu->ops->plan_load(builder->gpu, &net->shapes[shape], text, &net->plans[shape], builder->why);
    if (r == 0 && net->plans[shape]->workspace > PLAN_WORKSPACE_MAX) {
        builder->gpu->ops->plan_free(builder->gpu, net->plans[shape]);
        net->plans[shape] = NULL;
        r = because(builder->why, -ENOTSUP, "plan \"%s\" wants too much workspace", text);
    }
    return r;
}

static int choose(struct builder *builder, int shape, const char *name)
{
    struct net *net = builder->net;
    CLEANUP(freep) char *text = NULL;
    struct conv_memory memory = memory_of(net, step_with(net, shape));
    bool first = builder->spec->no_tuning;
    if (!first && net->tuned++ == 0) {
        int r = send_noise(builder);
        if (r < 0)
            return r;
    }
    int r = tuner_choose(&builder->tuner, &net->shapes[shape], &memory, first, &text, builder->why);
    if (r == 0)
        r = load(builder, shape, text);
    if (r == 0 && !first)
        r = book_put(&builder->book, name, text);
    return r;
}

/* From another GPU's net, from the book if that has one that works, else the fastest there is. */
static int find_plan(struct builder *builder, int shape)
{
    char name[SHAPE_TEXT];
    if (builder->like)
        return load(builder, shape, builder->like->plans[shape]->text);
    conv_shape_text(&builder->net->shapes[shape], name);
    const char *known = builder->spec->no_tuning ? NULL : book_find(&builder->book, name);
    int r = known ? load(builder, shape, known) : -ENOTSUP;
    if (known && r == -ENOTSUP)
        book_put(&builder->book, name, NULL);
    return r == -ENOTSUP ? choose(builder, shape, name) : r;
}

static int hash_plans(struct builder *builder)
{
    struct net *net = builder->net;
    size_t size = (size_t)net->shape_count * (SHAPE_TEXT + BOOK_TEXT_MAX) + 1;
    CLEANUP(freep) char *all = calloc(1, size);
    char hex[SHA256_HEX];
    if (!all)
        return because(builder->why, -ENOMEM, "out of memory");
    for (int i = 0; i < net->shape_count; i++) {
        char name[SHAPE_TEXT];
        size_t used = strlen(all);
        conv_shape_text(&net->shapes[i], name);
        snprintf(all + used, size - used, "%s = %s\n", name, net->plans[i]->text);
    }
    int r = sha256_memory(all, strlen(all), hex);
    if (r < 0)
        return because(builder->why, r, "out of memory");
    snprintf(net->hash, sizeof(net->hash), "%.16s", hex);
    return 0;
}

static void complain(struct net *net, const struct why *why)
{
    snprintf(net->complaint, sizeof(net->complaint), "%.*s", (int)sizeof(net->complaint) - 1, why->text);
}

static void open_book(struct builder *builder)
{
    const struct gpu_info *info = &builder->gpu->info;
    char key[BOOK_TEXT_MAX];
    struct why why;
    if (!builder->spec->plans || builder->spec->no_tuning || builder->like)
        return;
    snprintf(key, sizeof(key), "%s, compute capability %d.%d, %d processors, %s", info->name, info->major, info->minor, info->processors,
             info->libraries);
    if (book_open(&builder->book, builder->spec->plans, key, &why) < 0)
        complain(builder->net, &why);
}

static int find_plans(struct builder *builder)
{
    struct net *net = builder->net;
    struct why why;
    int r = tuner_init(&builder->tuner, builder->gpu, net->stream, builder->why);
    for (int i = 0; i < net->shape_count && r == 0; i++) {
        r = find_plan(builder, i);
        if (r < 0)
            failed_in(net, step_with(net, i), r, builder->why);
    }
    if (*builder->book.folder && book_save(&builder->book, &why) < 0 && !*net->complaint)
        complain(net, &why);
    return r < 0 ? r : hash_plans(builder);
}

/* ---- run ------------------------------------------------------------------------------------------------------------------ */

static int run_fc(struct net *net, const struct net_step *step, struct why *why)
{
    struct gpu *gpu = net->gpu;
    struct fc_memory memory = { step->input, step->weight, step->bias, step->output, net->workspace };
    struct top_args top = { step->output, net->predictions, net->batch, net->classes, net->top };
    int r = gpu->ops->fc_run(gpu, net->stream, net->fc, &memory, why);
    return r < 0 ? r : gpu->ops->top(gpu, net->stream, &top, why);
}

int net_run_step(struct net *net, int i, struct why *why)
{
    struct gpu *gpu = net->gpu;
    const struct net_step *step = &net->steps[i];
    struct conv_memory memory = memory_of(net, step);
    int r = 0;
    switch (step->layer.kind) {
    case LAYER_CONV:
        r = gpu->ops->plan_run(gpu, net->stream, net->plans[step->shape], &memory, why);
        break;
    case LAYER_MAX_POOL:
        r = gpu->ops->max_pool(gpu, net->stream, &step->pool, why);
        break;
    case LAYER_AVG_POOL:
        r = gpu->ops->average_pool(gpu, net->stream, &step->pool, why);
        break;
    case LAYER_FC:
        r = run_fc(net, step, why);
        break;
    }
    return r < 0 ? failed_in(net, step, r, why) : 0;
}

int net_run(struct net *net, const uint8_t *pixels, struct why *why)
{
    net->normalise.pixels = pixels;
    int r = net->gpu->ops->normalise(net->gpu, net->stream, &net->normalise, why);
    for (int i = 0; i < net->count && r == 0; i++)
        r = net_run_step(net, i, why);
    return r;
}

/* ---- init and done -------------------------------------------------------------------------------------------------------- */

static void describe_input(struct builder *builder)
{
    struct net *net = builder->net;
    const struct engine_spec *spec = builder->spec;
    net->normalise = (struct normalise_args){
        .image = net->arena[builder->arena[NETWORK_IMAGE]],
        .count = (size_t)net->batch * (size_t)net->height * (size_t)net->width,
        .format = net->format,
    };
    for (int c = 0; c < 3; c++) { /* (v / 255 - mean) / std */
        net->normalise.scale[c] = (float)(1 / (255.0 * (double)spec->std[c]));
        net->normalise.shift[c] = (float)(-(double)spec->mean[c] / (double)spec->std[c]);
    }
}

static int describe(struct builder *builder, const struct net_options *options)
{
    struct net *net = builder->net;
    const struct engine_spec *spec = builder->spec;
    net->gpu = builder->gpu;
    net->stream = options->stream;
    net->batch = options->batch;
    net->format = options->format;
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
    if (r == 0)
        r = allocate_all(builder);
    if (r < 0)
        return r;
    describe_steps(builder);
    describe_input(builder);
    r = send_weights(builder);
    if (r == 0 && net->classify)
        r = builder->gpu->ops->fc_new(builder->gpu, net->batch, net->features, net->classes, &net->fc, builder->why);
    if (r < 0)
        return r;
    open_book(builder);
    return find_plans(builder);
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
    for (int i = 0; i < net->shape_count; i++)
        gpu->ops->plan_free(gpu, net->plans[i]);
    gpu->ops->fc_free(gpu, net->fc);
    for (int i = 0; i < net->arenas; i++)
        gpu->ops->release(gpu, net->arena[i]);
    gpu->ops->release(gpu, net->weights);
    gpu->ops->release(gpu, net->workspace);
    gpu->ops->release(gpu, net->predictions);
    memset(net, 0, sizeof(*net));
}
