/* onednn_filter.h: the weights of one layer on their way into a primitive [dnnl.h].
 *
 *     onednn_filter_load()   folds them, and rounds them to s8 where the layer computes in int8
 *     (the primitive is described: it wants the scales, and says in which order it wants the weights)
 *     onednn_filter_import() copies them into that order
 *
 * Threads:   none of its own.
 * Ownership: onednn_filter_done() frees what is plain; the imported memories are the caller's. */
#pragma once

#include "common/pages.h"
#include "worker/engines/onednn_int8.h"

#include <dnnl.h>

struct onednn_filter {
    dnnl_memory_desc_t plain;  /* (outputs, inputs, kernel, kernel), or with groups in front; (classes, inputs) of `fc` */
    dnnl_memory_desc_t vector; /* of the bias */
    void *weight;              /* f32 or s8 */
    float *bias;
    float *scale;              /* (outputs); NULL in f32 */
    int outputs;
};

/* `place`: NULL for f32. */
int onednn_filter_load(struct onednn_filter *filter, const struct weights *weights, const struct layer *layer, int classes,
                       const struct int8_place *place, struct why *why);
/* Accepts zeroed memory and what a failed load left. */
void onednn_filter_done(struct onednn_filter *filter);

/* The weights as a primitive may order them, for its description. */
dnnl_memory_desc_t onednn_filter_any(const struct onednn_filter *filter);

/* New memories, in the order that the primitive `desc` wants. What they hold lies in `pages`. */
dnnl_status_t onednn_filter_import(const struct onednn_filter *filter, dnnl_engine_t engine, const_dnnl_primitive_desc_t desc,
                                   struct pages *pages, dnnl_memory_t *ret_weight, dnnl_memory_t *ret_bias);

DEFINE_FREEP(dnnl_primitive_desc_destroy, struct dnnl_primitive_desc)
DEFINE_FREEP(dnnl_primitive_destroy, struct dnnl_primitive)
DEFINE_FREEP(dnnl_memory_destroy, struct dnnl_memory)
