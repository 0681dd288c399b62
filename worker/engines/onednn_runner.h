/* onednn_runner.h: a slot's way through one stream, from pixels to rows.
 *
 * In int8 with engine_spec.recheck there are two networks: what the first leaves undecided goes through the second, in f32, an image at a time. Which
 * images those are depends on their own logits alone, not on neighbours, batches or threads.
 *
 * Threads:   a model is made by one thread that is told to use one OpenMP thread, is constant afterwards and shared by the runners; a runner belongs to the
 *            thread that made it.
 * Ownership: init allocates everything, done frees it, also after a failed init; run allocates nothing. The spec is needed only during
 *            init; a model must outlive its runners.
 * Errors:    as in onednn_net.h; -ERANGE for values that are not finite. */
#pragma once

#include "worker/engines/onednn_stream.h"

/* What the runners share. */
struct onednn_model {
    struct onednn_net net;
    struct onednn_net exact; /* in f32, one image at a time; empty: nothing is computed again */
    enum emit emit;
    float mean[3], std[3];
};

struct onednn_runner {
    const struct onednn_model *model;
    struct onednn_stream stream, exact;
};

/* `batch` images at a time. */
int onednn_model_init(struct onednn_model *model, const struct engine_spec *spec, int batch, struct why *why);
/* Bytes that the model and its runners, one a thread, will hold. */
uint64_t onednn_model_memory(const struct engine_spec *spec, int batch, int threads);
void onednn_model_done(struct onednn_model *model);

/* Whether images may be computed again. Not where features are asked for: they decide nothing. */
bool onednn_model_rechecks(const struct onednn_model *model);

int onednn_runner_init(struct onednn_runner *runner, const struct onednn_model *model, struct why *why);
void onednn_runner_done(struct onednn_runner *runner); /* accepts zeroed memory */

/* Fills in the rows of slot->count images, `rechecked` and `busy_ns`. `recheck`: as in engine_spec; 0 for a model that does not. */
int onednn_runner_run(struct onednn_runner *runner, const struct engine_info *info, int recheck, struct engine_slot *slot, struct why *why);
