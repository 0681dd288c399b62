#include "worker/pipeline.h"

#include "common/clock.h"
#include "common/queue.h"
#include "common/thread.h"
#include "worker/batcher.h"
#include "worker/budget.h"
#include "worker/fetch.h"
#include "worker/sim.h"

#include <errno.h>
#include <string.h>

struct pipeline {
    struct pipeline_spec spec;
    const struct engine_ops *ops;
    struct engine *engine;
    struct batcher *batcher;
    struct mailbox *box;
    struct queue *fetch_queue, *decode_queue, *sim_queue;
    struct budget fetched, decoded;
    struct stage stages[STAGE_COUNT];
    struct thread *fetchers, *decoders, simulator, collector;
    int fetcher_count, decoder_count; /* started */
    atomic_uint_fast64_t upstream;    /* images submitted that are neither in a slot nor failed */
    pthread_mutex_t break_lock;
    struct pipeline_notice *notice;   /* made beforehand; NULL once it was posted */
};

/* ---- ends of a task ---- */

static void broke(struct pipeline *pipeline, int r, const struct why *why)
{
    if (r == -EPIPE)
        return;
    pthread_mutex_lock(&pipeline->break_lock);
    struct pipeline_notice *notice = take(pipeline->notice);
    if (notice) {
        notice->why = *why;
        mailbox_post(pipeline->box, &notice->mail);
        pipeline->ops->interrupt(pipeline->engine);
    }
    pthread_mutex_unlock(&pipeline->break_lock);
}

static void unhold(struct pipeline *pipeline, struct work *work)
{
    if (atomic_fetch_sub(&work->unfinished, 1) == 1)
        mailbox_post(pipeline->box, &work->mail);
}

/* One image less on its way to a slot: perhaps what is in the open slot is all there is. */
static void left_upstream(struct pipeline *pipeline)
{
    if (atomic_fetch_sub(&pipeline->upstream, 1) != 1)
        return;
    struct why why;
    int r = batcher_flush(pipeline->batcher, &why);
    if (r < 0)
        broke(pipeline, r, &why);
}

static void fail_task(struct pipeline *pipeline, struct task *task, enum row_error error, const char *detail)
{
    struct work *work = task->work;
    task_fail(task, error, detail);
    unhold(pipeline, work);
    left_upstream(pipeline);
}

/* The image is not to blame: this work must not be taken for answered. */
static void spoil_task(struct pipeline *pipeline, struct task *task, const char *detail)
{
    atomic_store(&task->work->spoiled, true);
    fail_task(pipeline, task, ROW_FETCH, detail);
}

/* ---- fetch ---- */

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

static void free_data(struct pipeline *pipeline, struct task *task)
{
    if (task->data)
        budget_give(&pipeline->fetched, task->size);
    free(task->data);
    task->data = NULL;
}

/* Returns how many bytes it read. The task is somebody else's afterwards. */
static uint64_t fetch_task(struct pipeline *pipeline, struct task *task, enum row_error *ret_error)
{
    struct why why = { "" };
    struct reservation reservation = { .pipeline = pipeline };
    *ret_error = ROW_OK;
    if (atomic_load(&task->work->abandoned)) {
        fail_task(pipeline, task, ROW_FETCH, "abandoned");
        return 0;
    }
    *ret_error = fetch(task->item, reserve_fetched, &reservation, &task->data, &task->size, &why);
    uint64_t size = task->size;
    if (*ret_error) {
        budget_give(&pipeline->fetched, reservation.size);
        fail_task(pipeline, task, *ret_error, why.text);
    } else if (queue_push(pipeline->decode_queue, task) < 0) {
        free_data(pipeline, task);
        spoil_task(pipeline, task, "the worker is stopping");
    }
    return size;
}

static void run_fetcher(void *arg)
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
        uint64_t size = fetch_task(pipeline, item, &error);
        stage_count(stage, cpu, waited, size, error != ROW_OK);
    }
}

/* ---- decode ---- */

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
        broke(pipeline, r, &why);
        spoil_task(pipeline, task, why.text);
        return waited;
    }
    preprocess_render(preprocess, place.pixels);
    r = batcher_fill(pipeline->batcher, &place, &why);
    if (r < 0)
        broke(pipeline, r, &why);
    left_upstream(pipeline);
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
    free_data(pipeline, task);
    if (r == 0)
        thread->waited_ns += place_image(pipeline, thread->preprocess, task);
    else if (r == -ENOMEM)
        fail_task(pipeline, task, ROW_FETCH, "the worker is out of memory");
    else
        fail_task(pipeline, task, decode_error(r), why.text);
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

