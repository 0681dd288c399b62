/* cudnn_tune.c: two rounds: every plan a few times, then the few best often. Untuned, the library's favourite, or the next that runs. */
#include "worker/engines/cudnn_tune.h"

#include "worker/engines/cudnn_losses.h"
#include "worker/engines/cudnn_wait.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLANS_MAX     96
#define FIRST_RUNS    3
#define FINALISTS     5
#define FINAL_RUNS    10
#define FINAL_REPEATS 5    /* whose median counts */
#define EQUAL         1.02f /* times as slow is as fast */
#define HOPELESS      4     /* times as slow as the fastest so far, and SLACK_MS: it is not measured any further */
#define SLACK_MS      0.1f  /* for the processor, which launches what is not in a graph */

struct candidate {
    struct gpu_plan *plan;
    int order;   /* the library's */
    float ms;
};

int tuner_init(struct tuner *tuner, struct gpu *gpu, struct gpu_stream *stream, const struct book *book, struct why *why)
{
    *tuner = (struct tuner){ .gpu = gpu, .stream = stream, .book = book };
    int r = gpu->ops->event_new(gpu, &tuner->from, why);
    return r < 0 ? r : gpu->ops->event_new(gpu, &tuner->to, why);
}

void tuner_done(struct tuner *tuner)
{
    if (!tuner->gpu)
        return;
    tuner->gpu->ops->event_free(tuner->gpu, tuner->from);
    tuner->gpu->ops->event_free(tuner->gpu, tuner->to);
    memset(tuner, 0, sizeof(*tuner));
}

/* It waits for what runs, and that may be for ever. */
static void free_graph(struct gpu *gpu, struct gpu_graph *graph)
{
    if (!atomic_load(&gpu->hung))
        gpu->ops->graph_free(gpu, graph);
}

/* The capture is ended in any case. */
static int capture(struct tuner *tuner, struct gpu_plan *plan, const struct conv_memory *memory, int runs, struct gpu_graph **ret,
                   struct why *why)
{
    struct gpu *gpu = tuner->gpu;
    struct gpu_graph *graph = NULL;
    int r = gpu->ops->capture_begin(gpu, tuner->stream, why);
    if (r < 0)
        return r;
    for (int i = 0; i < runs && r == 0; i++)
        r = gpu->ops->plan_run(gpu, tuner->stream, plan, memory, why);
    int ended = gpu->ops->capture_end(gpu, tuner->stream, &graph, r < 0 ? NULL : why);
    if (r == 0 && ended == 0)
        *ret = graph;
    else
        free_graph(gpu, graph);
    return r < 0 ? r : ended;
}

static int begin(struct tuner *tuner, struct why *why)
{
    return tuner->gpu->ops->event_record(tuner->gpu, tuner->from, tuner->stream, why);
}

/* Milliseconds of what was enqueued since begin(). */
static int end(struct tuner *tuner, float *ret_ms, struct why *why)
{
    const struct gpu_ops *ops = tuner->gpu->ops;
    int r;
    if ((r = ops->event_record(tuner->gpu, tuner->to, tuner->stream, why)) < 0 || (r = wait_event(tuner->gpu, tuner->to, why)) < 0)
        return r;
    return ops->event_between(tuner->gpu, tuner->from, tuner->to, ret_ms, why);
}

static int time_graph(struct tuner *tuner, struct gpu_graph *graph, float *ret_ms, struct why *why)
{
    int r = begin(tuner, why);
    if (r == 0)
        r = tuner->gpu->ops->graph_launch(tuner->gpu, graph, tuner->stream, why);
    return r < 0 ? r : end(tuner, ret_ms, why);
}

static int by_time(const void *a, const void *b)
{
    const struct candidate *left = a, *right = b;
    if (left->ms != right->ms)
        return left->ms < right->ms ? -1 : 1;
    return left->order - right->order;
}

static int compare_floats(const void *a, const void *b)
{
    float left = *(const float *)a, right = *(const float *)b;
    return (left > right) - (left < right);
}

/* Outside a capture first: what a library loads on first use, it cannot load while it is recorded. */
static int run_once(struct tuner *tuner, struct gpu_plan *plan, const struct conv_memory *memory, struct why *why)
{
    int r = tuner->gpu->ops->plan_run(tuner->gpu, tuner->stream, plan, memory, why);
    return r < 0 ? r : wait_stream(tuner->gpu, tuner->stream, why);
}

