#include "worker/runtime.h"

#include "common/clock.h"
#include "common/machine.h"
#include "common/cache.h"
#include "common/log.h"
#include "worker/engine_memory.h"
#include "worker/image/preprocess.h"
#include "worker/memory.h"
#include "worker/network.h"
#include "worker/same_file.h"
#include "worker/weights/check.h"
#include "worker/weights/weights.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static bool is_same_preset(const struct preset *a, const struct preset *b)
{
    return a->resize == b->resize && a->crop == b->crop && ranges_same_triple(a->mean, b->mean) && ranges_same_triple(a->std, b->std) &&
           a->interpolation == b->interpolation && a->exif_orient == b->exif_orient;
}

bool runtime_spec_equal(const struct runtime_spec *a, const struct runtime_spec *b)
{
    return !strcmp(a->weights, b->weights) && !strcmp(a->sha256, b->sha256) && is_same_preset(&a->preset, &b->preset) &&
           a->emit == b->emit && a->top == b->top && a->batch == b->batch && !strcmp(a->ranges_sha256, b->ranges_sha256) && s3_place_equal(&a->store, &b->store) &&
           demand_equal(&a->demand, &b->demand);
}

bool runtime_is_current(const struct runtime *runtime)
{
    struct stat now;
    if (!calibrated_is_current(&runtime->calibrated))
        return false;
    if (!*runtime->model.weights || *runtime->spec.sha256)
        return true;
    return stat(runtime->model.weights, &now) == 0 && same_file(&runtime->state, &now);
}

static enum precision precision_of(const char *name)
{
    static const char *const names[] = { [PRECISION_AUTO] = "auto", [PRECISION_F32] = "f32", [PRECISION_F16] = "f16",
                                         [PRECISION_BF16] = "bf16", [PRECISION_INT8] = "int8" };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (!strcmp(names[i], name))
            return (enum precision)i;
    return PRECISION_AUTO;
}

void runtime_tune(const struct tuning *tuning, struct engine_spec *spec, char plans[PATH_MAX])
{
    char cache[PATH_MAX];
    spec->precision = precision_of(tuning->precision);
    spec->recheck = (int)tuning->recheck;
    spec->batch = (int)tuning->engine_batch;
    spec->device = tuning->devices;
    spec->no_tuning = !strcmp(tuning->tune, "off");
    int length = cache_folder(tuning->cache, cache, NULL) < 0 ? -1 : snprintf(plans, PATH_MAX, "%s/plans", cache);
    spec->plans = length > 0 && length < PATH_MAX ? plans : NULL; /* without a cache, tuning is done every time */
}

static int read_weights(struct runtime *runtime, const struct tuning *tuning, struct courier *courier, struct weights **ret,
                        const struct network **ret_network, struct why *why)
{
    CLEANUP(weights_closep) struct weights *weights = NULL;
    const struct runtime_spec *spec = &runtime->spec;
    struct s3_options s3 = tuning->s3;
    s3_place_fill(&spec->store, &s3);
    const struct model_wish wish = {
        .weights = spec->weights, .sha256 = spec->sha256, .size = spec->lent_size, .ranges_sha256 = spec->ranges_sha256,
        .ranges_size = spec->ranges_size, .cache = tuning->cache, .cache_limit = (uint64_t)tuning->cache_limit, .s3 = &s3,
    };
    if (!*spec->weights)
        return because(why, -EINVAL, "no weights: give --weights FILE to the run, or \"weights = FILE\" in the worker's configuration");
    int r = model_open(&wish, courier, &runtime->model, &weights, why);
    if (r == 0)
        r = network_detect(weights, ret_network, why);
    if (r == 0)
        r = weights_check(weights, *ret_network, &runtime->classes, why);
    if (r < 0)
        return r;
    if (stat(runtime->model.weights, &runtime->state) < 0)
        memset(&runtime->state, 0, sizeof(runtime->state)); /* it has gone: not current any more */
    snprintf(runtime->network, sizeof(runtime->network), "%s", (*ret_network)->name);
    snprintf(runtime->sha256, sizeof(runtime->sha256), "%s", weights->sha256);
    *ret = take(weights);
    return 0;
}

static int open_engine(struct runtime *runtime, const struct tuning *tuning, struct courier *courier, struct engines_opened *ret, struct why *why)
{
    const struct runtime_spec *spec = &runtime->spec;
    struct engine_spec engine = {
        .height = spec->preset.crop,
        .width = spec->preset.crop,
        .emit = spec->emit,
        .top = spec->top,
        .threads = (int)tuning->engine_threads,
        .cost_us = (int)tuning->sim_cost_us,
    };
    char plans[PATH_MAX];
    uint64_t resident = machine_resident(); /* of the weights it will hold its own, in its own order: the file is let go of */
    runtime_tune(tuning, &engine, plans);
    memcpy(engine.mean, spec->preset.mean, sizeof(engine.mean));
    memcpy(engine.std, spec->preset.std, sizeof(engine.std));
    CLEANUP(weights_closep) struct weights *weights = NULL;
    bool has_weights = strcmp(tuning->engine, "sim");
    int r = has_weights ? read_weights(runtime, tuning, courier, &weights, &engine.network, why) : 0;
    engine.weights = weights;
    engine.classes = has_weights ? runtime->classes : ENGINE_SIM_CLASSES;
    if (engine.top > engine.classes)
        engine.top = engine.classes;
    if (r == 0 && has_weights)
        r = calibrated_find(&runtime->calibrated, tuning, &runtime->model, &engine, why);
    if (r == 0)
        r = engine_memory_open(&engine, tuning, resident, ret, why);
    ranges_done(&runtime->calibrated.ranges);
    return r;
}

