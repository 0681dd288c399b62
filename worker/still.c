/* still.c: how long each stage has been at work and got nowhere.
 *
 * What moves a stage is not only a finished image, since one may take longer than anybody wants to wait for a worker that hangs:
 *
 *   fetch    a file that is opened, or cannot be, and each piece that is read; not one that is given up. What comes over the network is not
 *            counted: it has time limits of its own
 *   decode   the CPU time of its threads, in milliseconds; too much of it for one image is the watch's matter
 *   engine   engine_ops.moves; of an engine without: a slot that comes back, and it may take twice as long as the longest one so far
 *
 * Images that wait for room further on are nobody's work. Time is that of the rounds in which this was looked at, so a process that was
 * stopped has not stood still. */
#include "worker/pipeline_parts.h"

#include "common/clock.h"

#define FIRST_SLOT_NS (50 * NS_PER_S) /* an engine that cannot say whether it moves may take so much longer for its first slot */

static uint64_t decoders_ms(const struct pipeline *pipeline)
{
    uint64_t sum = 0;
    for (int i = 0; i < pipeline->decoder_count; i++)
        sum += thread_cpu_ns(&pipeline->decoders[i]);
    return sum / NS_PER_MS;
}

static uint64_t moves(const struct pipeline *pipeline, int stage)
{
    uint64_t items = atomic_load(&pipeline->stages[stage].items);
    switch (stage) {
    case STAGE_FETCH:
        return atomic_load(&pipeline->stages[stage].moves);
    case STAGE_DECODE:
        return items + decoders_ms(pipeline);
    default:
        return items + (pipeline->ops->moves ? pipeline->ops->moves(pipeline->engine) : 0);
    }
}

/* Of its standing still, so much is no matter. */
static uint64_t allowance(const struct pipeline *pipeline, int stage)
{
    if (stage != STAGE_ENGINE || pipeline->ops->moves)
        return 0;
    uint64_t longest = batcher_longest_ns(pipeline->batcher);
    return longest ? 2 * longest : FIRST_SLOT_NS;
}

static uint32_t active(const struct pipeline *pipeline, int stage)
{
    return stage == STAGE_ENGINE ? batcher_submitted(pipeline->batcher) : (uint32_t)atomic_load(&pipeline->stages[stage].active);
}

void still_look(struct pipeline *pipeline, uint64_t round_ns)
{
    for (int i = 0; i < STAGE_COUNT; i++) {
        struct still *still = &pipeline->still[i];
        bool was_active = still->active;
        uint64_t before = still->moves;
        still->active = active(pipeline, i);
        still->moves = moves(pipeline, i);
        still->ns = was_active && still->active && still->moves == before ? still->ns + round_ns : 0;
    }
}

uint64_t still_ns(const struct pipeline *pipeline, int stage)
{
    uint64_t ns = pipeline->still[stage].ns, allowed = allowance(pipeline, stage);
    return ns > allowed ? ns - allowed : 0;
}