/* As launched, without a graph. */
static int time_once(struct tuner *tuner, struct gpu_plan *plan, const struct conv_memory *memory, float *ret_ms, struct why *why)
{
    int r = begin(tuner, why);
    if (r == 0)
        r = tuner->gpu->ops->plan_run(tuner->gpu, tuner->stream, plan, memory, why);
    return r < 0 ? r : end(tuner, ret_ms, why);
}

static bool is_hopeless(const struct tuner *tuner, float ms)
{
    return ms > HOPELESS * tuner->fastest_ms + SLACK_MS;
}

/* The better of two, since the processor may be busy with something else; of one, if that is good enough. */
static int time_twice(struct tuner *tuner, struct gpu_plan *plan, const struct conv_memory *memory, float *ret_ms, struct why *why)
{
    float again;
    int r = time_once(tuner, plan, memory, ret_ms, why);
    if (r < 0 || !is_hopeless(tuner, *ret_ms))
        return r;
    r = time_once(tuner, plan, memory, &again, why);
    *ret_ms = r == 0 && again < *ret_ms ? again : *ret_ms;
    return r;
}

/* What is hopeless has the time of a launch without a graph. */
static int time_runs(struct tuner *tuner, struct gpu_plan *plan, const struct conv_memory *memory, int runs, int repeats, float *ret_ms,
                     struct why *why)
{
    struct gpu_graph *graph = NULL;
    float ms[FINAL_REPEATS] = { 0 };
    int r = run_once(tuner, plan, memory, why);
    if (r == 0 && tuner->fastest_ms > 0 && ((r = time_twice(tuner, plan, memory, ret_ms, why)) < 0 || is_hopeless(tuner, *ret_ms)))
        return r;
    if (r == 0)
        r = capture(tuner, plan, memory, runs, &graph, why);
    if (r < 0)
        return r;
    r = time_graph(tuner, graph, &ms[0], why); /* warms up */
    for (int i = 0; i < repeats && r == 0; i++)
        r = time_graph(tuner, graph, &ms[i], why);
    free_graph(tuner->gpu, graph);
    qsort(ms, (size_t)repeats, sizeof(ms[0]), compare_floats);
    *ret_ms = ms[repeats / 2] / (float)runs;
    return r;
}

/* The median of `repeats` timings, a run; one without a graph of what is hopeless. */
static int time_plan(struct tuner *tuner, struct gpu_plan *plan, const struct conv_memory *memory, int runs, int repeats, float *ret_ms,
                     struct why *why)
{
    int r = time_runs(tuner, plan, memory, runs, repeats, ret_ms, why);
    if (r == -ENOTRECOVERABLE)
        snprintf(tuner->lost_with, sizeof(tuner->lost_with), "%s", plan->text);
    return r;
}

int tuner_time(struct tuner *tuner, struct gpu_plan *plan, const struct conv_memory *memory, int runs, float *ret_ms, struct why *why)
{
    return time_plan(tuner, plan, memory, runs, 1, ret_ms, why);
}

bool tuner_is_fatal(int r)
{
    return r == -ENOTRECOVERABLE || r == -ENODEV || r == -ENOMEM;
}

/* Times the first `count` again; those that cannot run leave. Returns how many are left, sorted, or a fatal error. */
static int run_round(struct tuner *tuner, struct candidate *candidates, int count, const struct conv_memory *memory, int runs, int repeats,
                     struct why *why)
{
    int left = 0;
    tuner->fastest_ms = 0;
    for (int i = 0; i < count; i++) {
        struct candidate it = candidates[i];
        int r = time_plan(tuner, it.plan, memory, runs, repeats, &it.ms, why);
        if (tuner_is_fatal(r))
            return r;
        if (r == 0) {
            candidates[left++] = it;
            tuner->fastest_ms = left == 1 || it.ms < tuner->fastest_ms ? it.ms : tuner->fastest_ms;
        }
    }
    qsort(candidates, (size_t)left, sizeof(*candidates), by_time);
    while (left > 1 && is_hopeless(tuner, candidates[left - 1].ms))
        left--;
    tuner->fastest_ms = 0;
    return left;
}

