/* decoder.c: a thread that makes pictures: decode queue -> engine slots, within the budget for what decoding takes. */
#include "worker/pipeline_parts.h"

#include "common/clock.h"
#include "worker/crash.h"

#include <errno.h>
#include <string.h>

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

/* One thread that decodes. */
struct decoder_thread {
    struct pipeline *pipeline;
    struct preprocess *preprocess;
    struct crumb *crumb; /* says which image it has; NULL: nobody asks */
    size_t admitted;    /* bytes of the budget that the present picture holds */
    uint64_t size;      /* of the present file, bytes */
    uint64_t waited_ns; /* for a file, for room in the budget, or for a place; not counted yet */
    uint64_t cpu_ns;    /* of this thread, counted until then */
};

static void count_time(struct decoder_thread *thread)
{
    uint64_t cpu = clock_thread_cpu_ns();
    stage_count_time(&thread->pipeline->stages[STAGE_DECODE], cpu - thread->cpu_ns, thread->waited_ns);
    thread->cpu_ns = cpu;
    thread->waited_ns = 0;
}

/* Before others have it: its result may be sent at once then, with what the stages say. */
static void count_image(struct decoder_thread *thread, int error)
{
    stage_count_item(&thread->pipeline->stages[STAGE_DECODE], thread->size, error);
    count_time(thread);
}

/* What follows is no work on the image. Returns since when. */
static uint64_t begin_wait(struct decoder_thread *thread)
{
    crumb_stage(thread->crumb, CRUMB_WAIT);
    stage_leave(&thread->pipeline->stages[STAGE_DECODE]);
    return clock_now_ns();
}

static void end_wait(struct decoder_thread *thread, uint64_t since_ns)
{
    stage_enter(&thread->pipeline->stages[STAGE_DECODE]);
    crumb_stage(thread->crumb, CRUMB_DECODE);
    thread->waited_ns += clock_now_ns() - since_ns;
}

static int take_place(struct decoder_thread *thread, struct task *task, struct place *ret)
{
    uint64_t since = begin_wait(thread);
    int r = batcher_take(thread->pipeline->batcher, task, ret);
    end_wait(thread, since);
    return r;
}

static void place_image(struct decoder_thread *thread, struct task *task)
{
    struct pipeline *pipeline = thread->pipeline;
    struct place place;
    struct why why = { "the engine stopped" };
    int r = take_place(thread, task, &place);
    if (r < 0) {
        count_image(thread, 0);
        pipeline_broke(pipeline, r, &why);
        pipeline_spoil(pipeline, task, why.text);
        return;
    }
    preprocess_render(thread->preprocess, place.pixels);
    pipeline_placed(task->work);
    count_image(thread, 0);
    r = batcher_fill(pipeline->batcher, &place, &why);
    if (r < 0)
        pipeline_broke(pipeline, r, &why);
    pipeline_left_upstream(pipeline);
}

/* May the decoder take so much? Waits until it may. */
static int admit(void *arg, uint64_t bytes, struct why *why)
{
    struct decoder_thread *thread = arg;
    struct budget *budget = &thread->pipeline->decoded;
    if (bytes > budget->limit)
        return because(why, -E2BIG, "decoding it takes %llu MiB; --memory-limit leaves %zu for pictures",
                       (unsigned long long)(bytes >> 20) + 1, budget->limit >> 20);
    uint64_t since = begin_wait(thread);
    budget_take(budget, (size_t)bytes);
    end_wait(thread, since);
    thread->admitted = (size_t)bytes;
    return 0;
}

static void release_picture(struct decoder_thread *thread)
{
    preprocess_trim(thread->preprocess);
    if (thread->admitted)
        budget_give(&thread->pipeline->decoded, thread->admitted);
    thread->admitted = 0;
}

/* --decode none: the engine gets a number made of the file's first bytes. */
static void pass_undecoded(struct decoder_thread *thread, struct task *task)
{
    struct pipeline *pipeline = thread->pipeline;
    uint64_t number = 0;
    memcpy(&number, task->data, task->size < sizeof(number) ? task->size : sizeof(number));
    pipeline_free_data(pipeline, task);
    count_image(thread, 0);
    uint64_t since = begin_wait(thread);
    simulator_place(pipeline, task, number);
    end_wait(thread, since);
}

static void decode_task(struct decoder_thread *thread, struct task *task)
{
    if (thread->pipeline->spec.decode_none) {
        pass_undecoded(thread, task);
        return;
    }
    struct pipeline *pipeline = thread->pipeline;
    struct why why = { "" };
    bool abandoned = atomic_load(&task->work->abandoned);
    int r = abandoned ? -ECANCELED : preprocess_decode(thread->preprocess, task->data, task->size, &why);
    pipeline_free_data(pipeline, task);
    if (r < 0)
        count_image(thread, r);
    if (r == 0)
        place_image(thread, task);
    else if (r == -ENOMEM)
        pipeline_fail(pipeline, task, ROW_FETCH, "the worker is out of memory");
    else
        pipeline_fail(pipeline, task, decode_error(r), why.text);
    release_picture(thread);
}

static int decoder_open(struct decoder_thread *thread, struct pipeline *pipeline, void *stack)
{
    struct preprocess_spec spec = pipeline->spec.preprocess;
    *thread = (struct decoder_thread){ .pipeline = pipeline };
    unsigned number = atomic_fetch_add(&pipeline->decoders_numbered, 1);
    pthread_getcpuclockid(pthread_self(), &pipeline->watched[number].clock);
    thread->crumb = crumbs_decoder(pipeline->spec.crumbs, number);
    crash_thread(thread->crumb, stack);
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
    char stack[CRASH_STACK];
    int r = decoder_open(&thread, pipeline, stack);
    if (r < 0)
        pipeline_broke(pipeline, r, &why);
    void *item;
    for (;;) {
        uint64_t start = clock_now_ns();
        thread.cpu_ns = clock_thread_cpu_ns();
        if (queue_pop(pipeline->decode_queue, &item) < 0)
            break;
        thread.waited_ns = clock_now_ns() - start;
        struct task *task = item;
        thread.size = task->size;
        crumb_leave(thread.crumb, task, CRUMB_DECODE, thread.cpu_ns);
        stage_enter(stage);
        if (r == 0)
            decode_task(&thread, task);
        else {
            count_image(&thread, r);
            pipeline_free_data(pipeline, task);
            pipeline_spoil(pipeline, task, why.text);
        }
        crumb_sweep(thread.crumb);
        stage_leave(stage);
        count_time(&thread);
    }
    preprocess_free(thread.preprocess);
}
