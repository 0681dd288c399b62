#include "tests/gpu/whole.h"

#include "common/cleanup.h"
#include "worker/engines/cudnn_build.h"
#include "worker/engines/cudnn_wait.h"

#include <string.h>

#define TIMES      7  /* whose median counts */
#define PLANS_MOST 96

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static int run_steps(struct device *device, int first, int last, struct why *why)
{
    struct net *net = &device->net;
    int r = 0;
    if (first < 0) {
        net->normalise.pixels = device->lanes[0].pixels;
        r = net->gpu->ops->normalise(net->gpu, net->stream, &net->normalise, why);
    }
    for (int i = first < 0 ? 0 : first; i < last && r == 0; i++)
        r = net_run_step(net, i, why);
    return r;
}

static int capture(struct device *device, int first, int last, int runs, struct gpu_graph **ret, struct why *why)
{
    struct gpu *gpu = device->gpu;
    int r = gpu->ops->capture_begin(gpu, device->stream, why);
    if (r < 0)
        return r;
    for (int i = 0; i < runs && r == 0; i++)
        r = run_steps(device, first, last, why);
    int ended = gpu->ops->capture_end(gpu, device->stream, ret, r < 0 ? NULL : why);
    return r < 0 ? r : ended;
}

static int launch(struct device *device, struct gpu_graph *graph, float *ret_ms, struct why *why)
{
    const struct gpu_ops *ops = device->gpu->ops;
    struct lane *lane = &device->lanes[0];
    int r;
    if ((r = ops->event_record(device->gpu, lane->begun, device->stream, why)) < 0 ||
        (r = ops->graph_launch(device->gpu, graph, device->stream, why)) < 0 ||
        (r = ops->event_record(device->gpu, lane->done, device->stream, why)) < 0 || (r = wait_event(device->gpu, lane->done, why)) < 0)
        return r;
    return ops->event_between(device->gpu, lane->begun, lane->done, ret_ms, why);
}

int whole_time(struct device *device, int first, int last, int runs, double *ret_ms, struct why *why)
{
    struct gpu_graph *graph = NULL;
    double ms[TIMES];
    float it = 0;
    int r = run_steps(device, first, last, why); /* what is loaded on first use, cannot be while it is recorded */
    if (r == 0)
        r = capture(device, first, last, runs, &graph, why);
    for (int i = -1; i < TIMES && r == 0; i++) { /* the first one warms up */
        r = launch(device, graph, &it, why);
        if (i >= 0)
            ms[i] = (double)it / runs;
    }
    device->gpu->ops->graph_free(device->gpu, graph);
    if (r == 0) {
        qsort(ms, TIMES, sizeof(ms[0]), by_value);
        *ret_ms = ms[TIMES / 2];
    }
    return r;
}

/* ---- rivals ---------------------------------------------------------------------------------------------------------------- */

struct rival {
    char text[BOOK_TEXT_MAX];
    float ms;
};

static int by_time(const void *a, const void *b)
{
    const struct rival *left = a, *right = b;
    return (left->ms > right->ms) - (left->ms < right->ms);
}

/* All plans of a shape that run, by themselves, the fastest first; returns how many, or an error. */
static int find_rivals(struct device *device, struct tuner *tuner, int shape, const struct conv_memory *memory, struct rival *rivals, struct why *why)
{
    struct gpu *gpu = device->gpu;
    struct gpu_plan *plans[PLANS_MOST];
    struct plan_wish wish = { .most = PLANS_MOST, .workspace = PLAN_WORKSPACE_MAX };
    int count = 0, left = 0, r = gpu->ops->plan_list(gpu, &device->net.shapes[shape], &wish, plans, &count, why);
    for (int i = 0; i < count; i++) {
        float ms;
        if (r == 0 && tuner_time(tuner, plans[i], memory, 5, &ms, why) == 0) {
            snprintf(rivals[left].text, sizeof(rivals[left].text), "%s", plans[i]->text);
            rivals[left++].ms = ms;
        }
        gpu->ops->plan_free(gpu, plans[i]);
    }
    qsort(rivals, (size_t)left, sizeof(*rivals), by_time);
    return r < 0 ? r : left;
}

/* Every step of the shape has this plan from now on. */
static int set_plan(struct device *device, int shape, const char *text, struct why *why)
{
    struct net *net = &device->net;
    for (int i = 0; i < net->count; i++) {
        struct gpu_plan *plan;
        if (net->steps[i].shape != shape)
            continue;
        int r = net->gpu->ops->plan_load(net->gpu, &net->shapes[shape], text, &plan, why);
        if (r < 0)
            return r;
        net->gpu->ops->plan_free(net->gpu, net->steps[i].plan);
        net->steps[i].plan = plan;
    }
    return 0;
}

static const struct net_step *first_with(const struct net *net, int shape)
{
    int i = 0;
    while (net->steps[i].shape != shape)
        i++;
    return &net->steps[i];
}

static int try_shape(struct device *device, struct tuner *tuner, int shape, int most, double *best_ms, struct why *why)
{
    struct net *net = &device->net;
    struct rival rivals[PLANS_MOST];
    const struct net_step *step = first_with(net, shape);
    struct conv_memory memory = net_memory_of(net, step);
    char name[SHAPE_TEXT], chosen[BOOK_TEXT_MAX];
    conv_shape_text(&net->shapes[shape], name);
    snprintf(chosen, sizeof(chosen), "%s", step->plan->text);
    int count = find_rivals(device, tuner, shape, &memory, rivals, why), r = 0;
    for (int i = 0; i < count && i < most && r == 0; i++) {
        double ms;
        if ((r = set_plan(device, shape, rivals[i].text, why)) < 0 || (r = whole_time(device, -1, net->count, 1, &ms, why)) < 0)
            return r;
        printf("whole %.4f %.4f %s%s | %s\n", ms, (double)rivals[i].ms, strcmp(rivals[i].text, chosen) ? "" : "(chosen) ", name, rivals[i].text);
        if (ms < *best_ms) {
            *best_ms = ms;
            memcpy(chosen, rivals[i].text, sizeof(chosen));
        }
    }
    return count < 0 ? count : r < 0 ? r : set_plan(device, shape, chosen, why);
}

int whole_rivals(struct device *device, int rivals, struct why *why)
{
    struct book none = { 0 };
    struct tuner tuner;
    double before = 0, best, after = 0;
    int r = tuner_init(&tuner, device->gpu, device->stream, &none, why);
    if (r == 0)
        r = whole_time(device, -1, device->net.count, 1, &before, why);
    best = before;
    for (int i = 0; i < device->net.shape_count && r == 0; i++)
        r = try_shape(device, &tuner, i, rivals, &best, why);
    if (r == 0)
        r = whole_time(device, -1, device->net.count, 1, &after, why);
    if (r == 0)
        printf("rivals %.4f %.4f\n", before, after);
    tuner_done(&tuner);
    return r;
}

/* ---- split ----------------------------------------------------------------------------------------------------------------- */

int whole_split(struct device *device, struct why *why)
{
    struct net *net = &device->net;
    double ms, rest;
    int last = 0;
    while (last < net->count && strncmp(net->steps[last].layer.name, "layer3", strlen("layer3")))
        last++;
    int r = whole_time(device, -1, last, 8, &ms, why);
    if (r == 0)
        r = whole_time(device, last, net->count, 8, &rest, why);
    if (r == 0)
        printf("split %d %.4f %.4f\n", net->batch, ms, rest);
    return r;
}
