/* fake_gpu_parts.h: what the files of the fake gpu share, and nobody else.
 *
 *     fake_gpu.c          settings and counters, devices, the table of calls
 *     fake_gpu_memory.c   what is allocated and pinned
 *     fake_gpu_streams.c  queues of operations, events, captured graphs
 *     fake_gpu_work.c     what is enqueued: plans, `fc`, kernels
 *
 * Threads:   fake_enter() takes the lock over everything, fake_leave() gives it back.
 * Ownership: fake_make() counts a thing, fake_discard() frees it.
 * Errors:    those of gpu.h. */
#pragma once

#include "tests/fake_gpu.h"
#include "tests/fake_gpu_math.h"
#include "tests/test.h"

#include <pthread.h>

enum fake_kind { OP_COPY, OP_RECORD, OP_HOLD, OP_PLAN, OP_FC, OP_NORMALISE, OP_MAX_POOL, OP_AVERAGE_POOL, OP_FINITE, OP_TOP };

struct fake_op {
    enum fake_kind kind;
    union {
        struct {
            void *to;
            const void *from;
            size_t bytes;
            void *snapshot; /* of host memory that is not pinned */
        } copy;
        struct {
            struct gpu_event *event;
            uint64_t mark; /* which record it is, or waits for */
        } event;
        struct {
            struct conv_shape shape;
            struct conv_memory memory;
            float ms;
        } plan;
        struct {
            struct fc_memory memory;
            int batch, inputs, classes;
        } fc;
        struct normalise_args normalise;
        struct pool_args pool;
        struct finite_args finite;
        struct top_args top;
    } as;
};

struct fake_list {
    struct fake_op *ops;
    size_t count, room;
};

struct gpu_stream {
    struct fake_list queue;
    size_t done;
    bool capturing;
    struct fake_list captured;
    struct gpu_stream *next;
};

struct gpu_event {
    uint64_t recorded, happened; /* marks */
    struct gpu_stream *stream;   /* of the last record */
    double ms;
};

struct gpu_graph {
    struct fake_list list;
};

/* Of a device, or pinned memory of the host. */
struct fake_allocation {
    void *memory;
    size_t bytes;
    int device; /* -1: pinned */
    struct fake_allocation *next;
};

struct fake_state {
    pthread_mutex_t lock;
    struct fake_settings settings;
    int calls, left, searches, checks, launches[FAKE_DEVICES];
    size_t used[FAKE_DEVICES]; /* bytes */
    const char *failed_call;
    bool lost, hung;
    double clock_ms;
    struct fake_allocation *allocations;
    struct gpu_stream *streams;
};
extern struct fake_state fake;

/* The lock is held from here on, if it returns 0. */
int fake_enter(const char *call, struct why *why);
int fake_leave(void);

void *fake_make(size_t bytes); /* the lock is held */
void fake_discard(void *it);   /* accepts NULL */

/* Fails the test if the device hangs with work to do: a call that waits for all of that would not return. */
void fake_would_wait(const char *call);

/* Whether nobody has written there since it was allocated. */
bool fake_is_fresh(const void *memory);

/* The lock is held in these: the allocation that these bytes lie in, whole; an operation for a stream, or for what it captures; whatever is
 * enqueued anywhere is done. */
const struct fake_allocation *fake_allocation_of(const void *memory, size_t bytes);
void fake_enqueue(struct gpu_stream *stream, const struct fake_op *op);
void fake_work_off_all(void);

/* The calls of gpu.h. */
int fake_allocate(struct gpu *gpu, size_t bytes, void **ret, struct why *why);
void fake_release(struct gpu *gpu, void *memory);
int fake_pin(struct gpu *gpu, void *memory, size_t bytes, struct why *why);
void fake_unpin(struct gpu *gpu, void *memory);

int fake_stream_new(struct gpu *gpu, struct gpu_stream **ret, struct why *why);
void fake_stream_free(struct gpu *gpu, struct gpu_stream *stream);
int fake_stream_done(struct gpu *gpu, struct gpu_stream *stream, struct why *why);
int fake_copy(struct gpu *gpu, struct gpu_stream *stream, void *to, const void *from, size_t bytes, struct why *why);
int fake_event_new(struct gpu *gpu, struct gpu_event **ret, struct why *why);
void fake_event_free(struct gpu *gpu, struct gpu_event *event);
int fake_event_record(struct gpu *gpu, struct gpu_event *event, struct gpu_stream *stream, struct why *why);
int fake_event_done(struct gpu *gpu, struct gpu_event *event, struct why *why);
int fake_event_hold(struct gpu *gpu, struct gpu_stream *stream, struct gpu_event *event, struct why *why);
int fake_event_between(struct gpu *gpu, struct gpu_event *from, struct gpu_event *to, float *ret_ms, struct why *why);
int fake_capture_begin(struct gpu *gpu, struct gpu_stream *stream, struct why *why);
int fake_capture_end(struct gpu *gpu, struct gpu_stream *stream, struct gpu_graph **ret, struct why *why);
int fake_graph_launch(struct gpu *gpu, struct gpu_graph *graph, struct gpu_stream *stream, struct why *why);
void fake_graph_free(struct gpu *gpu, struct gpu_graph *graph);

int fake_plan_list(struct gpu *gpu, const struct conv_shape *shape, const struct plan_wish *wish, struct gpu_plan **ret, int *ret_count,
                   struct why *why);
int fake_plan_load(struct gpu *gpu, const struct conv_shape *shape, const char *text, struct gpu_plan **ret, struct why *why);
int fake_plan_run(struct gpu *gpu, struct gpu_stream *stream, struct gpu_plan *plan, const struct conv_memory *memory, struct why *why);
void fake_plan_free(struct gpu *gpu, struct gpu_plan *plan);
int fake_fc_new(struct gpu *gpu, int batch, int inputs, int classes, struct gpu_fc **ret, struct why *why);
int fake_fc_run(struct gpu *gpu, struct gpu_stream *stream, struct gpu_fc *fc, const struct fc_memory *memory, struct why *why);
void fake_fc_free(struct gpu *gpu, struct gpu_fc *fc);
int fake_normalise(struct gpu *gpu, struct gpu_stream *stream, const struct normalise_args *args, struct why *why);
int fake_max_pool(struct gpu *gpu, struct gpu_stream *stream, const struct pool_args *args, struct why *why);
int fake_average_pool(struct gpu *gpu, struct gpu_stream *stream, const struct pool_args *args, struct why *why);
int fake_finite(struct gpu *gpu, struct gpu_stream *stream, const struct finite_args *args, struct why *why);
int fake_top(struct gpu *gpu, struct gpu_stream *stream, const struct top_args *args, struct why *why);
