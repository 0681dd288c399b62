#include "worker/engine_memory.h"

#include "common/machine.h"
#include "worker/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* What makes it large: "images of 224x224 pixels, 256 at once, 2 threads". What was left to the engine is not said. */
static void describe(const struct engine_spec *spec, char *ret, size_t size)
{
    char batch[40] = "", threads[40] = "";
    if (spec->batch)
        snprintf(batch, sizeof(batch), ", %d at once", spec->batch);
    if (spec->threads)
        snprintf(threads, sizeof(threads), ", %d thread%s", spec->threads, spec->threads == 1 ? "" : "s");
    snprintf(ret, size, "images of %dx%d pixels%s%s", spec->width, spec->height, batch, threads);
}

int engine_memory_check(const struct engine_ops *ops, const struct engine_spec *spec, const struct tuning *tuning, uint64_t resident, struct why *why)
{
    uint64_t limit = (uint64_t)tuning->memory_limit, whole = memory_whole(limit, machine_memory()), needed = ops->memory ? ops->memory(spec) : 0;
    if (resident + needed <= whole)
        return 0;
    char what[128], told[96];
    describe(spec, what, sizeof(what));
    if (limit)
        snprintf(told, sizeof(told), "--memory-limit of %" PRIu64 " MiB", whole / MIB);
    else
        snprintf(told, sizeof(told), "the %" PRIu64 " MiB that a worker may hold here without --memory-limit", whole / MIB);
    return because(why, -EINVAL, "%s: engine %s would need at least %" PRIu64 " MiB for %s; give the worker a smaller --engine-batch%s or at least --memory-limit %" PRIu64 "M, "
                   "or the job a smaller --crop", told, ops->name, needed / MIB, what, strcmp(ops->name, "cudnn") ? ", fewer --engine-threads" : "",
                   memory_least_limit(resident + needed + needed / 8) / MIB); /* an eighth: for what libraries take for themselves */
}

int engine_memory_open(const struct engine_spec *spec, const struct tuning *tuning, uint64_t resident, struct engines_opened *ret, struct why *why)
{
    const struct engine_ops *ops;
    int r = engines_find(tuning->engine, &ops, why);
    if (r == 0)
        r = engine_memory_check(ops, spec, tuning, resident, why);
    return r < 0 ? r : engines_open(tuning->engine, spec, ret, why);
}
