/* fetcher.c: a thread that reads files: fetch queue -> decode queue, within the budget for fetched bytes; and where event loops bring theirs. */
#include "worker/pipeline_parts.h"

#include "common/clock.h"
#include "worker/fetch.h"

#include <errno.h>

struct reservation {
    struct pipeline *pipeline;
    size_t size;
};

static int reserve_fetched(void *arg, size_t size)
{
    struct reservation *reservation = arg;
    size_t most = reservation->pipeline->spec.file_bytes;
    if (most && size > most)
        return -E2BIG;
    int r = budget_take(&reservation->pipeline->fetched, size);
    if (r == 0)
        reservation->size = size;
    return r;
}

/* Never waits: the queue has room for all that may be inside. */
static void pass_on(struct pipeline *pipeline, struct task *task)
{
    if (queue_push(pipeline->decode_queue, task) < 0) {
        pipeline_free_data(pipeline, task);
        pipeline_spoil(pipeline, task, "the worker is stopping");
    }
}

/* Returns how many bytes it read. The task is somebody else's afterwards. */
static uint64_t fetch_task(struct pipeline *pipeline, struct task *task, enum row_error *ret_error)
{
    struct why why = { "" };
    struct reservation reservation = { .pipeline = pipeline };
    *ret_error = ROW_OK;
    if (atomic_load(&task->work->abandoned)) {
        pipeline_fail(pipeline, task, ROW_FETCH, "abandoned");
        return 0;
    }
    *ret_error = fetch(task->item, reserve_fetched, &reservation, &task->data, &task->size, &why);
    uint64_t size = task->size;
    if (*ret_error) {
        budget_give(&pipeline->fetched, reservation.size);
        pipeline_fail(pipeline, task, *ret_error, why.text);
    } else
        pass_on(pipeline, task);
    return size;
}

void fetcher_done(void *arg, struct task *task, enum row_error error, const char *detail)
{
    struct pipeline *pipeline = arg;
    if (error == ROW_ERRORS)
        pipeline_spoil(pipeline, task, "the worker is stopping");
    else if (error)
        pipeline_fail(pipeline, task, error, detail);
    else
        pass_on(pipeline, task);
}

void fetcher_run(void *arg)
{
    struct pipeline *pipeline = arg;
    struct stage *stage = &pipeline->stages[STAGE_FETCH];
    void *item;
    for (;;) {
        uint64_t start = clock_now_ns(), cpu = clock_thread_cpu_ns();
        if (queue_pop(pipeline->fetch_queue, &item) < 0)
            return;
        uint64_t waited = clock_now_ns() - start;
        enum row_error error;
        stage_enter(stage);
        uint64_t size = fetch_task(pipeline, item, &error);
        stage_leave(stage, 1);
        stage_count(stage, cpu, waited, size, error != ROW_OK);
    }
}
