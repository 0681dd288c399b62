/* gpu_conv.h: one convolution, with what is fused into it, as cuDNN's graph API sees it [cudnn.h].
 *
 * Operations come in the order that reaches cuDNN's precompiled fused engines, and in no other: convolution, + residual, + bias, ReLU,
 * with the bias in the format of the tensors and f32 in between. (The order that comes to mind, bias before residual, and an f32 bias
 * both end in engines that are compiled at run time.)
 *
 * In s8 the scales belong to the addition of the residual, which is there without one, too, as 0 * y; they are those of whole tensors, since a scale for
 * each channel would be one more operation. The convolution adds up in s32, the bias is f32.
 *
 * A target is a handle, or the properties of a device that need not be there: then plans can be made and not run, which is enough to
 * know what a device supports.
 *
 * Threads:   a graph and its plans belong to one thread at a time, as a cuDNN handle does.
 * Ownership: init/done; conv_plan_free(). A plan outlives its graph.
 * Errors:    -ENOTSUP when there is no engine for it here, -ENOMEM, -EIO; the sentence has cuDNN's call and its own words.
 * Source:    cudnn_graph.h of cuDNN 9.19 for names and types. */
#pragma once

#include "common/cleanup.h"
#include "worker/engines/gpu.h"

#include <cudnn.h>

#define GRAPH_FUSED_ENGINES 61 /* engines of the precompiled family, in cuDNN 9.19; the other families have fewer */

/* Names of tensors inside a graph. */
enum {
    UID_X = 1,
    UID_W,
    UID_Z,
    UID_B,
    UID_Y,
    UID_VIRTUAL, /* and after */
};

struct conv_target {
    cudnnHandle_t handle;                /* or NULL */
    cudnnBackendDescriptor_t properties; /* or NULL */
};

struct conv_graph {
    struct conv_target target;
    bool exact_f32; /* no tensor cores, no narrower inputs */
    cudnnBackendDescriptor_t graph;
    cudnnBackendDescriptor_t parts[24]; /* everything it is made of */
    int count;
};

/* A finalised plan; what gpu.h shows of it comes first. */
struct conv_plan {
    struct gpu_plan plan;
    cudnnBackendDescriptor_t descriptor;
    cudnnBackendDescriptor_t config; /* what it was made of */
    cudnnBackendDescriptor_t pack;   /* the pointers of the last run */
    struct conv_memory memory; /* those pointers */
};

/* Properties as JSON, in the keys of cuDNN. */
int conv_target_simulated(const char *json, struct conv_target *ret, struct why *why);
void conv_target_done(struct conv_target *target);

int conv_graph_init(struct conv_graph *graph, const struct conv_shape *shape, struct conv_target target, struct why *why);
void conv_graph_done(struct conv_graph *graph);

/* How many engines could serve this pattern of operations: tells the family. */
int conv_graph_engines(const struct conv_graph *graph, int64_t *ret, struct why *why);

struct conv_search {
    struct plan_wish wish;
    int configs; /* out: that the heuristics named */
    int plans;   /* out: that passed and were finalised */
};

/* Finalised plans with their texts, the most promising first. -ENOTSUP when there is none. */
int conv_graph_plans(const struct conv_graph *graph, struct conv_search *search, struct conv_plan **ret, struct why *why);

/* -ENOTSUP for a text that is not a plan of this graph on this device. */
int conv_graph_load(const struct conv_graph *graph, const char *text, struct conv_plan **ret, struct why *why);

/* On the stream of the target's handle. */
int conv_plan_run(struct conv_plan *plan, cudnnHandle_t handle, const struct conv_memory *memory, struct why *why);
void conv_plan_free(struct conv_plan *plan); /* accepts NULL */
DEFINE_FREEP(conv_plan_free, struct conv_plan)
