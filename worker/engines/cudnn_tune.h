/* cudnn_tune.h: which of a convolution's plans is the fastest here.
 *
 * Every plan runs inside a captured graph, as it will later, on the memory it will use. The choice among plans that are equally fast, within
 * what a measurement tells apart, is the library's own order, so that two measurements mostly agree.
 *
 * Threads:   one at a time a gpu.
 * Ownership: plain memory of the caller.
 * Errors:    as in gpu.h; a plan that cannot run is passed over, a lost device is not. */
#pragma once

#include "worker/engines/cudnn_plans.h"
#include "worker/engines/cudnn_shapes.h"

struct tuner {
    struct gpu *gpu;
    struct gpu_stream *stream;
    struct gpu_event *from, *to;
    const struct book *book;       /* that knows which plans not to try (cudnn_losses.h) */
    float fastest_ms; /* of the plans of this round so far; 0: none */
    char lost_with[BOOK_TEXT_MAX]; /* the plan that ran when the device was lost; "" */
};

/* The book must outlive the tuner. */
int tuner_init(struct tuner *tuner, struct gpu *gpu, struct gpu_stream *stream, const struct book *book, struct why *why);
void tuner_done(struct tuner *tuner);

/* Milliseconds a run, the mean of `runs` in one graph, after one more to warm up. */
int tuner_time(struct tuner *tuner, struct gpu_plan *plan, const struct conv_memory *memory, int runs, float *ret_ms, struct why *why);

/* Whether it is the device that failed, or memory, and not the plan. */
bool tuner_is_fatal(int r);

/* The text of the fastest plan, to be freed; with `first`, of the first that runs, unmeasured. */
int tuner_choose(struct tuner *tuner, const struct conv_shape *shape, const struct conv_memory *memory, bool first, char **ret_text,
                 struct why *why);
