/* fetcher.c: threads that read files: fetch queue -> decode queue, within the budget for fetched bytes; and where event loops bring theirs.
 *
 * A read from a mount that is dead may never come back, and nothing ends it from outside. Its thread is left behind then: the task goes on without
 * it, another thread takes its place, and should the mount answer one day, the old one throws away what it got and ends. So a thread that reads
 * touches nothing of the pipeline or its task but with its lock held, where it learns whether they are still its own. */
#include "worker/pipeline_parts.h"

#include "common/clock.h"
#include "worker/fetch.h"

#include <errno.h>
#include <string.h>

#define END_STILL_NS (2 * NS_PER_S) /* at the end nobody waits longer for a read that stands still */
#define LOOK_NS      (50 * NS_PER_MS)

struct fetcher {
    struct thread thread;
    pthread_mutex_t lock;
    struct pipeline *pipeline;  /* NULL: it was left behind */
    struct task *task;          /* being read; NULL: none */
    bool over;                  /* its thread does nothing more */
    bool waits;                 /* for the budget, which is no matter of the file's */
    size_t reserved;            /* bytes of the budget */
    uint64_t moves;
    char uri[LIMIT_URI + 1];    /* the task's own may go while it is read */
    uint64_t seen_moves, still_ns; /* the watch's: how long nothing came */
};

/* ---- the thread ---- */

static int reserve(void *arg, size_t size)
{
    struct fetcher *fetcher = arg;
    pthread_mutex_lock(&fetcher->lock);
    struct pipeline *pipeline = fetcher->pipeline;
    fetcher->waits = pipeline != NULL;
    pthread_mutex_unlock(&fetcher->lock);
    if (!pipeline)
        return -EPIPE;
    size_t most = pipeline->spec.file_bytes;
    stage_leave(&pipeline->stages[STAGE_FETCH]);
    int r = most && size > most ? -E2BIG : 0;
    if (r == 0)
        budget_take(&pipeline->fetched, size);
    stage_enter(&pipeline->stages[STAGE_FETCH]);
    pthread_mutex_lock(&fetcher->lock);
    fetcher->waits = false;
    fetcher->moves++;
    fetcher->reserved = r == 0 ? size : 0;
    pthread_mutex_unlock(&fetcher->lock);
    return r;
}

static int moved(void *arg)
{
    struct fetcher *fetcher = arg;
    pthread_mutex_lock(&fetcher->lock);
    int r = fetcher->pipeline ? 0 : -EPIPE;
    fetcher->moves++;
    if (r == 0)
        stage_move(&fetcher->pipeline->stages[STAGE_FETCH]);
    pthread_mutex_unlock(&fetcher->lock);
    return r;
}

static void begin(struct fetcher *fetcher, struct task *task)
{
    const struct span *uri = &task->item->uri;
    size_t size = uri->size < LIMIT_URI ? uri->size : LIMIT_URI; /* no file has a longer name */
    pthread_mutex_lock(&fetcher->lock);
    memcpy(fetcher->uri, uri->data, size);
    fetcher->uri[size] = '\0';
    fetcher->task = task;
    fetcher->reserved = 0;
    fetcher->moves++;
    stage_enter(&fetcher->pipeline->stages[STAGE_FETCH]);
    pthread_mutex_unlock(&fetcher->lock);
}

/* False: it was left behind meanwhile. */
static bool end(struct fetcher *fetcher)
{
    pthread_mutex_lock(&fetcher->lock);
    bool mine = fetcher->pipeline;
    fetcher->task = NULL;
    if (mine) {
        stage_move(&fetcher->pipeline->stages[STAGE_FETCH]);
        stage_leave(&fetcher->pipeline->stages[STAGE_FETCH]);
    }
    pthread_mutex_unlock(&fetcher->lock);
    return mine;
}

/* Never waits: the queue has room for all that may be inside. */
static void pass_on(struct pipeline *pipeline, struct task *task)
{
    if (queue_push(pipeline->decode_queue, task) < 0) {
        pipeline_free_data(pipeline, task);
        pipeline_spoil(pipeline, task, "the worker is stopping");
    }
}

/* The task is somebody else's afterwards. False: it has been for long. */
static bool fetch_task(struct fetcher *fetcher, struct pipeline *pipeline, struct task *task, uint64_t cpu, uint64_t waited)
{
    struct why why = { "" };
    struct fetch_reader reader = { reserve, moved, pipeline->spec.here, fetcher };
    struct rec_item item = { .uri = { fetcher->uri, task->item->uri.size < LIMIT_URI ? task->item->uri.size : LIMIT_URI } };
    char *data = NULL;
    size_t size = 0;
    begin(fetcher, task);
    enum row_error error = fetch(&item, &reader, &data, &size, &why);
    if (!end(fetcher)) {
        free(data);
        return false;
    }
    stage_count(&pipeline->stages[STAGE_FETCH], cpu, waited, size, error != ROW_OK);
    if (error) {
        budget_give(&pipeline->fetched, fetcher->reserved);
        pipeline_fail(pipeline, task, error, why.text);
        return true;
    }
    task->data = data;
    task->size = size;
    pass_on(pipeline, task);
    return true;
}

static void fetcher_free(struct fetcher *fetcher)
{
    pthread_mutex_destroy(&fetcher->lock);
    free(fetcher);
}