static void run_decoder(void *arg)
{
    struct pipeline *pipeline = arg;
    struct stage *stage = &pipeline->stages[STAGE_DECODE];
    struct decoder_thread thread;
    struct why why = { "decoder: out of memory" };
    int r = decoder_open(&thread, pipeline);
    if (r < 0)
        broke(pipeline, r, &why);
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
            free_data(pipeline, task);
            spoil_task(pipeline, task, why.text);
        }
        stage_count(stage, cpu, thread.waited_ns, size, error);
    }
    preprocess_free(thread.preprocess);
}

/* ---- made-up images ---- */

static void place_sim(struct pipeline *pipeline, struct task *task)
{
    struct place place;
    struct why why = { "the engine stopped" };
    int r = batcher_take(pipeline->batcher, task, &place);
    if (r < 0) {
        broke(pipeline, r, &why);
        spoil_task(pipeline, task, why.text);
        return;
    }
    const struct engine_info *info = pipeline_engine(pipeline);
    sim_pixels(&task->item->uri, place.pixels, info->image_read);
    r = batcher_fill(pipeline->batcher, &place, &why);
    if (r < 0)
        broke(pipeline, r, &why);
    left_upstream(pipeline);
}

static void run_simulator(void *arg)
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
                fail_task(pipeline, task, ROW_FETCH, "abandoned");
            else
                place_sim(pipeline, task);
        }
        unhold(pipeline, work);
    }
}

/* ---- engine ---- */

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
    atomic_fetch_add(&stage->busy_ns, slot->busy_ns);
    atomic_fetch_add(&stage->wait_ns, waited);
}

static void run_collector(void *arg)
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
            broke(pipeline, r, &why);
            return;
        }
        count_slot(&pipeline->stages[STAGE_ENGINE], slot, clock_now_ns() - start);
        for (int i = 0; i < slot->count; i++) {
            struct work *work = tasks[i]->work;
            write_row(info, slot, i, tasks[i]);
            unhold(pipeline, work);
        }
        batcher_release(pipeline->batcher, slot);
        if (!atomic_load(&pipeline->upstream)) {
            r = batcher_flush(pipeline->batcher, &why);
            if (r < 0)
                broke(pipeline, r, &why);
        }
    }
}

/* ---- life ---- */

static int start_threads(struct thread *threads, int count, int *ret_started, const char *name, void (*run)(void *), void *arg)
{
    for (int i = 0; i < count; i++) {
        int r = thread_start(&threads[i], name, run, arg);
        if (r < 0)
            return r;
        *ret_started = i + 1;
    }
    return 0;
}

static int start(struct pipeline *pipeline)
{
    const struct pipeline_spec *spec = &pipeline->spec;
    pipeline->fetchers = calloc((size_t)spec->fetch_threads, sizeof(struct thread));
    pipeline->decoders = calloc((size_t)spec->decode_threads, sizeof(struct thread));
    if (!pipeline->fetchers || !pipeline->decoders)
        return -ENOMEM;
    /* Twice: what an abandoned job left behind may still be there. */
    int r = queue_new(2 * spec->window, &pipeline->fetch_queue);
    if (r == 0)
        r = queue_new(2 * spec->window, &pipeline->sim_queue);
    if (r == 0)
        r = queue_new((size_t)spec->decode_threads * 2, &pipeline->decode_queue);
    if (r == 0)
        r = batcher_new(pipeline->ops, pipeline->engine, &pipeline->batcher);
    if (r == 0)
        r = start_threads(pipeline->fetchers, spec->fetch_threads, &pipeline->fetcher_count, "fetch", run_fetcher, pipeline);
    if (r == 0)
        r = start_threads(pipeline->decoders, spec->decode_threads, &pipeline->decoder_count, "decode", run_decoder, pipeline);
    if (r == 0)
        r = thread_start(&pipeline->simulator, "sim", run_simulator, pipeline);
    if (r == 0)
        r = thread_start(&pipeline->collector, "engine", run_collector, pipeline);
    return r;
}

DEFINE_FREEP(pipeline_free, struct pipeline)

