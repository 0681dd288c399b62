/* onednn_net.c: from the layer table to primitives.
 *
 * One primitive a layer: convolution with bias, residual (a `sum` post-op: the target holds the residual already, so it is
 * written in place) and ReLU; pools; inner product. Weights are folded to f32, then reordered once into what the primitive wants. */
#include "worker/engines/onednn_net.h"

#include "common/cleanup.h"
#include "worker/weights/check.h"
#include "worker/weights/fold.h"

#include <errno.h>
#include <string.h>

DEFINE_FREEP(dnnl_primitive_attr_destroy, struct dnnl_primitive_attr)
DEFINE_FREEP(dnnl_primitive_desc_destroy, struct dnnl_primitive_desc)
DEFINE_FREEP(dnnl_post_ops_destroy, struct dnnl_post_ops)
DEFINE_FREEP(dnnl_primitive_destroy, struct dnnl_primitive)
DEFINE_FREEP(dnnl_memory_destroy, struct dnnl_memory)
DEFINE_FREEP(dnnl_stream_destroy, struct dnnl_stream)

/* What the construction of all layers shares. */
struct builder {
    struct onednn_net *net;
    const struct engine_spec *spec;
    const struct network *network;
    struct plane planes[NETWORK_LAYERS_MAX + 1];
    int arena[NETWORK_LAYERS_MAX + 1];
    struct why *why;
};

int onednn_failed(dnnl_status_t status, const char *what, struct why *why)
{
    switch (status) {
    case dnnl_out_of_memory:
        return because(why, -ENOMEM, "engine onednn: %s: no memory; use a smaller batch or fewer threads", what);
    case dnnl_unimplemented:
        return because(why, -ENOTSUP, "engine onednn: %s: this oneDNN has no implementation of it", what);
    default:
        return because(why, -EIO, "engine onednn: %s: oneDNN status %d", what, (int)status);
    }
}

/* The activation as oneDNN sees it, 4-dimensional. */
static dnnl_memory_desc_t activation(const struct builder *builder, int a)
{
    const struct onednn_net *net = builder->net;
    dnnl_dims_t dims = { net->batch, network_channels(builder->network, a, net->classes), builder->planes[a].height,
                         builder->planes[a].width };
    dnnl_memory_desc_t desc;
    dnnl_memory_desc_init_by_tag(&desc, 4, dims, dnnl_f32, dnnl_nhwc);
    return desc;
}

/* ---- weights ---------------------------------------------------------------------------------------------------------- */

static dnnl_status_t copy_reordered(dnnl_engine_t engine, dnnl_memory_t from, dnnl_memory_t to)
{
    CLEANUP(dnnl_primitive_desc_destroyp) dnnl_primitive_desc_t desc = NULL;
    CLEANUP(dnnl_primitive_destroyp) dnnl_primitive_t reorder = NULL;
    CLEANUP(dnnl_stream_destroyp) dnnl_stream_t stream = NULL;
    const dnnl_memory_desc_t *from_desc, *to_desc;
    dnnl_status_t status;
    if ((status = dnnl_memory_get_memory_desc(from, &from_desc)) ||
        (status = dnnl_memory_get_memory_desc(to, &to_desc)) ||
        (status = dnnl_reorder_primitive_desc_create(&desc, from_desc, engine, to_desc, engine, NULL)) ||
        (status = dnnl_primitive_create(&reorder, desc)) ||
        (status = dnnl_stream_create(&stream, engine, dnnl_stream_default_flags)))
        return status;
    dnnl_exec_arg_t args[] = { { DNNL_ARG_FROM, from }, { DNNL_ARG_TO, to } };
    status = dnnl_primitive_execute(reorder, stream, 2, args);
    return status ? status : dnnl_stream_wait(stream);
}

/* New memory of the primitive's own shape, filled from plain `values`. */
static dnnl_status_t import(dnnl_engine_t engine, const dnnl_memory_desc_t *plain, float *values,
                            const dnnl_memory_desc_t *wanted, dnnl_memory_t *ret)
{
    CLEANUP(dnnl_memory_destroyp) dnnl_memory_t from = NULL;
    CLEANUP(dnnl_memory_destroyp) dnnl_memory_t to = NULL;
    dnnl_status_t status;
    if ((status = dnnl_memory_create(&from, plain, engine, values)) ||
        (status = dnnl_memory_create(&to, wanted, engine, DNNL_MEMORY_ALLOCATE)) ||
        (status = copy_reordered(engine, from, to)))
        return status;
    *ret = take(to);
    return dnnl_success;
}

static size_t desc_count(const dnnl_memory_desc_t *desc)
{
    size_t count = 1;
    for (int i = 0; i < desc->ndims; i++)
        count *= (size_t)desc->dims[i];
    return count;
}

