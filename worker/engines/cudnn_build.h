/* cudnn_build.h: what the files that build a net share, and nobody else.
 *
 *     cudnn_net.c       sizes and memory; what each step reads and writes
 *     cudnn_weights.c   weights, folded and packed, to the device
 *     cudnn_choose.c    a plan for each convolution
 *     cudnn_walk.c      the finished net at work
 *
 * Threads:   one at a time.
 * Ownership: a builder lives as long as net_init(); what it makes belongs to the net.
 * Errors:    those of net_init(), in builder->why. */
#pragma once

#include "worker/engines/cudnn_net.h"

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

/* "layer1.0.conv2 (f16 256 56x56 64->64 3x3/1+1 relu): ...", in front of what is there. */
int net_failed_in(const struct net *net, const struct net_step *step, int r, struct why *why);

struct conv_memory net_memory_of(const struct net *net, const struct net_step *step);

/* What a layer's filter and bias take on the device; 0 of a pool. */
struct weight_bytes {
    size_t filter, bias;
};
struct weight_bytes build_weight_bytes(const struct net *net, const struct layer *layer);

/* To the device, at once. */
int build_send(struct builder *builder, void *to, const void *from, size_t bytes);

int build_weights(struct builder *builder);

/* Numbers of the net's format, between -1 and 1 (in s8 -127 and 127), for all activations and the workspace, before plans are tried on them: zeros are multiplied faster than what
 * comes later, and what was never written is not to be read (compute-sanitizer's initcheck, which does not see every way of writing: a plan's partial sums may be stored by the
 * tensor memory accelerator and read by plain loads). */
int build_noise(struct builder *builder);

int build_plans(struct builder *builder);
