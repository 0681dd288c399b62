#include "worker/engines/onednn_filter.h"

#include "common/cleanup.h"
#include "worker/weights/fold.h"

#include <errno.h>

DEFINE_FREEP(dnnl_stream_destroy, struct dnnl_stream)

/* ---- loading ------------------------------------------------------------------------------------------------------------ */

static size_t count_of(const dnnl_memory_desc_t *desc)
{
    size_t count = 1;
    for (int i = 0; i < desc->ndims; i++)
        count *= (size_t)desc->dims[i];
    return count;
}

static void describe(struct onednn_filter *filter, const struct layer *layer, int classes, dnnl_data_type_t type)
{
    dnnl_dim_t g = layer->groups, o = layer->outputs / g, i = layer->inputs / g, k = layer->kernel;
    filter->outputs = layer->kind == LAYER_FC ? classes : layer->outputs;
    if (layer->kind == LAYER_FC)
        dnnl_memory_desc_init_by_tag(&filter->plain, 2, (dnnl_dims_t){ classes, layer->inputs }, type, dnnl_ab);
    else if (g == 1)
        dnnl_memory_desc_init_by_tag(&filter->plain, 4, (dnnl_dims_t){ o, i, k, k }, type, dnnl_oihw);
    else
        dnnl_memory_desc_init_by_tag(&filter->plain, 5, (dnnl_dims_t){ g, o, i, k, k }, type, dnnl_goihw);
    dnnl_memory_desc_init_by_tag(&filter->vector, 1, (dnnl_dims_t){ filter->outputs }, dnnl_f32, dnnl_a);
}

/* From f32 to s8. */
static int quantise(struct onednn_filter *filter, const struct layer *layer, const struct int8_place *place)
{
    CLEANUP(freep) int8_t *rounded = malloc(count_of(&filter->plain));
    filter->scale = calloc((size_t)filter->outputs, sizeof(*filter->scale));
    if (!rounded || !filter->scale)
        return -ENOMEM;
    int8_quantise(layer, place, filter->weight, filter->bias, rounded, filter->scale);
    free(filter->weight);
    filter->weight = take(rounded);
    return 0;
}

int onednn_filter_load(struct onednn_filter *filter, const struct weights *weights, const struct layer *layer, int classes,
                       const struct int8_place *place, struct why *why)
{
    describe(filter, layer, classes, place ? dnnl_s8 : dnnl_f32);
    filter->weight = malloc(count_of(&filter->plain) * sizeof(float));
    filter->bias = malloc((size_t)filter->outputs * sizeof(*filter->bias));
    if (!filter->weight || !filter->bias)
        return because(why, -ENOMEM, "engine onednn: no memory for the weights of %s", layer->name);
    int r = layer->kind == LAYER_FC ? fold_fc(weights, layer, filter->weight, filter->bias, why)
                                    : fold_conv(weights, layer, filter->weight, filter->bias, why);
    if (r == 0 && place && (r = quantise(filter, layer, place)) < 0)
        because(why, r, "engine onednn: no memory for the weights of %s", layer->name);
    return r;
}

void onednn_filter_done(struct onednn_filter *filter)
{
    free(filter->weight);
    free(filter->bias);
    free(filter->scale);
    *filter = (struct onednn_filter){ .weight = NULL };
}

dnnl_memory_desc_t onednn_filter_any(const struct onednn_filter *filter)
{
    dnnl_memory_desc_t desc;
    dnnl_memory_desc_init_by_tag(&desc, filter->plain.ndims, filter->plain.dims, filter->plain.data_type, dnnl_format_tag_any);
    return desc;
}

/* ---- importing ---------------------------------------------------------------------------------------------------------- */

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
static dnnl_status_t import(dnnl_engine_t engine, const dnnl_memory_desc_t *plain, void *values, const dnnl_memory_desc_t *wanted,
                            struct pages *pages, dnnl_memory_t *ret)
{
    void *own = pages_take(pages, dnnl_memory_desc_get_size(wanted));
    if (!own)
        return dnnl_out_of_memory;
    CLEANUP(dnnl_memory_destroyp) dnnl_memory_t from = NULL;
    CLEANUP(dnnl_memory_destroyp) dnnl_memory_t to = NULL;
    dnnl_status_t status;
    if ((status = dnnl_memory_create(&from, plain, engine, values)) ||
        (status = dnnl_memory_create(&to, wanted, engine, own)) ||
        (status = copy_reordered(engine, from, to)))
        return status;
    *ret = take(to);
    return dnnl_success;
}

dnnl_status_t onednn_filter_import(const struct onednn_filter *filter, dnnl_engine_t engine, const_dnnl_primitive_desc_t desc,
                                   struct pages *pages, dnnl_memory_t *ret_weight, dnnl_memory_t *ret_bias)
{
    dnnl_status_t status = import(engine, &filter->plain, filter->weight, dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0), pages,
                                  ret_weight);
    return status ? status : import(engine, &filter->vector, filter->bias, dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 1), pages,
                                    ret_bias);
}