/* (outputs, inputs, kernel, kernel), or with groups in front. */
static dnnl_memory_desc_t conv_weight(const struct layer *layer, dnnl_format_tag_t tag4, dnnl_format_tag_t tag5)
{
    dnnl_memory_desc_t desc;
    dnnl_dim_t g = layer->groups, o = layer->outputs / g, i = layer->inputs / g, k = layer->kernel;
    if (g == 1)
        dnnl_memory_desc_init_by_tag(&desc, 4, (dnnl_dims_t){ o, i, k, k }, dnnl_f32, tag4);
    else
        dnnl_memory_desc_init_by_tag(&desc, 5, (dnnl_dims_t){ g, o, i, k, k }, dnnl_f32, tag5);
    return desc;
}

static dnnl_memory_desc_t vector(dnnl_dim_t count)
{
    dnnl_memory_desc_t desc;
    dnnl_memory_desc_init_by_tag(&desc, 1, (dnnl_dims_t){ count }, dnnl_f32, dnnl_a);
    return desc;
}

static int load_weights(const struct builder *builder, const struct layer *layer, struct onednn_step *step,
                        const_dnnl_primitive_desc_t desc, const dnnl_memory_desc_t *plain)
{
    const struct weights *weights = builder->spec->weights;
    dnnl_memory_desc_t plain_bias = vector(plain->dims[0] * (layer->groups > 1 ? plain->dims[1] : 1));
    CLEANUP(freep) float *weight = malloc(desc_count(plain) * sizeof(*weight));
    CLEANUP(freep) float *bias = malloc(desc_count(&plain_bias) * sizeof(*bias));
    if (!weight || !bias)
        return because(builder->why, -ENOMEM, "engine onednn: no memory for the weights of %s", layer->name);
    int r = layer->kind == LAYER_FC ? fold_fc(weights, layer, weight, bias, builder->why)
                                    : fold_conv(weights, layer, weight, bias, builder->why);
    if (r < 0)
        return r;
    dnnl_engine_t engine = builder->net->engine;
    dnnl_status_t status = import(engine, plain, weight, dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0),
                                  &step->weight);
    if (!status)
        status = import(engine, &plain_bias, bias, dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 1), &step->bias);
    return status ? onednn_failed(status, layer->name, builder->why) : 0;
}

/* ---- layers ----------------------------------------------------------------------------------------------------------- */

static dnnl_status_t append_post_ops(dnnl_primitive_attr_t attr, const struct layer *layer)
{
    CLEANUP(dnnl_post_ops_destroyp) dnnl_post_ops_t ops = NULL;
    dnnl_status_t status = dnnl_post_ops_create(&ops);
    if (!status && layer->residual != NETWORK_NONE)
        status = dnnl_post_ops_append_sum(ops, 1.0f);
    if (!status && layer->relu)
        status = dnnl_post_ops_append_eltwise(ops, 1.0f, dnnl_eltwise_relu, 0.0f, 0.0f);
    return status ? status : dnnl_primitive_attr_set_post_ops(attr, ops);
}

static dnnl_status_t describe_conv(const struct builder *builder, const struct layer *layer, struct onednn_step *step,
                                   dnnl_primitive_attr_t attr, dnnl_primitive_desc_t *ret)
{
    dnnl_memory_desc_t weight = conv_weight(layer, dnnl_format_tag_any, dnnl_format_tag_any), bias = vector(layer->outputs);
    dnnl_dims_t strides = { layer->stride, layer->stride }, padding = { layer->padding, layer->padding };
    dnnl_convolution_desc_t conv;
    dnnl_status_t status;
    if ((status = append_post_ops(attr, layer)) ||
        (status = dnnl_convolution_forward_desc_init(&conv, dnnl_forward_inference, dnnl_convolution_direct, &step->source,
                                                     &weight, &bias, &step->target, strides, padding, padding)))
        return status;
    return dnnl_primitive_desc_create(ret, &conv, attr, builder->net->engine, NULL);
}

static dnnl_status_t describe_pool(const struct builder *builder, const struct layer *layer, struct onednn_step *step,
                                   dnnl_primitive_attr_t attr, dnnl_primitive_desc_t *ret)
{
    struct plane plane = builder->planes[layer->input];
    bool whole = layer->kind == LAYER_AVG_POOL;
    dnnl_dims_t kernel = { whole ? plane.height : layer->kernel, whole ? plane.width : layer->kernel };
    dnnl_dims_t strides = { whole ? 1 : layer->stride, whole ? 1 : layer->stride };
    dnnl_dims_t padding = { layer->padding, layer->padding };
    dnnl_pooling_desc_t pool;
    dnnl_status_t status = dnnl_pooling_forward_desc_init(&pool, dnnl_forward_inference,
                                                          whole ? dnnl_pooling_avg_exclude_padding : dnnl_pooling_max,
                                                          &step->source, &step->target, strides, kernel, padding, padding);
    return status ? status : dnnl_primitive_desc_create(ret, &pool, attr, builder->net->engine, NULL);
}

static dnnl_memory_desc_t matrix(dnnl_dim_t rows, dnnl_dim_t columns, dnnl_format_tag_t tag)
{
    dnnl_memory_desc_t desc;
    dnnl_memory_desc_init_by_tag(&desc, 2, (dnnl_dims_t){ rows, columns }, dnnl_f32, tag);
    return desc;
}