/* The library's favourite among those that are as fast as the fastest. */
static const struct candidate *favourite(const struct candidate *candidates, int count)
{
    const struct candidate *best = &candidates[0];
    for (int i = 1; i < count; i++)
        if (candidates[i].ms <= candidates[0].ms * EQUAL && candidates[i].order < best->order)
            best = &candidates[i];
    return best;
}

static int measure(struct tuner *tuner, struct gpu_plan **plans, int count, const struct conv_memory *memory, const char **ret, struct why *why)
{
    struct candidate candidates[PLANS_MAX];
    for (int i = 0; i < count; i++)
        candidates[i] = (struct candidate){ plans[i], i, 0 };
    int left = run_round(tuner, candidates, count, memory, FIRST_RUNS, 1, why);
    if (left > 1)
        left = run_round(tuner, candidates, left < FINALISTS ? left : FINALISTS, memory, FINAL_RUNS, FINAL_REPEATS, why);
    if (left < 0)
        return left;
    if (left == 0)
        return because_in(why, -ENOTSUP, "none of %d plans runs; the last", count);
    *ret = favourite(candidates, left)->plan->text;
    return 0;
}

static int first_that_runs(struct tuner *tuner, struct gpu_plan **plans, int count, const struct conv_memory *memory, const char **ret,
                           struct why *why)
{
    float ms;
    for (int i = 0; i < count; i++) {
        int r = time_plan(tuner, plans[i], memory, 1, 1, &ms, why);
        if (tuner_is_fatal(r))
            return r;
        if (r < 0)
            continue;
        *ret = plans[i]->text;
        return 0;
    }
    return because_in(why, -ENOTSUP, "none of %d plans runs; the last", count);
}

typedef int chooser(struct tuner *tuner, struct gpu_plan **plans, int count, const struct conv_memory *memory, const char **ret, struct why *why);

/* Those that the book forbids leave. Returns how many are left, in their order. */
static int sort_out(struct tuner *tuner, struct gpu_plan **plans, int count)
{
    int left = 0;
    for (int i = 0; i < count; i++)
        if (losses_forbid(tuner->book, plans[i]->text))
            tuner->gpu->ops->plan_free(tuner->gpu, plans[i]);
        else
            plans[left++] = plans[i];
    return left;
}

/* Of the plans that the libraries have. */
static int choose_of(struct tuner *tuner, const struct conv_shape *shape, const struct conv_memory *memory, const struct plan_wish *wish,
                     chooser *choose, char **ret_text, struct why *why)
{
    struct gpu *gpu = tuner->gpu;
    struct gpu_plan *plans[PLANS_MAX];
    const char *text = NULL;
    int count = 0, r = gpu->ops->plan_list(gpu, shape, wish, plans, &count, why);
    if (r < 0)
        return r;
    int listed = count;
    count = sort_out(tuner, plans, listed);
    if (!count && listed)
        return because(why, -ENOTSUP, "the GPU was lost with each of %d plans, as the file of tuned plans says", listed);
    r = choose(tuner, plans, count, memory, &text, why);
    char *copy = text ? strdup(text) : NULL;
    for (int i = 0; i < count; i++)
        gpu->ops->plan_free(gpu, plans[i]);
    if (r == 0 && !copy)
        return because(why, -ENOMEM, "out of memory");
    *ret_text = copy;
    return r;
}

int tuner_choose(struct tuner *tuner, const struct conv_shape *shape, const struct conv_memory *memory, bool first, char **ret_text,
                 struct why *why)
{
    /* Its favourite nearly always runs, and looking for the others takes time. */
    struct plan_wish wish = { .most = first ? 1 : PLANS_MAX, .workspace = PLAN_WORKSPACE_MAX };
    struct plan_wish all = { .most = PLANS_MAX, .workspace = PLAN_WORKSPACE_MAX, .last_resort = true };
    chooser *choose = first ? first_that_runs : measure;
    int r = choose_of(tuner, shape, memory, &wish, choose, ret_text, why);
    return r == -ENOTSUP ? choose_of(tuner, shape, memory, &all, choose, ret_text, why) : r;
}
