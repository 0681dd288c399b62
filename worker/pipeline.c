#include "worker/pipeline_parts.h"

#include "common/clock.h"
#include "worker/fetch.h"
#include "worker/sim.h"

#include <errno.h>
#include <string.h>

#define BLOCKS_KEPT ((size_t)32 << 20) /* bytes of free memory that are kept for the next files */

/* ---- ends of a task ---- */

void pipeline_broke(struct pipeline *pipeline, int r, const struct why *why)
{
    if (r == -EPIPE)
        return;
    pthread_mutex_lock(&pipeline->break_lock);
    struct pipeline_notice *notice = take(pipeline->notice);
    if (notice) {
        notice->r = r;
        notice->why = *why;
        mailbox_post(pipeline->box, &notice->mail);
        pipeline->ops->interrupt(pipeline->engine);
    }
    pthread_mutex_unlock(&pipeline->break_lock);
}

void pipeline_unhold(struct pipeline *pipeline, struct work *work)
{
    if (atomic_fetch_sub(&work->unfinished, 1) == 1)
        mailbox_post(pipeline->box, &work->mail);
}

void pipeline_placed(struct work *work)
{
    atomic_fetch_sub(&work->upstream, 1);
}

void pipeline_left_upstream(struct pipeline *pipeline)
{
    if (atomic_fetch_sub(&pipeline->upstream, 1) != 1)
        return;
    struct why why;
    int r = batcher_flush(pipeline->batcher, &why);
    if (r < 0)
        pipeline_broke(pipeline, r, &why);
}

void pipeline_fail(struct pipeline *pipeline, struct task *task, enum row_error error, const char *detail)
{
    struct work *work = task->work;
    task_fail(task, error, detail);
    atomic_fetch_sub(&work->upstream, 1);
    pipeline_unhold(pipeline, work);
    pipeline_left_upstream(pipeline);
}

void pipeline_spoil(struct pipeline *pipeline, struct task *task, const char *detail)
{
    atomic_store(&task->work->spoiled, true);
    pipeline_fail(pipeline, task, ROW_FETCH, detail);
}

void pipeline_free_data(struct pipeline *pipeline, struct task *task)
{
    if (task->data)
        budget_give(&pipeline->fetched, task->size);
    blocks_give(&pipeline->blocks, task->data, task->size);
    task->data = NULL;
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
    pipeline->decoders = calloc((size_t)spec->decode_threads, sizeof(struct thread));
    pipeline->watched = calloc((size_t)spec->decode_threads, sizeof(struct watched));
    if (!pipeline->decoders || !pipeline->watched)
        return -ENOMEM;
    /* Twice: what an abandoned job left behind may still be there. */
    int r = queue_new(2 * spec->window, &pipeline->fetch_queue);
    if (r == 0)
        r = queue_new(2 * spec->window, &pipeline->sim_queue);
    if (r == 0)
        r = queue_new(2 * spec->window, &pipeline->decode_queue); /* an event loop must not wait there; bytes are bounded by the budget */
    if (r == 0)
        r = batcher_new(pipeline->ops, pipeline->engine, spec->crumbs, &pipeline->batcher);
    if (r == 0)
        r = fetchers_start(pipeline);
    if (r == 0)
        r = start_threads(pipeline->decoders, spec->decode_threads, &pipeline->decoder_count, "decode", decoder_run, pipeline);
    if (r == 0)
        r = thread_start(&pipeline->simulator, "sim", simulator_run, pipeline);
    if (r == 0)
        r = thread_start(&pipeline->collector, "engine", collector_run, pipeline);
    return r;
}

static int start_loops(struct pipeline *pipeline, struct why *why)
{
    const struct pipeline_spec *spec = &pipeline->spec;
    struct loops_spec loops = {
        .threads = spec->fetch_loops,
        .concurrency = spec->fetch_concurrency,
        .file_bytes = spec->file_bytes && spec->file_bytes < FETCH_MAX_FILE ? spec->file_bytes : FETCH_MAX_FILE,
        .stall_ns = spec->fetch_stall_ns,
        .store_timeout_ns = spec->store_timeout_ns,
        .alone = spec->alone,
        .s3 = spec->s3,
        .budget = &pipeline->fetched,
        .blocks = &pipeline->blocks,
        .stage = &pipeline->stages[STAGE_FETCH],
        .done = fetcher_done,
        .arg = pipeline,
    };
    return spec->fetch_loops ? loops_new(&loops, &pipeline->loops, why) : 0;
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
    blocks_init(&pipeline->blocks, spec->fetch_bytes / 8 < BLOCKS_KEPT ? spec->fetch_bytes / 8 : BLOCKS_KEPT);
    budget_init(&pipeline->decoded, spec->decode_bytes ? spec->decode_bytes : SIZE_MAX);
    stage_init(&pipeline->stages[STAGE_FETCH], "fetch", spec->fetch_threads + spec->fetch_loops);
    stage_init(&pipeline->stages[STAGE_DECODE], "decode", spec->decode_threads);
    stage_init(&pipeline->stages[STAGE_ENGINE], "engine", ops->info(engine)->threads);
    int r = pipeline->notice ? start(pipeline) : -ENOMEM;
    if (r < 0)
        return because(why, r, "pipeline: cannot start %d + %d threads: %s", spec->fetch_threads, spec->decode_threads, strerror(-r));
    r = start_loops(pipeline, why);
    if (r < 0)
        return r;
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
        pipeline_unhold(pipeline, work);
    }
}

void pipeline_free(struct pipeline *pipeline)
{
    if (!pipeline)
        return;
    if (pipeline->fetch_queue)
        queue_close(pipeline->fetch_queue);
    fetchers_end(pipeline);
    loops_free(pipeline->loops);
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
    blocks_done(&pipeline->blocks);
    budget_done(&pipeline->decoded);
    pthread_mutex_destroy(&pipeline->break_lock);
    free(pipeline->notice);
    free(pipeline->decoders);
    free(pipeline->watched);
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
    for (uint32_t i = 0; i < work->count; i++) {
        struct task *task = &work->tasks[i];
        if (pipeline->loops && loops_takes(&task->item->uri))
            loops_submit(pipeline->loops, task);
        else if (!sim_is(&task->item->uri))
            queue_push(pipeline->fetch_queue, task);
    }
    if (sims)
        queue_push(pipeline->sim_queue, work);
    pipeline_unhold(pipeline, work);
}

void pipeline_abandoned(struct pipeline *pipeline)
{
    if (pipeline->loops)
        loops_poke(pipeline->loops);
}

bool pipeline_is_remote(const struct work *work)
{
    for (uint32_t i = 0; i < work->count; i++)
        if (loops_takes(&work->tasks[i].item->uri))
            return true;
    return false;
}

const struct engine_info *pipeline_engine(const struct pipeline *pipeline)
{
    return pipeline->ops->info(pipeline->engine);
}

void pipeline_stages(const struct pipeline *pipeline, struct rec_stage *ret)
{
    for (int i = 0; i < STAGE_COUNT; i++) {
        ret[i] = stage_record(&pipeline->stages[i]);
        ret[i].still_ms = still_ns(pipeline, i) / NS_PER_MS;
    }
    ret[STAGE_ENGINE].active = batcher_submitted(pipeline->batcher);
}
