#include "worker/engines/cudnn_build.h"

#include <stdio.h>

int net_failed_in(const struct net *net, const struct net_step *step, int r, struct why *why)
{
    char shape[SHAPE_TEXT] = "";
    if (step->shape >= 0)
        conv_shape_text(&net->shapes[step->shape], shape);
    else
        snprintf(shape, sizeof(shape), "%s, batch %d, %d channels", number_name(net->format), net->batch, step->layer.inputs);
    return because_in(why, r, "%s (%s)", step->layer.name, shape);
}

struct conv_memory net_memory_of(const struct net *net, const struct net_step *step)
{
    /* In s8 a residual is always added, here 0 times what is there. */
    bool scaled = step->shape >= 0 && net->shapes[step->shape].format == NUMBER_S8;
    const void *added = scaled && !step->residual ? step->output : step->residual;
    return (struct conv_memory){ .x = step->input, .w = step->weight, .z = added, .b = step->bias, .y = step->output,
                                 .workspace = net->workspace };
}

static int run_fc(struct net *net, const struct net_step *step, struct why *why)
{
    struct gpu *gpu = net->gpu;
    struct fc_memory memory = { step->input, step->weight, step->bias, step->output, net->workspace };
    struct top_args top = { step->output, net->predictions, net->batch, net->classes, net->top };
    int r = gpu->ops->fc_run(gpu, net->stream, net->fc, &memory, why);
    return r < 0 ? r : gpu->ops->top(gpu, net->stream, &top, why);
}

/* Of `channels` channels in the plane that it has. */
static int mark_broken(struct net *net, const void *input, struct plane plane, int channels, struct why *why)
{
    struct finite_args args = { input, net->broken, (size_t)plane.height * (size_t)plane.width * (size_t)channels, net->batch, net->format };
    return net->gpu->ops->finite(net->gpu, net->stream, &args, why);
}

/* For what its ReLU would make 0 of. The image itself is finite. */
static int look_through(struct net *net, const struct net_step *step, struct why *why)
{
    const struct conv_shape *shape = &net->shapes[step->shape];
    struct plane in = { shape->height, shape->width };
    int r = step->layer.input == NETWORK_IMAGE ? 0 : mark_broken(net, step->input, in, shape->inputs, why);
    return r == 0 && step->residual ? mark_broken(net, step->residual, conv_shape_output(shape), shape->outputs, why) : r;
}

int net_run_step(struct net *net, int i, struct why *why)
{
    struct gpu *gpu = net->gpu;
    const struct net_step *step = &net->steps[i];
    struct conv_memory memory = net_memory_of(net, step);
    int r = 0;
    switch (step->layer.kind) {
    case LAYER_CONV:
        if (net->swallows[step->shape] || step->hides)
            r = look_through(net, step, why);
        if (r == 0)
            r = gpu->ops->plan_run(gpu, net->stream, step->plan, &memory, why);
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
    return r < 0 ? net_failed_in(net, step, r, why) : 0;
}

int net_run(struct net *net, const uint8_t *pixels, struct why *why)
{
    net->normalise.pixels = pixels;
    int r = net->gpu->ops->normalise(net->gpu, net->stream, &net->normalise, why);
    for (int i = 0; i < net->count && r == 0; i++)
        r = net_run_step(net, i, why);
    return r;
}
