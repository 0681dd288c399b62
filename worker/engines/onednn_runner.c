#include "worker/engines/onednn_runner.h"

#include "common/clock.h"
#include "worker/engines/rows.h"

#include <string.h>

/* ---- the networks ----------------------------------------------------------------------------------------------------- */

static bool wants_exact(const struct engine_spec *spec)
{
    return spec->precision == PRECISION_INT8 && spec->recheck && spec->emit != EMIT_FEATURES;
}

static struct engine_spec in_f32(const struct engine_spec *spec)
{
    struct engine_spec f32 = *spec;
    f32.precision = PRECISION_F32;
    return f32;
}

static int make_exact(struct onednn_model *model, const struct engine_spec *spec, struct why *why)
{
    struct engine_spec f32 = in_f32(spec);
    return onednn_net_init(&model->exact, &f32, 1, true, why);
}

int onednn_model_init(struct onednn_model *model, const struct engine_spec *spec, int batch, struct why *why)
{
    bool classifies = spec->emit != EMIT_FEATURES;
    *model = (struct onednn_model){ .emit = spec->emit };
    memcpy(model->mean, spec->mean, sizeof(model->mean));
    memcpy(model->std, spec->std, sizeof(model->std));
    int r = onednn_net_init(&model->net, spec, batch, classifies, why);
    if (r == 0 && wants_exact(spec))
        r = make_exact(model, spec, why);
    return r;
}

uint64_t onednn_model_memory(const struct engine_spec *spec, int batch, int threads)
{
    struct engine_spec f32 = in_f32(spec);
    uint64_t memory = onednn_net_memory(spec, batch, spec->emit != EMIT_FEATURES, threads);
    return wants_exact(spec) ? memory + onednn_net_memory(&f32, 1, true, threads) : memory;
}

void onednn_model_done(struct onednn_model *model)
{
    onednn_net_done(&model->exact);
    onednn_net_done(&model->net);
}

bool onednn_model_rechecks(const struct onednn_model *model)
{
    return model->exact.count > 0;
}

/* ---- memory ----------------------------------------------------------------------------------------------------------- */

int onednn_runner_init(struct onednn_runner *runner, const struct onednn_model *model, struct why *why)
{
    memset(runner, 0, sizeof(*runner));
    runner->model = model;
    int r = onednn_stream_init(&runner->stream, &model->net, model->mean, model->std, why);
    if (r == 0 && onednn_model_rechecks(model))
        r = onednn_stream_init(&runner->exact, &model->exact, model->mean, model->std, why);
    return r;
}

void onednn_runner_done(struct onednn_runner *runner)
{
    onednn_stream_done(&runner->exact);
    onednn_stream_done(&runner->stream);
}

/* ---- rows ------------------------------------------------------------------------------------------------------------- */

static int make_row(const struct onednn_runner *runner, const struct engine_info *info, const float *values, struct engine_slot *slot, int i, struct why *why)
{
    bool features = runner->model->emit == EMIT_FEATURES;
    int r = features ? rows_check(values, info->values)
                     : rows_predict(values, info->classes, info->top, slot->predictions + (size_t)i * (size_t)info->top);
    if (r < 0)
        return because(why, r, "engine onednn: the network produced values that are not finite; its weights are damaged");
    if (info->values)
        memcpy(slot->values + (size_t)i * info->values, values, info->values * sizeof(*values));
    return 0;
}

/* The first network's row, whose values are then known to be finite, or the second's where that one is undecided. */
static int finish(struct onednn_runner *runner, const struct engine_info *info, int recheck, struct engine_slot *slot, int i, struct why *why)
{
    size_t width = runner->model->emit == EMIT_FEATURES ? info->values : (size_t)info->classes;
    const float *values = runner->stream.output + (size_t)i * width;
    int r = make_row(runner, info, values, slot, i, why);
    if (r < 0 || !recheck || !rows_are_close(values, info->classes, recheck))
        return r;
    r = onednn_stream_run(&runner->exact, slot->pixels + (size_t)i * info->image_bytes, 1, why);
    if (r < 0)
        return r;
    slot->rechecked++;
    return make_row(runner, info, runner->exact.output, slot, i, why);
}

int onednn_runner_run(struct onednn_runner *runner, const struct engine_info *info, int recheck, struct engine_slot *slot, struct why *why)
{
    uint64_t start_ns = clock_thread_cpu_ns();
    slot->rechecked = 0;
    int r = onednn_stream_run(&runner->stream, slot->pixels, slot->count, why);
    for (int i = 0; i < slot->count && r == 0; i++)
        r = finish(runner, info, recheck, slot, i, why);
    slot->busy_ns = clock_thread_cpu_ns() - start_ns;
    return r;
}
