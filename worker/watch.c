/* watch.c: notices a decode thread that will not come back, and an engine.
 *
 * The decoders look at the clock between rows (preprocess_spec.cpu_limit_ns). One that computes for ever inside a single call of its library, or
 * waits there for something that does not come, cannot be stopped from outside: only the process can. So the thread's crumb is marked as if it
 * had faulted, the process ends, and what follows is as after a crash. Processor time decides, so a busy or a stopped machine blames no image; and a
 * thread that uses none at all though it has an image in hand, while this one here is awake. */
#include "worker/pipeline_parts.h"

#include "common/clock.h"
#include "common/counted.h"

#include <errno.h>
#include <inttypes.h>

#define CPU_FACTOR   2 /* of the limit: the decoder should have noticed by itself long ago */
#define STILL_FACTOR 3
#define LONGEST_ROUND_NS NS_PER_S /* between two looks; more than that was a stop of the whole process */

static bool read_clock(clockid_t clock, uint64_t *ret)
{
    struct timespec t;
    if (clock_gettime(clock, &t) < 0)
        return false;
    *ret = (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
    return true;
}

static int give_up(struct pipeline *pipeline, struct crumb *crumb, const char *what, uint64_t ns, struct why *why)
{
    crumb_stage(crumb, CRUMB_ENDLESS);
    crumbs_mark(pipeline->spec.crumbs, crumb);
    return because(why, -ETIMEDOUT, "item %u of batch %" PRIu64 ": its decoder %s for %llu s and cannot be interrupted", crumb->item,
                   crumb->batch, what, (unsigned long long)(ns / NS_PER_S));
}

static int look(struct pipeline *pipeline, struct watched *watched, struct crumb *crumb, uint64_t round_ns, struct why *why)
{
    uint64_t limit = pipeline->spec.preprocess.cpu_limit_ns, since = crumb->since_ns, cpu = 0;
    bool decodes = crumb->stage == CRUMB_DECODE && read_clock(watched->clock, &cpu) && since == crumb->since_ns;
    bool stands_still = decodes && since == watched->since_ns && cpu == watched->cpu_ns;
    watched->still_ns = stands_still ? watched->still_ns + round_ns : 0;
    watched->since_ns = since;
    watched->cpu_ns = cpu;
    if (decodes && cpu > since && cpu - since > CPU_FACTOR * limit)
        return give_up(pipeline, crumb, "has computed", cpu - since, why);
    return watched->still_ns > STILL_FACTOR * limit ? give_up(pipeline, crumb, "has stood still", watched->still_ns, why) : 0;
}

/* What is in it may be why: all of that is suspect. */
static int look_at_engine(struct pipeline *pipeline, struct why *why)
{
    uint64_t still = still_ns(pipeline, STAGE_ENGINE), limit = pipeline->spec.preprocess.cpu_limit_ns;
    if (!limit || still <= STILL_FACTOR * limit)
        return 0;
    crumbs_mark(pipeline->spec.crumbs, NULL);
    return because(why, -ETIMEDOUT, "engine %s has stood still for %llu s with %s", pipeline_engine(pipeline)->engine,
                   (unsigned long long)(still / NS_PER_S), COUNTED(batcher_submitted(pipeline->batcher), "image", "images"));
}

int pipeline_watch(struct pipeline *pipeline, struct why *why)
{
    uint64_t now = clock_now_ns(), round = pipeline->watched_ns ? now - pipeline->watched_ns : 0;
    bool possible = pipeline->spec.crumbs && pipeline->spec.preprocess.cpu_limit_ns && pipeline->watched_ns;
    pipeline->watched_ns = now;
    if (round > LONGEST_ROUND_NS)
        round = LONGEST_ROUND_NS;
    still_look(pipeline, round);
    fetchers_watch(pipeline, round);
    int r = look_at_engine(pipeline, why);
    for (int i = 0; possible && r == 0 && i < pipeline->spec.decode_threads && i < (int)CRUMBS_DECODERS; i++)
        r = look(pipeline, &pipeline->watched[i], crumbs_decoder(pipeline->spec.crumbs, (size_t)i), round, why);
    return r;
}
