/* cudnn_net.h: a network on one GPU: its memory, weights and plans, and its walk through the layers.
 *
 * Everything is there once a device, whatever the number of slots: what runs, runs on one stream. Activations lie in a few arenas that are
 * shared by liveness; a convolution never writes over what it reads.
 *
 * Threads:   one at a time.
 * Ownership: net_done() frees everything, also after a failed net_init(), and before the gpu is closed. The spec is needed only during init.
 * Errors:    those of gpu.h, and -EINVAL, -ERANGE for weights, -ENOTSUP for a network that has no form in s8; the sentence names layer and
 *            shape. */
#pragma once

#include "worker/engine.h"
#include "worker/engines/cudnn_pack.h"
#include "worker/engines/cudnn_plans.h"
#include "worker/engines/cudnn_tune.h"

struct net_step {
    struct layer layer;
    int shape;              /* of net->shapes, or -1 */
    const void *input, *residual;
    void *output;
    const void *weight, *bias;
    struct gpu_plan *plan;  /* of a convolution */
    struct pool_args pool;  /* of the two pools */
    float sum_scale, residual_scale; /* of a convolution in s8 */
    bool hides; /* its weights could make -infinity of an infinity, everywhere, and its ReLU 0 of that */
};

struct net {
    struct gpu *gpu;
    struct gpu_stream *stream;
    int batch, height, width;
    int classes, features, top;
    bool classify;          /* not: the network ends at the pooled features */
    enum number_format format; /* of the activations; in s8 the image and what is made of it directly are f16 */
    float units[NETWORK_LAYERS_MAX + 1]; /* s8: what 1 stands for, by activation */
    struct net_step steps[NETWORK_LAYERS_MAX];
    int count;
    struct conv_shape shapes[NETWORK_LAYERS_MAX];
    bool swallows[NETWORK_LAYERS_MAX]; /* a shape's ReLU makes 0 of what is not a number */
    int shape_count;
    struct gpu_fc *fc;
    void *arena[NETWORK_LAYERS_MAX + 1];
    size_t arena_bytes[NETWORK_LAYERS_MAX + 1];
    int arenas;
    void *weights, *workspace;
    size_t weight_bytes;
    struct normalise_args normalise;
    uint32_t *broken;                   /* (batch): an image with a number that is not finite, 1 */
    float *values;                      /* (batch, classes) logits, or (batch, features) */
    struct top_prediction *predictions; /* (batch, top), when it classifies */
    struct pack_report report;
    int tuned;              /* shapes that were measured and not found in a book */
    char hash[17];          /* of all plans: hex digits */
    char complaint[256];    /* about the book, which does not keep the net from working */
};

struct net_options {
    int batch;
    struct gpu_stream *stream; /* on which everything is enqueued */
    const struct net *like;    /* on an equal GPU: its plans are taken; NULL: they are looked for */
};

int net_init(struct net *net, struct gpu *gpu, const struct engine_spec *spec, const struct net_options *options, struct why *why);
void net_done(struct net *net); /* accepts zeroed memory */

/* Enqueues the whole network: from (batch, height, width, 3) u8 on the device to values and predictions. */
int net_run(struct net *net, const uint8_t *pixels, struct why *why);

/* Step i of it. */
int net_run_step(struct net *net, int i, struct why *why);
