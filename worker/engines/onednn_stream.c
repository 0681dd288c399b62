#include "worker/engines/onednn_stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define AVERAGED 64 /* channels at a time: a line of the cache */

/* The arithmetic of torchvision's ToTensor and Normalize, done once for each of the 256 values. */
static void make_input_table(struct onednn_stream *stream, const float mean[3], const float std[3])
{
    for (int c = 0; c < 3; c++)
        for (int v = 0; v < 256; v++)
            stream->input[c][v] = ((float)v / 255.0f - mean[c]) / std[c];
}

static void normalise(const struct onednn_stream *stream, const uint8_t *pixels, int n)
{
    const struct onednn_net *net = stream->net;
    size_t plane = (size_t)net->height * (size_t)net->width, used = (size_t)n * plane, all = (size_t)net->batch * plane;
    float *image = stream->image;
    for (size_t i = 0; i < used; i++)
        for (size_t c = 0; c < 3; c++)
            image[3 * i + c] = stream->input[c][pixels[3 * i + c]];
    memset(image + 3 * used, 0, (all - used) * 3 * sizeof(*image));
}

/* `count` pixels of the border. */
static uint8_t *fill_border(const struct onednn_stream *stream, uint8_t *at, size_t count)
{
    for (size_t i = 0; i < count; i++, at += 3)
        memcpy(at, stream->border, 3);
    return at;
}

/* For int8: the pixels as they are, in a frame. */
static void frame(const struct onednn_stream *stream, const uint8_t *pixels, int n)
{
    const struct onednn_net *net = stream->net;
    size_t padding = (size_t)net->padding, row = 3 * (size_t)net->width, wide = (size_t)net->width + 2 * padding;
    uint8_t *at = stream->image;
    for (int i = 0; i < n; i++) {
        at = fill_border(stream, at, padding * wide);
        for (int y = 0; y < net->height; y++, pixels += row, at += row) {
            at = fill_border(stream, at, padding);
            memcpy(at, pixels, row);
            fill_border(stream, at + row, padding);
            at += 3 * padding;
        }
        at = fill_border(stream, at, padding * wide);
    }
    memset(at, 0, (size_t)(net->batch - n) * (wide * ((size_t)net->height + 2 * padding)) * 3);
}

/* Touched by the thread that uses it, so that its pages are near and are there before the first run. */
static int allocate_all(struct onednn_stream *stream, struct why *why)
{
    const struct onednn_net *net = stream->net;
    for (int i = 0; i <= net->arenas; i++) {
        size_t bytes = i < net->arenas ? net->arena_bytes[i] : net->scratch_bytes;
        stream->memory[i] = pages_take(&stream->pages, bytes);
        if (!stream->memory[i])
            return because(why, -ENOMEM, "engine onednn: no memory for %zu bytes of activations; use a smaller batch or fewer "
                           "threads", bytes);
        memset(stream->memory[i], 0, bytes);
    }
    return 0;
}

static dnnl_status_t make_memories(struct onednn_stream *stream)
{
    const struct onednn_net *net = stream->net;
    dnnl_dims_t bytes = { (dnnl_dim_t)net->scratch_bytes };
    dnnl_memory_desc_t desc;
    dnnl_status_t status;
    if ((status = dnnl_memory_desc_init_by_tag(&desc, 1, bytes, dnnl_u8, dnnl_a)) ||
        (status = dnnl_memory_create(&stream->scratch, &desc, net->engine, stream->memory[net->arenas])))
        return status;
    for (int i = 0; i < net->count; i++) {
        const struct onednn_step *step = &net->steps[i];
        if ((status = dnnl_memory_create(&stream->sources[i], &step->source, net->engine, stream->memory[step->source_arena])) ||
            (status = dnnl_memory_create(&stream->targets[i], &step->target, net->engine, stream->memory[step->target_arena])))
            return status;
    }
    return dnnl_success;
}

int onednn_stream_init(struct onednn_stream *stream, const struct onednn_net *net, const float mean[3], const float std[3],
                       struct why *why)
{
    memset(stream, 0, sizeof(*stream));
    stream->net = net;
    make_input_table(stream, mean, std);
    for (int c = 0; c < 3; c++)
        stream->border[c] = int8_border(mean[c]);
    int r = allocate_all(stream, why);
    if (r < 0)
        return r;
    dnnl_status_t status = dnnl_stream_create(&stream->stream, net->engine, dnnl_stream_default_flags);
    if (!status)
        status = make_memories(stream);
    if (status)
        return onednn_failed(status, "stream", why);
    stream->image = stream->memory[net->steps[0].source_arena];
    stream->output = stream->memory[net->steps[net->count - 1].target_arena];
    return 0;
}