int pipeline_new(const struct pipeline_spec *spec, const struct engine_ops *ops, struct engine *engine, struct mailbox *box,
                 struct pipeline **ret, struct why *why)
{
    CLEANUP(pipeline_freep) struct pipeline *pipeline = calloc(1, sizeof(*pipeline));
    if (!pipeline) {
        ops->close(engine);
        return because(why, -ENOMEM, "pipeline: out of memory");
    }
    pipeline->spec = *spec;
    pipeline->ops = ops;
    pipeline->engine = engine;
    pipeline->box = box;
    pipeline->notice = calloc(1, sizeof(*pipeline->notice));
    if (pipeline->notice)
        pipeline->notice->mail.kind = MAIL_BROKEN;
    pthread_mutex_init(&pipeline->break_lock, NULL);
    budget_init(&pipeline->fetched, spec->fetch_bytes);
    budget_init(&pipeline->decoded, spec->decode_bytes ? spec->decode_bytes : SIZE_MAX);
    stage_init(&pipeline->stages[STAGE_FETCH], "fetch", spec->fetch_threads);
    stage_init(&pipeline->stages[STAGE_DECODE], "decode", spec->decode_threads);
    stage_init(&pipeline->stages[STAGE_ENGINE], "engine", ops->info(engine)->threads);
    int r = pipeline->notice ? start(pipeline) : -ENOMEM;
    if (r < 0)
        return because(why, r, "pipeline: cannot start %d + %d threads: %s", spec->fetch_threads, spec->decode_threads, strerror(-r));
    *ret = take(pipeline);
    return 0;
}

static void join_all(struct queue *queue, struct thread *threads, int count)
{
    if (queue)
        queue_close(queue);
    for (int i = 0; i < count; i++)
        thread_join(&threads[i]);
}

/* What a broken engine never gave back goes out as well, spoiled. */
static void let_slots_flow_out(struct pipeline *pipeline)
{
    struct task *task;
    while (pipeline->batcher && (task = batcher_reclaim(pipeline->batcher))) {
        struct work *work = task->work;
        atomic_store(&work->spoiled, true);
        task_fail(task, ROW_FETCH, "the engine broke");
        unhold(pipeline, work);
    }
}

void pipeline_free(struct pipeline *pipeline)
{
    if (!pipeline)
        return;
    join_all(pipeline->fetch_queue, pipeline->fetchers, pipeline->fetcher_count);
    join_all(pipeline->sim_queue, &pipeline->simulator, 1);
    join_all(pipeline->decode_queue, pipeline->decoders, pipeline->decoder_count);
    pipeline->ops->interrupt(pipeline->engine);
    thread_join(&pipeline->collector);
    let_slots_flow_out(pipeline);
    batcher_free(pipeline->batcher);
    pipeline->ops->close(pipeline->engine);
    queue_free(pipeline->fetch_queue);
    queue_free(pipeline->sim_queue);
    queue_free(pipeline->decode_queue);
    budget_done(&pipeline->fetched);
    budget_done(&pipeline->decoded);
    pthread_mutex_destroy(&pipeline->break_lock);
    free(pipeline->notice);
    free(pipeline->fetchers);
    free(pipeline->decoders);
    free(pipeline);
}

void pipeline_submit(struct pipeline *pipeline, struct work *work)
{
    uint32_t sims = 0;
    for (uint32_t i = 0; i < work->count; i++)
        sims += sim_is(&work->tasks[i].item->uri);
    atomic_fetch_add(&pipeline->upstream, work->count);
    /* Two more hands on the work: this one, and the simulator's, which walks it to its end. */
    atomic_fetch_add(&work->unfinished, sims ? 2 : 1);
    for (uint32_t i = 0; i < work->count; i++)
        if (!sim_is(&work->tasks[i].item->uri))
            queue_push(pipeline->fetch_queue, &work->tasks[i]);
    if (sims)
        queue_push(pipeline->sim_queue, work);
    unhold(pipeline, work);
}

const struct engine_info *pipeline_engine(const struct pipeline *pipeline)
{
    return pipeline->ops->info(pipeline->engine);
}

void pipeline_stages(const struct pipeline *pipeline, struct rec_stage *ret)
{
    for (int i = 0; i < STAGE_COUNT; i++)
        ret[i] = stage_record(&pipeline->stages[i]);
}
