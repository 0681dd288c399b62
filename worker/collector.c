/* collector.c: the thread that turns finished engine slots into rows. */
#include "worker/pipeline_parts.h"

#include "common/clock.h"

#include <string.h>

static void write_row(const struct engine_info *info, const struct engine_slot *slot, int i, struct task *task)
{
    struct work *work = task->work;
    size_t at = (size_t)(task - work->tasks);
    struct rec_prediction *predictions = work->predictions + at * (size_t)work->top;
    for (int k = 0; k < info->top; k++) {
        const struct prediction *from = &slot->predictions[i * info->top + k];
        predictions[k] = (struct rec_prediction){ from->index, from->probability };
    }
    task->row->predictions = predictions;
    task->row->predictions_count = (uint32_t)info->top;
    if (info->values) {
        float *numbers = work->numbers + at * work->values;
        memcpy(numbers, slot->values + (size_t)i * info->values, info->values * sizeof(float));
        task->row->values = (struct span){ (const char *)numbers, (uint32_t)(info->values * sizeof(float)) };
    }
}

static void count_slot(struct stage *stage, const struct engine_slot *slot, uint64_t waited)
{
    atomic_fetch_add(&stage->items, (unsigned)slot->count);
    atomic_fetch_add(&stage->retries, (unsigned)slot->rechecked);
    atomic_fetch_add(&stage->busy_ns, slot->busy_ns);
    atomic_fetch_add(&stage->wait_ns, waited);
}

void collector_run(void *arg)
{
    struct pipeline *pipeline = arg;
    const struct engine_info *info = pipeline_engine(pipeline);
    struct engine_slot *slot;
    struct task **tasks;
    struct why why = { "" };
    for (;;) {
        uint64_t start = clock_now_ns();
        int r = batcher_collect(pipeline->batcher, &slot, &tasks, &why);
        if (r < 0) {
            pipeline_broke(pipeline, r, &why);
            return;
        }
        count_slot(&pipeline->stages[STAGE_ENGINE], slot, clock_now_ns() - start);
        for (int i = 0; i < slot->count; i++) {
            struct work *work = tasks[i]->work;
            write_row(info, slot, i, tasks[i]);
            pipeline_unhold(pipeline, work);
        }
        batcher_release(pipeline->batcher, slot);
        if (!atomic_load(&pipeline->upstream)) {
            r = batcher_flush(pipeline->batcher, &why);
            if (r < 0)
                pipeline_broke(pipeline, r, &why);
        }
    }
}
