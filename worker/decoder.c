/* decoder.c: a thread that makes pictures: decode queue -> engine slots, within the budget for what decoding takes. */
#include "worker/pipeline_parts.h"

#include "common/clock.h"

#include <errno.h>

static enum row_error decode_error(int r)
{
    switch (r) {
    case -EOPNOTSUPP:
        return ROW_UNSUPPORTED;
    case -E2BIG:
        return ROW_TOO_LARGE;
    case -ETIMEDOUT:
        return ROW_TIMEOUT;
    default:
        return ROW_DECODE;
    }
}

/* Returns how long it waited for a place, ns. */
static uint64_t place_image(struct pipeline *pipeline, struct preprocess *preprocess, struct task *task)
{
    struct place place;
    struct why why = { "the engine stopped" };
    uint64_t start = clock_now_ns();
    int r = batcher_take(pipeline->batcher, task, &place);
    uint64_t waited = clock_now_ns() - start;
    if (r < 0) {
        pipeline_broke(pipeline, r, &why);
        pipeline_spoil(pipeline, task, why.text);
        return waited;
    }
    preprocess_render(preprocess, place.pixels);
    r = batcher_fill(pipeline->batcher, &place, &why);
    if (r < 0)
        pipeline_broke(pipeline, r, &why);
    pipeline_left_upstream(pipeline);
    return waited;
}

/* One thread that decodes. */
struct decoder_thread {
    struct pipeline *pipeline;
    struct preprocess *preprocess;
    size_t admitted;    /* bytes of the budget that the present picture holds */
    uint64_t waited_ns; /* for room in the budget, or for a place */
};

/* May the decoder take so much? Waits until it may. */
static int admit(void *arg, uint64_t bytes, struct why *why)
{
    struct decoder_thread *thread = arg;
    struct budget *budget = &thread->pipeline->decoded;
    if (bytes > budget->limit)
        return because(why, -E2BIG, "decoding it takes %llu MiB; --memory-limit leaves %zu for pictures",
                       (unsigned long long)(bytes >> 20) + 1, budget->limit >> 20);
    uint64_t start = clock_now_ns();
    int r = budget_take(budget, (size_t)bytes);
    thread->waited_ns += clock_now_ns() - start;
    if (r == 0)
        thread->admitted = (size_t)bytes;
    return r;
}

static void release_picture(struct decoder_thread *thread)
{
    preprocess_trim(thread->preprocess);
    if (thread->admitted)
        budget_give(&thread->pipeline->decoded, thread->admitted);
    thread->admitted = 0;
}

static int decode_task(struct decoder_thread *thread, struct task *task)
{
    struct pipeline *pipeline = thread->pipeline;
    struct why why = { "" };
    bool abandoned = atomic_load(&task->work->abandoned);
    int r = abandoned ? -ECANCELED : preprocess_decode(thread->preprocess, task->data, task->size, &why);
    pipeline_free_data(pipeline, task);
    if (r == 0)
        thread->waited_ns += place_image(pipeline, thread->preprocess, task);
    else if (r == -ENOMEM)
        pipeline_fail(pipeline, task, ROW_FETCH, "the worker is out of memory");
    else
        pipeline_fail(pipeline, task, decode_error(r), why.text);
    release_picture(thread);
    return r;
}

static int decoder_open(struct decoder_thread *thread, struct pipeline *pipeline)
{
    struct preprocess_spec spec = pipeline->spec.preprocess;
    *thread = (struct decoder_thread){ .pipeline = pipeline };
    spec.admit = admit;
    spec.admit_arg = thread;
    return preprocess_new(&spec, &thread->preprocess);
}

void decoder_run(void *arg)
{
    struct pipeline *pipeline = arg;
    struct stage *stage = &pipeline->stages[STAGE_DECODE];
    struct decoder_thread thread;
    struct why why = { "decoder: out of memory" };
    int r = decoder_open(&thread, pipeline);
    if (r < 0)
        pipeline_broke(pipeline, r, &why);
    void *item;
    for (;;) {
        uint64_t start = clock_now_ns(), cpu = clock_thread_cpu_ns();
        if (queue_pop(pipeline->decode_queue, &item) < 0)
            break;
        thread.waited_ns = clock_now_ns() - start;
        struct task *task = item;
        uint64_t size = task->size;
        int error = r;
        if (r == 0)
            error = decode_task(&thread, task);
        else {
            pipeline_free_data(pipeline, task);
            pipeline_spoil(pipeline, task, why.text);
        }
        stage_count(stage, cpu, thread.waited_ns, size, error);
    }
    preprocess_free(thread.preprocess);
}
