/* simulator.c: the thread that puts made-up images straight into engine slots. */
#include "worker/pipeline_parts.h"

#include "worker/sim.h"

void simulator_place(struct pipeline *pipeline, struct task *task, uint64_t number)
{
    struct place place;
    struct why why = { "the engine stopped" };
    int r = batcher_take(pipeline->batcher, task, &place);
    if (r < 0) {
        pipeline_broke(pipeline, r, &why);
        pipeline_spoil(pipeline, task, why.text);
        return;
    }
    const struct engine_info *info = pipeline_engine(pipeline);
    sim_fill(number, place.pixels, info->image_read);
    pipeline_placed(task->work);
    r = batcher_fill(pipeline->batcher, &place, &why);
    if (r < 0)
        pipeline_broke(pipeline, r, &why);
    pipeline_left_upstream(pipeline);
}

void simulator_run(void *arg)
{
    struct pipeline *pipeline = arg;
    void *item;
    while (queue_pop(pipeline->sim_queue, &item) == 0) {
        struct work *work = item;
        for (uint32_t i = 0; i < work->count; i++) {
            struct task *task = &work->tasks[i];
            if (!sim_is(&task->item->uri))
                continue;
            if (atomic_load(&work->abandoned))
                pipeline_fail(pipeline, task, ROW_FETCH, "abandoned");
            else
                simulator_place(pipeline, task, sim_number(&task->item->uri));
        }
        pipeline_unhold(pipeline, work);
    }
}
