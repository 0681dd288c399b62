#include "worker/engines/cudnn_build.h"

#include "common/cleanup.h"
#include "worker/engines/cudnn_shows.h"
#include "worker/engines/cudnn_stem.h"
#include "worker/engines/cudnn_wait.h"
#include "worker/weights/fold.h"
#include "worker/weights/ranges.h"

#include <errno.h>

#define NOISE_BYTES ((size_t)1 << 20) /* of one piece, again and again */

int build_send(struct builder *builder, void *to, const void *from, size_t bytes)
{
    struct gpu *gpu = builder->gpu;
    struct gpu_stream *stream = builder->net->stream;
    int r = gpu->ops->copy(gpu, stream, to, from, bytes, builder->why);
    return r < 0 ? r : wait_stream(gpu, stream, builder->why);
}

static int pack_stem(struct builder *builder, const struct layer *layer, const float *filter, enum number_format format, void *out)
{
    size_t count = stem_filter_count(layer);
    CLEANUP(freep) float *spread = malloc(count * sizeof(*spread));
    if (!spread)
        return because(builder->why, -ENOMEM, "no memory for its weights");
    stem_filter(layer, filter, spread);
    return pack_numbers(layer, spread, count, format, out, &builder->net->report, builder->why);
}

static int pack(struct builder *builder, const struct layer *layer, const float *filter, const float *bias, void *out, void *out_bias)
{
    struct net *net = builder->net;
    enum number_format format = conv_format(layer, net->format);
    int r = layer->input == NETWORK_IMAGE ? pack_stem(builder, layer, filter, format, out)
                                          : pack_filter(layer, filter, format, out, &net->report, builder->why);
    return r < 0 ? r : pack_numbers(layer, bias, (size_t)layer->outputs, format, out_bias, &net->report, builder->why);
}

/* s_y * y = s_x * s_w * sum(x * w) + s_z * z + b, for the units s of all that is s8. */
static void pack_s8(struct builder *builder, struct net_step *step, const float *filter, float *bias, int8_t *out, float *out_bias)
{
    struct net *net = builder->net;
    const struct layer *layer = &step->layer;
    const float *units = net->units, unit = units[step - net->steps + 1];
    const float *means = ranges_means(builder->spec->ranges, builder->network, layer->input);
    float filter_unit = pack_step(filter, pack_filter_count(layer));
    pack_filter_s8(layer, filter, filter_unit, out);
    if (means)
        pack_correct_bias(layer, filter, out, filter_unit, means, bias);
    for (int o = 0; o < layer->outputs; o++)
        out_bias[o] = bias[o] / unit;
    step->sum_scale = units[layer->input] * filter_unit / unit;
    step->residual_scale = layer->residual == NETWORK_NONE ? 0 : units[layer->residual] / unit;
}

/* Only f16 has infinities, and the image has none. */
static bool hides_infinity(const struct builder *builder, const struct layer *layer, const float *filter)
{
    return builder->net->format == NUMBER_F16 && layer->relu && layer->input != NETWORK_IMAGE &&
           !shows_infinity(layer, filter, builder->planes[layer->input]);
}

static int send_conv(struct builder *builder, struct net_step *step)
{
    const struct layer *layer = &step->layer;
    enum number_format format = conv_format(layer, builder->net->format);
    size_t folded = (size_t)layer->outputs * (size_t)(layer->inputs / layer->groups) * (size_t)layer->kernel * (size_t)layer->kernel;
    struct weight_bytes bytes = build_weight_bytes(builder->net, layer);
    CLEANUP(freep) float *filter = calloc(folded + (size_t)layer->outputs, sizeof(*filter));
    CLEANUP(freep) void *out = calloc(1, bytes.filter), *out_bias = calloc(1, bytes.bias);
    if (!filter || !out || !out_bias)
        return because(builder->why, -ENOMEM, "no memory for its weights");
    int r = fold_conv(builder->spec->weights, layer, filter, filter + folded, builder->why);
    if (r == 0 && format == NUMBER_S8)
        pack_s8(builder, step, filter, filter + folded, out, out_bias);
    else if (r == 0)
        r = pack(builder, layer, filter, filter + folded, out, out_bias);
    step->hides = r == 0 && hides_infinity(builder, layer, filter);
    if (r == 0)
        r = build_send(builder, (void *)step->weight, out, bytes.filter);
    return r < 0 ? r : build_send(builder, (void *)step->bias, out_bias, bytes.bias);
}