/* What was asked for and cannot be had is said, whatever the reason. */
static void tell_recheck(const struct tuning *tuning, const struct runtime_spec *spec, const struct engine_info *info)
{
    if (!tuning->recheck || !strcmp(info->precision, "int8+f32"))
        return;
    bool features = spec->emit == EMIT_FEATURES && !strcmp(info->precision, "int8");
    log_warning("--recheck %" PRId64 " changes nothing here: %s", tuning->recheck,
                features ? "features are not computed again" : "it is for int8 on a CPU, and this engine computes otherwise");
}

/* Which numbers come out: the engine's, and what became pixels how. */
static void name_fingerprint(struct runtime *runtime, const struct tuning *tuning, const struct engine_info *info)
{
    char decoders[128] = "no decoder";
    if (strcmp(tuning->decode, "none"))
        preprocess_fingerprint(decoders, sizeof(decoders));
    snprintf(runtime->fingerprint, sizeof(runtime->fingerprint), "%s %s%s", info->fingerprint, decoders, !strcmp(tuning->decode, "fast") ? ", decode fast" : "");
}

static struct preprocess_spec describe_preprocessing(const struct preset *preset, const struct tuning *tuning)
{
    return (struct preprocess_spec){
        .resize = preset->resize,
        .crop = preset->crop,
        .interpolation = preset->interpolation,
        .exif_orient = preset->exif_orient,
        .fast = !strcmp(tuning->decode, "fast"),
        .cpu_limit_ns = (uint64_t)tuning->image_cpu_limit * NS_PER_S,
    };
}

static struct pipeline_spec describe_pipeline(const struct runtime *runtime, const struct tuning *tuning, const struct memory_plan *memory)
{
    return (struct pipeline_spec){
        .fetch_threads = (int)tuning->fetch_threads,
        .decode_threads = (int)tuning->threads,
        .fetch_loops = (int)tuning->fetch_loops,
        .fetch_concurrency = (int)tuning->fetch_concurrency,
        .fetch_stall_ns = (uint64_t)tuning->fetch_timeout * NS_PER_S,
        .store_timeout_ns = (uint64_t)tuning->store_timeout * NS_PER_S,
        .here = runtime->spec.here,
        .alone = runtime->spec.alone,
        .decode_none = !strcmp(tuning->decode, "none"),
        .fetch_bytes = memory->fetched,
        .file_bytes = memory->file,
        .decode_bytes = memory->decoded,
        .window = runtime->window + runtime->remote_window,
        .preprocess = describe_preprocessing(&runtime->spec.preset, tuning),
    };
}

static void tell_engine(const struct tuning *tuning, const struct runtime_spec *spec, const struct engine_info *info)
{
    if (*info->note)
        log_warning("engine %s: %s", info->engine, info->note);
    tell_recheck(tuning, spec, info);
}

static int open_pipeline(struct runtime *runtime, const struct tuning *tuning, const struct engines_opened *opened,
                         struct mailbox *box, struct crumbs *crumbs, struct why *why)
{
    const struct engine_info *info = opened->ops->info(opened->engine);
    struct memory_plan memory;
    int r = memory_plan((uint64_t)tuning->memory_limit, machine_memory(), machine_resident(), (uint64_t)tuning->fetch_memory, &memory, why);
    if (r < 0) {
        opened->ops->close(opened->engine);
        return r;
    }
    tell_engine(tuning, &runtime->spec, info);
    runtime->classes = info->classes;
    /* Two batches, so that one is on its way while another is worked on, and what the engine holds. */
    runtime->window = 2 * (size_t)runtime->spec.batch + (size_t)info->slots * (size_t)info->batch;
    runtime->remote_window = (size_t)tuning->fetch_concurrency;
    name_fingerprint(runtime, tuning, info);
    struct s3_options s3 = tuning->s3;
    s3_place_fill(&runtime->spec.store, &s3);
    struct pipeline_spec pipeline = describe_pipeline(runtime, tuning, &memory);
    pipeline.s3 = &s3;
    pipeline.crumbs = crumbs;
    return pipeline_new(&pipeline, opened->ops, opened->engine, box, &runtime->pipeline, why);
}

int runtime_open(const struct tuning *own, const struct runtime_spec *spec, struct mailbox *box, struct crumbs *crumbs, struct courier *courier,
                 struct runtime **ret, struct why *why)
{
    CLEANUP(runtime_freep) struct runtime *runtime = calloc(1, sizeof(*runtime));
    if (!runtime)
        return because(why, -ENOMEM, "out of memory");
    runtime->spec = *spec;
    runtime->model = (struct model)MODEL_NONE;
    struct tuning tuning = *own;
    struct engines_opened opened;
    int r = demand_fill(&runtime->spec.demand, &tuning, why);
    if (r == 0)
        r = tuning_check(&tuning, why);
    if (r == 0)
        r = open_engine(runtime, &tuning, courier, &opened, why);
    if (r == 0)
        r = open_pipeline(runtime, &tuning, &opened, box, crumbs, why);
    if (r < 0)
        return r;
    *ret = take(runtime);
    return 0;
}

void runtime_free(struct runtime *runtime)
{
    if (!runtime)
        return;
    pipeline_free(runtime->pipeline);
    model_done(&runtime->model);
    free(runtime);
}
