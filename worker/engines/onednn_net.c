/* onednn_net.c: from the layer table to primitives.
 *
 * One primitive a layer: convolution with bias, residual (a `sum` post-op: the target holds the residual already, so it is
 * written in place) and ReLU; pools; inner product. In int8 (onednn_int8.h) some activations are copied from f32 to u8 then, where the last
 * plane is u8 it is averaged without a primitive, and convolutions that onednn_vnni.h does faster are done by it. */
#include "worker/engines/onednn_net.h"

#include "common/cleanup.h"
#include "worker/engines/onednn_cpu.h"
#include "worker/engines/onednn_filter.h"
#include "worker/weights/check.h"

#include <errno.h>
#include <string.h>

DEFINE_FREEP(dnnl_primitive_attr_destroy, struct dnnl_primitive_attr)
DEFINE_FREEP(dnnl_post_ops_destroy, struct dnnl_post_ops)

/* What the construction of all layers shares. */
struct builder {
    struct onednn_net *net;
    const struct engine_spec *spec;
    const struct network *network;
    struct plane planes[NETWORK_LAYERS_MAX + 1];
    int arena[NETWORK_LAYERS_MAX + 1];
    int copies; /* the arena of all copies: one is enough, since what a block reads is always the newest */
    struct form forms[NETWORK_LAYERS_MAX + 1]; /* of the activations */
    bool int8;
    bool vnni; /* onednn_vnni.h works, and oneDNN has nothing better */
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

/* The activation in this form as oneDNN sees it, 4-dimensional. */
static dnnl_memory_desc_t activation(const struct builder *builder, int a, struct form form)
{
    const struct onednn_net *net = builder->net;
    int around = a == NETWORK_IMAGE ? 2 * net->padding : 0;
    dnnl_dims_t dims = { net->batch, network_channels(builder->network, a, net->classes), builder->planes[a].height + around,
                         builder->planes[a].width + around };
    dnnl_memory_desc_t desc;
    dnnl_memory_desc_init_by_tag(&desc, 4, dims, form.kind == FORM_U8 ? dnnl_u8 : dnnl_f32, dnnl_nhwc);
    return desc;
}

static struct form kept(const struct builder *builder, int a)
{
    return form_kept(builder->forms[a]);
}

/* As a layer reads its input: a convolution reads the copy, where there is one. */
static struct form as_read(const struct builder *builder, const struct layer *layer)
{
    return layer->kind == LAYER_CONV ? builder->forms[layer->input] : kept(builder, layer->input);
}

/* ---- layers ----------------------------------------------------------------------------------------------------------- */

static dnnl_status_t make_attr(dnnl_primitive_attr_t *ret)
{
    dnnl_status_t status = dnnl_primitive_attr_create(ret);
    return status ? status : dnnl_primitive_attr_set_scratchpad_mode(*ret, dnnl_scratchpad_mode_user);
}

/* What a u8 cannot hold is cut off when it is stored, and it begins at 0 behind a ReLU. */
static bool wants_relu(const struct builder *builder, int i)
{
    return builder->network->layers[i].relu && kept(builder, i + 1).kind != FORM_U8;
}

static dnnl_status_t append_post_ops(const struct builder *builder, int i, dnnl_primitive_attr_t attr)
{
    const struct layer *layer = &builder->network->layers[i];
    CLEANUP(dnnl_post_ops_destroyp) dnnl_post_ops_t ops = NULL;
    dnnl_status_t status = dnnl_post_ops_create(&ops);
    if (!status && layer->residual != NETWORK_NONE)
        status = dnnl_post_ops_append_sum(ops, kept(builder, layer->residual).step / kept(builder, i + 1).step);
    if (!status && wants_relu(builder, i))
        status = dnnl_post_ops_append_eltwise(ops, 1.0f, dnnl_eltwise_relu, 0.0f, 0.0f);
    return status ? status : dnnl_primitive_attr_set_post_ops(attr, ops);
}

static dnnl_status_t describe_conv(const struct builder *builder, int i, const struct onednn_filter *filter, struct onednn_step *step,
                                   dnnl_primitive_attr_t attr, dnnl_primitive_desc_t *ret)
{
    const struct layer *layer = &builder->network->layers[i];
    dnnl_memory_desc_t weight = onednn_filter_any(filter);
    dnnl_dim_t around = layer->input == NETWORK_IMAGE && builder->net->padding ? 0 : layer->padding; /* or it is in the image */
    dnnl_dims_t strides = { layer->stride, layer->stride }, padding = { around, around };
    dnnl_convolution_desc_t conv;
    dnnl_status_t status;
    if ((filter->scale && (status = dnnl_primitive_attr_set_output_scales(attr, filter->outputs, 1 << 1, filter->scale))) ||
        (status = append_post_ops(builder, i, attr)) ||
        (status = dnnl_convolution_forward_desc_init(&conv, dnnl_forward_inference, dnnl_convolution_direct, &step->source,
                                                     &weight, &filter->vector, &step->target, strides, padding, padding)))
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

static dnnl_status_t describe_fc(const struct builder *builder, const struct layer *layer, const struct onednn_filter *filter,
                                 struct onednn_step *step, dnnl_primitive_attr_t attr, dnnl_primitive_desc_t *ret)
{
    const struct onednn_net *net = builder->net;
    step->source = matrix(net->batch, layer->inputs, dnnl_ab);
    step->target = matrix(net->batch, net->classes, dnnl_ab);
    dnnl_memory_desc_t weight = onednn_filter_any(filter);
    dnnl_inner_product_desc_t fc;
    dnnl_status_t status = dnnl_inner_product_forward_desc_init(&fc, dnnl_forward_inference, &step->source, &weight, &filter->vector,
                                                                &step->target);
    return status ? status : dnnl_primitive_desc_create(ret, &fc, attr, net->engine, NULL);
}

static dnnl_status_t describe(const struct builder *builder, int i, const struct onednn_filter *filter, struct onednn_step *step,
                              dnnl_primitive_desc_t *ret)
{
    const struct layer *layer = &builder->network->layers[i];
    CLEANUP(dnnl_primitive_attr_destroyp) dnnl_primitive_attr_t attr = NULL;
    dnnl_status_t status;
    if ((status = make_attr(&attr)))
        return status;
    switch (layer->kind) {
    case LAYER_CONV:
        return describe_conv(builder, i, filter, step, attr, ret);
    case LAYER_FC:
        return describe_fc(builder, layer, filter, step, attr, ret);
    default:
        return describe_pool(builder, layer, step, attr, ret);
    }
}

static dnnl_status_t create_primitive(struct onednn_net *net, const_dnnl_primitive_desc_t desc, struct onednn_step *step)
{
    size_t scratch = dnnl_memory_desc_get_size(dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0));
    net->scratch_bytes = scratch > net->scratch_bytes ? scratch : net->scratch_bytes;
    return dnnl_primitive_create(&step->primitive, desc);
}

static int make_primitive(struct builder *builder, int i, const struct onednn_filter *filter, struct onednn_step *step)
{
    struct onednn_net *net = builder->net;
    CLEANUP(dnnl_primitive_desc_destroyp) dnnl_primitive_desc_t desc = NULL;
    dnnl_status_t status = describe(builder, i, filter, step, &desc);
    if (!status)
        status = create_primitive(net, desc, step);
    if (!status && filter->weight)
        status = onednn_filter_import(filter, net->engine, desc, &net->pages, &step->weight, &step->bias);
    if (status)
        return onednn_failed(status, builder->network->layers[i].name, builder->why);
    return 0;
}

/* From f32 to u8, for the convolutions that read it. */
static int add_copy(struct builder *builder, int a)
{
    struct onednn_net *net = builder->net;
    struct onednn_step *step = &net->steps[net->count++];
    CLEANUP(dnnl_primitive_attr_destroyp) dnnl_primitive_attr_t attr = NULL;
    CLEANUP(dnnl_primitive_desc_destroyp) dnnl_primitive_desc_t desc = NULL;
    const float scale = 1 / builder->forms[a].step;
    step->source = activation(builder, a, kept(builder, a));
    step->target = activation(builder, a, builder->forms[a]);
    step->source_arena = builder->arena[a];
    step->target_arena = builder->copies;
    step->form = kept(builder, a);
    dnnl_status_t status;
    if ((status = make_attr(&attr)) || (status = dnnl_primitive_attr_set_output_scales(attr, 1, 0, &scale)) ||
        (status = dnnl_reorder_primitive_desc_create(&desc, &step->source, net->engine, &step->target, net->engine, attr)) ||
        (status = create_primitive(net, desc, step)))
        return onednn_failed(status, builder->network->layers[a - 1].name, builder->why);
    return 0;
}

/* The weights of a layer, in s8 where it computes in int8; none of a pool. */
static int load_filter(const struct builder *builder, int i, struct onednn_filter *filter)
{
    const struct layer *layer = &builder->network->layers[i];
    const struct engine_spec *spec = builder->spec;
    bool first = layer->input == NETWORK_IMAGE;
    struct int8_place place = {
        .in = builder->forms[layer->input],
        .out = kept(builder, i + 1),
        .residual_low = layer->residual == NETWORK_NONE ? 0 : kept(builder, layer->residual).low,
        .mean = first ? spec->mean : NULL,
        .std = first ? spec->std : NULL,
        .in_means = builder->int8 ? ranges_means(spec->ranges, builder->network, layer->input) : NULL,
        .most = onednn_isa_adds_exactly() ? INT8_MOST : INT8_MOST_PAIRS,
    };
    if (layer->kind != LAYER_CONV && layer->kind != LAYER_FC)
        return 0;
    return onednn_filter_load(filter, spec->weights, layer, builder->net->classes,
                              builder->int8 && layer->kind == LAYER_CONV ? &place : NULL, builder->why);
}

/* Are all activations that the layer reads and writes u8? */
static bool is_u8(const struct builder *builder, int i)
{
    const struct layer *layer = &builder->network->layers[i];
    return as_read(builder, layer).kind == FORM_U8 && kept(builder, i + 1).kind == FORM_U8 &&
           (layer->residual == NETWORK_NONE || kept(builder, layer->residual).kind == FORM_U8);
}

/* Can the layer be a convolution of onednn_vnni.h? Fills it in, but for what is packed. */
static bool describe_vnni(const struct builder *builder, int i, struct vnni_conv *ret)
{
    const struct layer *layer = &builder->network->layers[i];
    const struct onednn_net *net = builder->net;
    bool framed = layer->input == NETWORK_IMAGE;
    struct plane source = builder->planes[layer->input], target = builder->planes[i + 1];
    int around = framed ? 2 * net->padding : 0;
    if (!builder->vnni || layer->kind != LAYER_CONV || layer->groups != 1 || layer->outputs % VNNI_OUTPUTS || (layer->padding && !framed) ||
        !is_u8(builder, i))
        return false;
    *ret = (struct vnni_conv){
        .inputs = layer->inputs, .outputs = layer->outputs, .kernel = layer->kernel, .stride = layer->stride, .images = net->batch,
        .height = target.height, .width = target.width, .source_height = source.height + around, .source_width = source.width + around,
        .has_residual = layer->residual != NETWORK_NONE,
    };
    if (ret->has_residual)
        ret->residual_scale = kept(builder, layer->residual).step / kept(builder, i + 1).step;
    return true;
}

static int make_vnni(struct builder *builder, int i, const struct onednn_filter *filter, struct vnni_conv *conv)
{
    conv->packed = pages_take(&builder->net->pages, vnni_conv_bytes(conv));
    if (!conv->packed)
        return because(builder->why, -ENOMEM, "engine onednn: no memory for the weights of %s", builder->network->layers[i].name);
    vnni_conv_pack(conv, filter->weight, filter->bias, filter->scale);
    return 0;
}

static int add_layer(struct builder *builder, int i)
{
    const struct layer *layer = &builder->network->layers[i];
    struct onednn_net *net = builder->net;
    struct onednn_step *step = &net->steps[net->count++];
    step->form = as_read(builder, layer);
    step->source = activation(builder, layer->input, step->form);
    step->target = activation(builder, i + 1, kept(builder, i + 1));
    step->source_arena = step->form.copied ? builder->copies : builder->arena[layer->input];
    step->target_arena = builder->arena[i + 1];
    if (layer->kind == LAYER_AVG_POOL && step->form.kind == FORM_U8)
        return 0;
    struct onednn_filter filter = { .weight = NULL };
    int r = load_filter(builder, i, &filter);
    if (r == 0)
        r = describe_vnni(builder, i, &step->vnni) ? make_vnni(builder, i, &filter, &step->vnni) : make_primitive(builder, i, &filter, step);
    onednn_filter_done(&filter);
    return r == 0 && builder->forms[i + 1].copied ? add_copy(builder, i + 1) : r;
}

static void make_room(const struct builder *builder, int arena, int a, struct form form)
{
    dnnl_memory_desc_t desc = activation(builder, a, form);
    size_t bytes = dnnl_memory_desc_get_size(&desc) + VNNI_SLACK, *room = &builder->net->arena_bytes[arena];
    *room = bytes > *room ? bytes : *room;
}

static void size_arenas(struct builder *builder)
{
    builder->copies = network_arenas(builder->network, true, builder->arena);
    builder->net->arenas = builder->copies + 1;
    for (int a = 0; a <= builder->network->count; a++) {
        make_room(builder, builder->arena[a], a, kept(builder, a));
        if (builder->forms[a].copied)
            make_room(builder, builder->copies, a, builder->forms[a]);
    }
}

/* All shapes, of a net that is zeroed but for its classes. */
static int begin(struct builder *builder, struct onednn_net *net, const struct engine_spec *spec, int batch, struct why *why)
{
    *builder = (struct builder){ .net = net, .spec = spec, .network = spec->network, .int8 = spec->precision == PRECISION_INT8, .why = why };
    builder->vnni = builder->int8 && vnni_works() && onednn_isa_is_avx512_vnni();
    for (int a = 0; a <= spec->network->count; a++)
        builder->forms[a] = FORM_PLAIN;
    int r = builder->int8 ? int8_forms(spec, builder->forms, why) : 0;
    if (r < 0)
        return because_in(why, r, "engine onednn");
    net->padding = builder->int8 ? spec->network->layers[0].padding : 0;
    net->batch = batch;
    net->height = spec->height;
    net->width = spec->width;
    net->features = spec->network->features;
    if (network_planes(spec->network, (struct plane){ spec->height, spec->width }, builder->planes) < 0)
        return because(why, -EINVAL, "engine onednn: %s cannot work on images of %dx%d pixels", spec->network->name, spec->width,
                       spec->height);
    size_arenas(builder);
    return 0;
}

/* As plain as can be: what a primitive lays out in its own way is hardly larger. */
static uint64_t filter_memory(const struct builder *builder, const struct layer *layer)
{
    uint64_t outputs = (uint64_t)(layer->kind == LAYER_FC ? builder->net->classes : layer->outputs);
    uint64_t inputs = (uint64_t)(layer->inputs / layer->groups), size = layer->kind == LAYER_FC ? 1 : (uint64_t)layer->kernel * (uint64_t)layer->kernel;
    return outputs * (inputs * size * (builder->int8 && layer->kind == LAYER_CONV ? sizeof(int8_t) : sizeof(float)) + sizeof(float));
}

uint64_t onednn_net_memory(const struct engine_spec *spec, int batch, bool classify, int streams)
{
    CLEANUP(freep) struct onednn_net *net = calloc(1, sizeof(*net));
    struct builder builder;
    uint64_t weights = 0, activations = 0;
    if (!net)
        return 0;
    net->classes = spec->classes;
    if (begin(&builder, net, spec, batch, NULL) < 0)
        return 0;
    for (int i = 0; i < spec->network->count; i++) {
        const struct layer *layer = &spec->network->layers[i];
        if (layer->kind == LAYER_CONV || (layer->kind == LAYER_FC && classify))
            weights += filter_memory(&builder, layer);
    }
    for (int i = 0; i < net->arenas; i++)
        activations += net->arena_bytes[i];
    return weights + (uint64_t)streams * activations;
}

int onednn_net_init(struct onednn_net *net, const struct engine_spec *spec, int batch, bool classify, struct why *why)
{
    struct builder builder;
    memset(net, 0, sizeof(*net));
    int r = weights_check(spec->weights, spec->network, &net->classes, why);
    if (r == 0)
        r = begin(&builder, net, spec, batch, why);
    if (r < 0)
        return r;
    dnnl_status_t status = dnnl_engine_create(&net->engine, dnnl_cpu, 0);
    if (status)
        return onednn_failed(status, "CPU", why);
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
    pages_done(&net->pages);
    memset(net, 0, sizeof(*net));
}