static void end_thread(struct fetcher *fetcher)
{
    pthread_mutex_lock(&fetcher->lock);
    fetcher->over = true;
    pthread_mutex_unlock(&fetcher->lock);
}

static void run(void *arg)
{
    struct fetcher *fetcher = arg;
    struct pipeline *pipeline = fetcher->pipeline;
    void *item;
    for (;;) {
        uint64_t start = clock_now_ns(), cpu = clock_thread_cpu_ns();
        if (queue_pop(pipeline->fetch_queue, &item) < 0) {
            end_thread(fetcher);
            return;
        }
        struct task *task = item;
        if (atomic_load(&task->work->abandoned))
            pipeline_fail(pipeline, task, ROW_FETCH, "abandoned");
        else if (!fetch_task(fetcher, pipeline, task, cpu, clock_now_ns() - start)) {
            fetcher_free(fetcher); /* nobody else knows it */
            return;
        }
    }
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

/* ---- those who wait for it ---- */

static int start(struct pipeline *pipeline, int i)
{
    struct fetcher *fetcher = calloc(1, sizeof(*fetcher));
    if (!fetcher)
        return -ENOMEM;
    fetcher->pipeline = pipeline;
    pthread_mutex_init(&fetcher->lock, NULL);
    int r = thread_start(&fetcher->thread, "fetch", run, fetcher);
    if (r < 0)
        fetcher_free(fetcher);
    else
        pipeline->fetchers[i] = fetcher;
    return r;
}

int fetchers_start(struct pipeline *pipeline)
{
    int r = 0;
    pipeline->fetchers = calloc((size_t)pipeline->spec.fetch_threads, sizeof(struct fetcher *));
    for (int i = 0; pipeline->fetchers && i < pipeline->spec.fetch_threads && r == 0; i++)
        r = start(pipeline, i);
    return pipeline->fetchers ? r : -ENOMEM;
}

/* For how long its file has given nothing. */
static uint64_t stands_for(struct fetcher *fetcher, uint64_t round_ns)
{
    pthread_mutex_lock(&fetcher->lock);
    bool still = fetcher->task && !fetcher->waits && fetcher->moves == fetcher->seen_moves;
    fetcher->seen_moves = fetcher->moves;
    pthread_mutex_unlock(&fetcher->lock);
    fetcher->still_ns = still ? fetcher->still_ns + round_ns : 0;
    return fetcher->still_ns;
}

/* Takes the task away from its thread, which ends by itself; NULL: it has none any more. */
static struct task *leave_behind(struct pipeline *pipeline, int i)
{
    struct fetcher *fetcher = pipeline->fetchers[i];
    pthread_mutex_lock(&fetcher->lock);
    struct task *task = fetcher->waits ? NULL : fetcher->task;
    pthread_t id = fetcher->thread.id;
    size_t reserved = fetcher->reserved;
    if (task)
        fetcher->pipeline = NULL;
    pthread_mutex_unlock(&fetcher->lock);
    if (!task)
        return NULL;
    pthread_detach(id);
    pipeline->fetchers[i] = NULL;
    budget_give(&pipeline->fetched, reserved);
    stage_leave(&pipeline->stages[STAGE_FETCH]);
    stage_count_item(&pipeline->stages[STAGE_FETCH], 0, ROW_TIMEOUT);
    return task;
}

void fetchers_watch(struct pipeline *pipeline, uint64_t round_ns)
{
    uint64_t limit = pipeline->spec.store_timeout_ns;
    char text[160];
    snprintf(text, sizeof(text), "nothing of the file came for %llu s; is it on a mount that is dead? --store-timeout says how long a worker waits",
             (unsigned long long)(limit / NS_PER_S));
    for (int i = 0; i < pipeline->spec.fetch_threads; i++) {
        struct fetcher *fetcher = pipeline->fetchers[i];
        struct task *task = fetcher && stands_for(fetcher, round_ns) > limit && limit ? leave_behind(pipeline, i) : NULL;
        if (task)
            pipeline_fail(pipeline, task, ROW_TIMEOUT, text);
        if (!pipeline->fetchers[i])
            (void)start(pipeline, i); /* if that fails, the next round tries again */
    }
}

/* Looked at again and again: it happens once in a pipeline's life. */
static bool is_over_within(struct fetcher *fetcher, uint64_t ns)
{
    const struct timespec nap = { .tv_nsec = NS_PER_MS };
    bool over = false;
    for (uint64_t until = clock_now_ns() + ns; !over && clock_now_ns() < until;) {
        pthread_mutex_lock(&fetcher->lock);
        over = fetcher->over;
        pthread_mutex_unlock(&fetcher->lock);
        if (!over)
            nanosleep(&nap, NULL);
    }
    return over;
}

void fetchers_end(struct pipeline *pipeline)
{
    for (int i = 0; pipeline->fetchers && i < pipeline->spec.fetch_threads; i++) {
        struct fetcher *fetcher = pipeline->fetchers[i];
        struct task *task = NULL;
        while (fetcher && !task && !is_over_within(fetcher, LOOK_NS))
            task = stands_for(fetcher, LOOK_NS) > END_STILL_NS ? leave_behind(pipeline, i) : NULL;
        if (task)
            pipeline_spoil(pipeline, task, "the worker is stopping");
        else if (fetcher) {
            thread_join(&fetcher->thread);
            fetcher_free(fetcher);
        }
    }
    free(pipeline->fetchers);
}
