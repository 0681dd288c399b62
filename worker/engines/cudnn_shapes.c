#include "worker/engines/cudnn_shapes.h"

#include "worker/engines/cudnn_stem.h"

#include <errno.h>
#include <stdio.h>

const char *number_name(enum number_format format)
{
    static const char *const names[] = { [NUMBER_F32] = "f32", [NUMBER_F16] = "f16", [NUMBER_BF16] = "bf16", [NUMBER_S8] = "int8" };
    return names[format];
}

enum number_format conv_format(const struct layer *layer, enum number_format format)
{
    return format == NUMBER_S8 && layer->input == NETWORK_IMAGE ? NUMBER_F16 : format;
}

static bool is_equal(const struct conv_shape *a, const struct conv_shape *b)
{
    return a->batch == b->batch && a->height == b->height && a->width == b->width && a->inputs == b->inputs &&
           a->outputs == b->outputs && a->kernel_height == b->kernel_height && a->kernel_width == b->kernel_width &&
           a->stride == b->stride && a->padding == b->padding && a->groups == b->groups && a->residual == b->residual && a->relu == b->relu && a->format == b->format;
}

static struct conv_shape shape_of(const struct layer *layer, struct plane plane, int batch, enum number_format format)
{
    struct conv_shape shape = {
        .batch = batch, .height = plane.height, .width = plane.width, .inputs = layer->inputs, .outputs = layer->outputs,
        .kernel_height = layer->kernel, .kernel_width = layer->kernel, .stride = layer->stride, .padding = layer->padding, .groups = layer->groups,
        .residual = layer->residual != NETWORK_NONE, .relu = layer->relu, .format = conv_format(layer, format),
        .sum_scale = 1, .residual_scale = 1,
    };
    if (layer->input == NETWORK_IMAGE)
        stem_describe(layer, plane, &shape);
    return shape;
}

int conv_shapes(const struct network *network, struct plane image, int batch, enum number_format format, struct conv_shape *shapes,
                int *ret_of)
{
    struct plane planes[NETWORK_LAYERS_MAX + 1];
    int count = 0, r = network_planes(network, image, planes);
    for (int i = 0; i < network->count && r == 0; i++) {
        const struct layer *layer = &network->layers[i];
        int at = layer->kind == LAYER_CONV ? 0 : -1;
        struct conv_shape shape = at < 0 ? (struct conv_shape){ 0 } : shape_of(layer, planes[layer->input], batch, format);
        while (at >= 0 && at < count && !is_equal(&shapes[at], &shape))
            at++;
        if (at == count)
            shapes[count++] = shape;
        if (ret_of)
            ret_of[i] = at;
    }
    return r < 0 ? r : count;
}

void conv_shape_text(const struct conv_shape *shape, char text[SHAPE_TEXT])
{
    int n = snprintf(text, SHAPE_TEXT, "%s %d %dx%d %d->%d %dx%d/%d+%d", number_name(shape->format), shape->batch, shape->height, shape->width,
                     shape->inputs, shape->outputs, shape->kernel_height, shape->kernel_width, shape->stride, shape->padding);
    if (shape->groups > 1)
        n += snprintf(text + n, SHAPE_TEXT - (size_t)n, " %d groups", shape->groups);
    snprintf(text + n, SHAPE_TEXT - (size_t)n, "%s%s", shape->residual ? " residual" : "", shape->relu ? " relu" : "");
}

struct plane conv_shape_output(const struct conv_shape *shape)
{
    int height = shape->height + 2 * shape->padding - shape->kernel_height;
    int width = shape->width + 2 * shape->padding - shape->kernel_width;
    return (struct plane){ height / shape->stride + 1, width / shape->stride + 1 };
}

static double filter_numbers(const struct conv_shape *shape)
{
    return (double)shape->outputs * shape->inputs / shape->groups * shape->kernel_height * shape->kernel_width;
}

double conv_shape_flop(const struct conv_shape *shape)
{
    struct plane out = conv_shape_output(shape);
    return 2 * filter_numbers(shape) * shape->batch * out.height * out.width;
}

double conv_shape_bytes(const struct conv_shape *shape)
{
    struct plane out = conv_shape_output(shape);
    double x = (double)shape->batch * shape->height * shape->width * shape->inputs;
    double y = (double)shape->batch * out.height * out.width * shape->outputs;
    double bias = (double)shape->outputs * (shape->format == NUMBER_S8 ? (double)sizeof(float) : 1);
    return (double)number_size(shape->format) * (x + filter_numbers(shape) + bias + y * (1 + shape->residual));
}