static dnnl_status_t describe_fc(const struct builder *builder, const struct layer *layer, struct onednn_step *step,
                                 dnnl_primitive_attr_t attr, dnnl_primitive_desc_t *ret)
{
    const struct onednn_net *net = builder->net;
    step->source = matrix(net->batch, layer->inputs, dnnl_ab);
    step->target = matrix(net->batch, net->classes, dnnl_ab);
    dnnl_memory_desc_t weight = matrix(net->classes, layer->inputs, dnnl_format_tag_any), bias = vector(net->classes);
    dnnl_inner_product_desc_t fc;
    dnnl_status_t status = dnnl_inner_product_forward_desc_init(&fc, dnnl_forward_inference, &step->source, &weight, &bias,
                                                                &step->target);
    return status ? status : dnnl_primitive_desc_create(ret, &fc, attr, net->engine, NULL);
}

static dnnl_status_t describe(const struct builder *builder, const struct layer *layer, struct onednn_step *step,
                              dnnl_primitive_desc_t *ret)
{
    CLEANUP(dnnl_primitive_attr_destroyp) dnnl_primitive_attr_t attr = NULL;
    dnnl_status_t status;
    if ((status = dnnl_primitive_attr_create(&attr)) ||
        (status = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user)))
        return status;
    switch (layer->kind) {
    case LAYER_CONV:
        return describe_conv(builder, layer, step, attr, ret);
    case LAYER_FC:
        return describe_fc(builder, layer, step, attr, ret);
    default:
        return describe_pool(builder, layer, step, attr, ret);
    }
}

static int add_layer(struct builder *builder, int i)
{
    const struct layer *layer = &builder->network->layers[i];
    struct onednn_net *net = builder->net;
    struct onednn_step *step = &net->steps[net->count++];
    step->source = activation(builder, layer->input);
    step->target = activation(builder, i + 1);
    step->source_arena = builder->arena[layer->input];
    step->target_arena = builder->arena[i + 1];
    CLEANUP(dnnl_primitive_desc_destroyp) dnnl_primitive_desc_t desc = NULL;
    dnnl_status_t status = describe(builder, layer, step, &desc);
    if (!status)
        status = dnnl_primitive_create(&step->primitive, desc);
    if (status)
        return onednn_failed(status, layer->name, builder->why);
    size_t scratch = dnnl_memory_desc_get_size(dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0));
    net->scratch_bytes = scratch > net->scratch_bytes ? scratch : net->scratch_bytes;
    dnnl_memory_desc_t plain;
    if (layer->kind == LAYER_CONV)
        plain = conv_weight(layer, dnnl_oihw, dnnl_goihw);
    else if (layer->kind == LAYER_FC)
        plain = matrix(net->classes, layer->inputs, dnnl_ab);
    else
        return 0;
    return load_weights(builder, layer, step, desc, &plain);
}

static void size_arenas(struct builder *builder)
{
    struct onednn_net *net = builder->net;
    net->arenas = network_arenas(builder->network, true, builder->arena);
    for (int a = 0; a <= builder->network->count; a++) {
        dnnl_memory_desc_t desc = activation(builder, a);
        size_t bytes = dnnl_memory_desc_get_size(&desc), *arena = &net->arena_bytes[builder->arena[a]];
        *arena = bytes > *arena ? bytes : *arena;
    }
}

int onednn_net_init(struct onednn_net *net, const struct engine_spec *spec, int batch, bool classify, struct why *why)
{
    struct builder builder = { .net = net, .spec = spec, .network = spec->network, .why = why };
    memset(net, 0, sizeof(*net));
    int r = weights_check(spec->weights, spec->network, &net->classes, why);
    if (r < 0)
        return r;
    net->batch = batch;
    net->height = spec->height;
    net->width = spec->width;
    net->features = spec->network->features;
    if (network_planes(spec->network, (struct plane){ spec->height, spec->width }, builder.planes) < 0)
        return because(why, -EINVAL, "engine onednn: %s cannot work on images of %dx%d pixels", spec->network->name, spec->width,
                       spec->height);
    dnnl_status_t status = dnnl_engine_create(&net->engine, dnnl_cpu, 0);
    if (status)
        return onednn_failed(status, "CPU", why);
    size_arenas(&builder);
    for (int i = 0; i < spec->network->count && r == 0; i++)
        if (classify || spec->network->layers[i].kind != LAYER_FC)
            r = add_layer(&builder, i);
    return r;
}

void onednn_net_done(struct onednn_net *net)
{
    for (int i = 0; i < net->count; i++) {
        dnnl_primitive_destroyp(&net->steps[i].primitive);
        dnnl_memory_destroyp(&net->steps[i].weight);
        dnnl_memory_destroyp(&net->steps[i].bias);
    }
    if (net->engine)
        dnnl_engine_destroy(net->engine);
    memset(net, 0, sizeof(*net));
}