static int send_fc(struct builder *builder, struct net_step *step)
{
    struct weight_bytes bytes = build_weight_bytes(builder->net, &step->layer);
    CLEANUP(freep) float *weight = calloc(1, bytes.filter), *bias = calloc(1, bytes.bias);
    if (!weight || !bias)
        return because(builder->why, -ENOMEM, "no memory for its weights");
    int r = fold_fc(builder->spec->weights, &step->layer, weight, bias, builder->why);
    if (r == 0)
        r = build_send(builder, (void *)step->weight, weight, bytes.filter);
    return r < 0 ? r : build_send(builder, (void *)step->bias, bias, bytes.bias);
}

int build_weights(struct builder *builder)
{
    struct net *net = builder->net;
    int r = 0;
    for (int i = 0; i < net->count && r == 0; i++) {
        struct net_step *step = &net->steps[i];
        r = step->layer.kind == LAYER_CONV ? send_conv(builder, step) : step->layer.kind == LAYER_FC ? send_fc(builder, step) : 0;
    }
    return r;
}

static uint8_t *make_noise(enum number_format format, size_t bytes)
{
    uint8_t *noise = malloc(bytes);
    const float most = format == NUMBER_S8 ? NUMBER_S8_MOST * 0x1p-31f : 0x1p-31f;
    uint64_t state = 1;
    for (size_t i = 0; noise && i < bytes / number_size(format); i++) {
        state = state * 6364136223846793005u + 1442695040888963407u; /* Knuth, MMIX */
        number_store(format, noise, i, (float)(int32_t)(state >> 32) * most);
    }
    return noise;
}

/* `piece` bytes of noise, over and over: what is there is copied behind itself. */
static int fill(struct builder *builder, uint8_t *arena, size_t bytes, const void *noise, size_t piece)
{
    int r = 0;
    size_t there = arena == noise ? piece : 0;
    while (there < bytes && r == 0) {
        size_t more = there ? there : piece;
        more = bytes - there < more ? bytes - there : more;
        r = builder->gpu->ops->copy(builder->gpu, builder->net->stream, arena + there, there ? arena : noise, more, builder->why);
        there += more;
    }
    return r;
}

static size_t largest_arena(const struct net *net)
{
    size_t most = 0;
    for (int a = 0; a < net->arenas; a++)
        most = net->arena_bytes[a] > most ? net->arena_bytes[a] : most;
    return most;
}

/* A piece goes over the bus once, into the first arena that it fits into, and is copied from there. */
int build_noise(struct builder *builder)
{
    struct net *net = builder->net;
    size_t most = largest_arena(net), piece = most < NOISE_BYTES ? most : NOISE_BYTES;
    CLEANUP(freep) uint8_t *noise = make_noise(net->format, piece);
    if (!noise)
        return because(builder->why, -ENOMEM, "out of memory");
    int first = 0, r;
    while (net->arena_bytes[first] < piece)
        first++;
    r = fill(builder, net->arena[first], piece, noise, piece);
    for (int a = 0; a < net->arenas && r == 0; a++)
        r = fill(builder, net->arena[a], net->arena_bytes[a], net->arena[first], piece);
    if (r == 0)
        r = fill(builder, net->workspace, PLAN_WORKSPACE_MAX, net->arena[first], piece);
    return r < 0 ? r : wait_stream(builder->gpu, net->stream, builder->why);
}