void onednn_stream_done(struct onednn_stream *stream)
{
    if (!stream->net)
        return;
    for (int i = 0; i < stream->net->count; i++) {
        if (stream->sources[i])
            dnnl_memory_destroy(stream->sources[i]);
        if (stream->targets[i])
            dnnl_memory_destroy(stream->targets[i]);
    }
    if (stream->scratch)
        dnnl_memory_destroy(stream->scratch);
    if (stream->stream)
        dnnl_stream_destroy(stream->stream);
    pages_done(&stream->pages);
    memset(stream, 0, sizeof(*stream));
}

/* Of one image, some channels side by side. */
static void average_some(const struct onednn_step *step, const uint8_t *source, size_t channels, size_t area, float *target, size_t count)
{
    uint32_t sums[AVERAGED] = { 0 };
    float scale = step->form.step / (float)area;
    for (size_t p = 0; p < area; p++, source += channels)
        for (size_t c = 0; c < count; c++)
            sums[c] += source[c];
    for (size_t c = 0; c < count; c++)
        target[c] = step->form.low + scale * (float)sums[c];
}

/* The mean over the plane, from u8 (nhwc) to f32. Sums of integers: exact in any order. */
static void average(const struct onednn_step *step, const uint8_t *source, float *target)
{
    size_t images = (size_t)step->source.dims[0], channels = (size_t)step->source.dims[1];
    size_t area = (size_t)step->source.dims[2] * (size_t)step->source.dims[3];
    for (size_t i = 0; i < images; i++, source += area * channels, target += channels) {
        size_t c = 0;
        for (; c + AVERAGED <= channels; c += AVERAGED)
            average_some(step, source + c, channels, area, target + c, AVERAGED);
        average_some(step, source + c, channels, area, target + c, channels - c);
    }
}

static void run_without_primitive(const struct onednn_step *step, const void *source, void *target)
{
    if (step->vnni.packed)
        vnni_conv_run(&step->vnni, source, target);
    else
        average(step, source, target);
}

static dnnl_status_t run_step(const struct onednn_stream *stream, int i)
{
    const struct onednn_step *step = &stream->net->steps[i];
    if (!step->primitive) {
        run_without_primitive(step, stream->memory[step->source_arena], stream->memory[step->target_arena]);
        return dnnl_success;
    }
    dnnl_exec_arg_t args[5] = {
        { DNNL_ARG_SRC, stream->sources[i] },
        { DNNL_ARG_DST, stream->targets[i] },
        { DNNL_ARG_SCRATCHPAD, stream->scratch },
        { DNNL_ARG_WEIGHTS, step->weight },
        { DNNL_ARG_BIAS, step->bias },
    };
    return dnnl_primitive_execute(step->primitive, stream->stream, step->weight ? 5 : 3, args);
}

static void show(const struct onednn_stream *stream, int activation, const dnnl_memory_desc_t *desc, int arena, int images)
{
    size_t count = (size_t)images;
    for (int d = 1; d < desc->ndims; d++)
        count *= (size_t)desc->dims[d];
    stream->observe(stream->observed, activation, stream->memory[arena], count, images);
}

int onednn_stream_run(struct onednn_stream *stream, const uint8_t *pixels, int n, struct why *why)
{
    if (stream->net->padding)
        frame(stream, pixels, n);
    else
        normalise(stream, pixels, n);
    if (stream->observe)
        show(stream, NETWORK_IMAGE, &stream->net->steps[0].source, stream->net->steps[0].source_arena, n);
    dnnl_status_t status = dnnl_success;
    for (int i = 0; i < stream->net->count && !status; i++) {
        status = run_step(stream, i);
        if (!status && stream->observe) /* in f32: nothing is copied, and a step is a layer */
            show(stream, i + 1, &stream->net->steps[i].target, stream->net->steps[i].target_arena, n);
    }
    if (!status)
        status = dnnl_stream_wait(stream->stream);
    return status ? onednn_failed(status, "run", why) : 0;
}
