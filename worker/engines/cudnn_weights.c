#include "worker/engines/cudnn_build.h"

#include "common/cleanup.h"
#include "worker/engines/cudnn_wait.h"
#include "worker/weights/fold.h"

#include <errno.h>

#define NOISE_BYTES ((size_t)1 << 20) /* of one piece, again and again */

int build_send(struct builder *builder, void *to, const void *from, size_t bytes)
{
    struct gpu *gpu = builder->gpu;
    struct gpu_stream *stream = builder->net->stream;
    int r = gpu->ops->copy(gpu, stream, to, from, bytes, builder->why);
    return r < 0 ? r : wait_stream(gpu, stream, builder->why);
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
        (r = build_send(builder, (void *)step->weight, out, packed * size)) < 0)
        return r;
    return build_send(builder, (void *)step->bias, out_bias, (size_t)layer->outputs * size);
}

static int send_fc(struct builder *builder, struct net_step *step)
{
    size_t classes = (size_t)builder->net->classes, weights = classes * (size_t)step->layer.inputs;
    CLEANUP(freep) float *weight = calloc(weights + classes, sizeof(*weight));
    if (!weight)
        return because(builder->why, -ENOMEM, "no memory for its weights");
    int r = fold_fc(builder->spec->weights, &step->layer, weight, weight + weights, builder->why);
    if (r == 0)
        r = build_send(builder, (void *)step->weight, weight, weights * sizeof(*weight));
    return r < 0 ? r : build_send(builder, (void *)step->bias, weight + weights, classes * sizeof(*weight));
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

int build_noise(struct builder *builder)
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
    return r < 0 ? r : wait_stream(builder->gpu, net->stream, builder->why);
}
