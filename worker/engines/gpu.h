/* gpu.h: the small interface between the cuDNN engine and the machine: every call of CUDA, cuDNN and cublasLt that it makes.
 *
 * gpu_cuda.c is the real one; tests have one that computes on the CPU and fails wherever it is told to. Work is enqueued on streams and runs
 * in their order, later; memory of the device is a pointer that only the device may follow.
 *
 * Threads:   a gpu may be used by several threads; its plans and its `fc`, which hold library handles, by one at a time.
 * Ownership: whoever makes a thing frees it, before the gpu is closed. Every free function accepts NULL.
 * Errors:    0 or negative errno, with the failing call in `why`: -ENODEV no device, -ENOMEM too little memory (try a smaller batch),
 *            -EBUSY somebody else has the device for himself, -ENOTSUP the library cannot do it, -ENOTRECOVERABLE the device or the context is
 *            lost for this process, -EIO anything else. Nothing here waits for the device but what frees or allocates. */
#pragma once

#include "common/why.h"
#include "worker/engines/kernels.h"
#include "worker/engines/number.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gpu_ops;

struct gpu_info {
    char name[64];         /* "NVIDIA H200" */
    int device;            /* its number in this process */
    int major, minor;      /* compute capability */
    int processors;        /* SMs */
    size_t memory;         /* bytes */
    size_t l2;             /* bytes */
    char libraries[96];    /* "cuDNN 9.19.0, cublasLt 13.1.0" */
};

struct gpu {
    const struct gpu_ops *ops;
    struct gpu_info info;
    uint64_t patience_ns; /* that nothing enqueued takes longer than, unless the device hangs (cudnn_wait.h) */
    atomic_bool hung;     /* it took longer: nothing may be freed, waited for or closed any more */
};

/* One convolution as a plan sees it: y = relu(conv(x, w) + z + b); tensors are NHWC, filters KRSC. In s8: y = relu(sum_scale * conv(x, w) +
 * residual_scale * z + b), the product summed up in 32 bits, b in f32, rounded and cut off once. */
struct conv_shape {
    int batch;
    int height, width; /* of x */
    int inputs, outputs;
    int kernel_height, kernel_width, stride, padding, groups;
    bool residual; /* z is there, of y's shape */
    bool relu;
    enum number_format format; /* of everything; sums are f32 */
    float sum_scale, residual_scale; /* s8: parts of a plan, but not of which one is the fastest */
};

struct conv_memory {
    const void *x, *w, *z, *b; /* z is NULL without a residual, in s8 y then */
    void *y;                   /* must not be any other of them */
    void *workspace;
};

/* A way to compute one convolution. `text` is all it takes to make the plan again on an equal device with the same library. */
struct gpu_plan {
    size_t workspace; /* bytes */
    char *text;       /* printable, one line */
};

struct plan_wish {
    int most;         /* plans */
    size_t workspace; /* bytes that a plan may want */
    bool last_resort; /* those that always work as well, which may be a thousand times as slow */
};

/* features (batch, inputs) x weight (classes, inputs) + bias = logits, all f32. `text` says how its sums are computed, printable; it belongs to the fc. */
struct gpu_fc {
    const char *text;
};
struct gpu_stream;
struct gpu_event;
struct gpu_graph;

struct fc_memory {
    const float *features, *weight, *bias;
    float *logits;
    void *workspace; /* GPU_FC_WORKSPACE bytes */
};
#define GPU_FC_WORKSPACE   ((size_t)32 << 20)
#define PLAN_WORKSPACE_MAX ((size_t)64 << 20) /* bytes a plan may want; the fastest want far less */

#define GPU_ALIGNMENT 256 /* bytes; of all memory from allocate() */

struct gpu_ops {
    /* How many devices there are; -ENODEV and why not when there is none. */
    int (*count)(int *ret, struct why *why);
    int (*look)(int device, struct gpu_info *ret, struct why *why); /* without opening it */
    int (*open)(int device, struct gpu **ret, struct why *why);
    void (*close)(struct gpu *gpu);

    int (*allocate)(struct gpu *gpu, size_t bytes, void **ret, struct why *why);
    void (*release)(struct gpu *gpu, void *memory);
    /* Makes host memory such that copies from and to it run beside everything else. */
    int (*pin)(struct gpu *gpu, void *memory, size_t bytes, struct why *why);
    void (*unpin)(struct gpu *gpu, void *memory);

    int (*stream_new)(struct gpu *gpu, struct gpu_stream **ret, struct why *why);
    void (*stream_free)(struct gpu *gpu, struct gpu_stream *stream);
    int (*stream_done)(struct gpu *gpu, struct gpu_stream *stream, struct why *why); /* is it empty? -EAGAIN: not yet */
    int (*copy)(struct gpu *gpu, struct gpu_stream *stream, void *to, const void *from, size_t bytes, struct why *why);

    int (*event_new)(struct gpu *gpu, struct gpu_event **ret, struct why *why);
    void (*event_free)(struct gpu *gpu, struct gpu_event *event);
    int (*event_record)(struct gpu *gpu, struct gpu_event *event, struct gpu_stream *stream, struct why *why);
    int (*event_done)(struct gpu *gpu, struct gpu_event *event, struct why *why); /* has it happened? -EAGAIN: not yet */
    int (*event_hold)(struct gpu *gpu, struct gpu_stream *stream, struct gpu_event *event, struct why *why); /* the stream, until then */
    int (*event_between)(struct gpu *gpu, struct gpu_event *from, struct gpu_event *to, float *ret_ms, struct why *why);

    /* What is enqueued on the stream between begin and end becomes a graph and does not run. */
    int (*capture_begin)(struct gpu *gpu, struct gpu_stream *stream, struct why *why);
    int (*capture_end)(struct gpu *gpu, struct gpu_stream *stream, struct gpu_graph **ret, struct why *why);
    int (*graph_launch)(struct gpu *gpu, struct gpu_graph *graph, struct gpu_stream *stream, struct why *why);
    void (*graph_free)(struct gpu *gpu, struct gpu_graph *graph);

    /* The best plans in the libraries' own opinion, the best first, cuDNN's in front; at least one, or -ENOTSUP. `ret` has room for as many as are wished.
     * Only plans that give the same bytes in every run and do not reduce the precision of sums. */
    int (*plan_list)(struct gpu *gpu, const struct conv_shape *shape, const struct plan_wish *wish, struct gpu_plan **ret, int *ret_count,
                     struct why *why);
    /* Refuses a text that is not a plan of exactly this shape for this device and library. */
    int (*plan_load)(struct gpu *gpu, const struct conv_shape *shape, const char *text, struct gpu_plan **ret, struct why *why);
    int (*plan_run)(struct gpu *gpu, struct gpu_stream *stream, struct gpu_plan *plan, const struct conv_memory *memory, struct why *why);
    void (*plan_free)(struct gpu *gpu, struct gpu_plan *plan);

    int (*fc_new)(struct gpu *gpu, int batch, int inputs, int classes, struct gpu_fc **ret, struct why *why);
    int (*fc_run)(struct gpu *gpu, struct gpu_stream *stream, struct gpu_fc *fc, const struct fc_memory *memory, struct why *why);
    void (*fc_free)(struct gpu *gpu, struct gpu_fc *fc);

    /* Our own kernels (kernels.h). */
    int (*normalise)(struct gpu *gpu, struct gpu_stream *stream, const struct normalise_args *args, struct why *why);
    int (*max_pool)(struct gpu *gpu, struct gpu_stream *stream, const struct pool_args *args, struct why *why);
    int (*average_pool)(struct gpu *gpu, struct gpu_stream *stream, const struct pool_args *args, struct why *why);
    int (*finite)(struct gpu *gpu, struct gpu_stream *stream, const struct finite_args *args, struct why *why);
    int (*top)(struct gpu *gpu, struct gpu_stream *stream, const struct top_args *args, struct why *why);
};

/* The real one. In the plugin only. */
extern const struct gpu_ops gpu_cuda;
