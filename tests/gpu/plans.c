/* plans [DEVICE [FORMAT [NETWORK [BATCH [HEIGHT]]]]]: which convolutions cuDNN can compute, on GPUs that need not be here.
 *
 * For every device, number format, network and batch, or only those given ("-" is any, and a part of a device's name will do), one line:
 *
 *     H200 f16 resnet50 256: 24 shapes, 24 fused, plans 12..40, workspace 0.1 MB
 *
 * fused: shapes whose graph reached the precompiled fused family and has at least one plan that finalises, and whose first plans are the
 * same again when they are made from their texts. plans: fewest and most of a shape. workspace: what the first plans want at most.
 *
 * plans --untuned [DEVICE [FORMAT [NETWORK [BATCH [HEIGHT]]]]]: how long cuDNN takes for what `--tune off` asks of it: the first plan of each shape,
 * and a plan from its text for each layer. Loading the libraries is part of the first line's time. */
#include "common/cleanup.h"
#include "tests/gpu/devices.h"
#include "worker/engines/gpu_conv.h"
#include "worker/engines/cudnn_shapes.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PLANS_MAX 64
#define REPEATED  6 /* plans of a shape that are made from their texts again */

struct result {
    int shapes, fused, fewest, most;
    size_t workspace;
    struct why why; /* of the last shape that has no plan */
};

static size_t plan_json(const struct conv_plan *plan, char *text, size_t size)
{
    int64_t count = 0;
    if (cudnnBackendGetAttribute(plan->descriptor, CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, (int64_t)size, &count, text))
        return 0;
    return (size_t)count;
}

/* Does the text give the same plan again, in cuDNN's own words? */
static bool is_repeatable(const struct conv_graph *graph, const struct conv_plan *plan, struct why *why)
{
    static char first[1 << 16], second[1 << 16];
    CLEANUP(conv_plan_freep) struct conv_plan *again = NULL;
    if (conv_graph_load(graph, plan->plan.text, &again, why) < 0)
        return false;
    size_t size = plan_json(plan, first, sizeof(first));
    if (size && plan_json(again, second, sizeof(second)) == size && !memcmp(first, second, size) && strstr(first, "CONV_ADD_BIAS_ACT"))
        return true;
    because(why, 0, "plan \"%s\" is another one when it is made from its text", plan->plan.text);
    return false;
}

static bool are_repeatable(const struct conv_graph *graph, struct conv_plan *const *plans, int count, struct why *why)
{
    for (int i = 0; i < count; i++)
        if (!is_repeatable(graph, plans[i], why))
            return false;
    return true;
}

static void try_shape(const struct conv_shape *given, struct conv_target target, struct result *result)
{
    struct conv_shape scaled = *given, *shape = &scaled;
    scaled.sum_scale = 0.0123f; /* looked at in s8 only; 1 might be a special case */
    scaled.residual_scale = 0.77f;
    struct conv_graph graph;
    struct conv_plan *plans[PLANS_MAX];
    struct conv_search search = { .wish = { .most = PLANS_MAX, .workspace = PLAN_WORKSPACE_MAX, .last_resort = true } };
    int64_t engines = 0;
    result->shapes++;
    if (conv_graph_init(&graph, shape, target, &result->why) < 0)
        return;
    if (conv_graph_engines(&graph, &engines, &result->why) == 0 && conv_graph_plans(&graph, &search, plans, &result->why) == 0) {
        if (engines < GRAPH_FUSED_ENGINES)
            because(&result->why, 0, "not the fused family: %d engines", (int)engines);
        else
            result->fused += are_repeatable(&graph, plans, search.plans < REPEATED ? search.plans : REPEATED, &result->why);
        result->workspace = plans[0]->plan.workspace > result->workspace ? plans[0]->plan.workspace : result->workspace;
    }
    result->fewest = result->shapes == 1 || search.plans < result->fewest ? search.plans : result->fewest;
    result->most = search.plans > result->most ? search.plans : result->most;
    for (int i = 0; i < search.plans; i++)
        conv_plan_free(plans[i]);
    conv_graph_done(&graph);
}

static void try_network(const struct network *network, enum number_format format, int batch, int side, struct conv_target target,
                        struct result *result)
{
    struct conv_shape shapes[NETWORK_LAYERS_MAX];
    int count = conv_shapes(network, (struct plane){ side, side }, batch, format, shapes, NULL);
    for (int i = 0; i < count; i++)
        try_shape(&shapes[i], target, result);
}

/* One line; whether every shape is fused. */
static bool report(const struct device *device, const struct network *network, enum number_format format, int batch, int side,
                   struct conv_target target)
{
    struct result result = { 0 };
    try_network(network, format, batch, side, target, &result);
    bool good = result.fused == result.shapes;
    printf("%s %s %s %d: %d shapes, %d fused, plans %d..%d, workspace %.1f MB%s%s\n", device->name, number_name(format), network->name, batch,
           result.shapes, result.fused, result.fewest, result.most, (double)result.workspace / 1e6, good ? "" : ": ",
           good ? "" : result.why.text);
    fflush(stdout);
    return good;
}

/* ---- without tuning ------------------------------------------------------------------------------------------------------- */

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The text of the first plan, to be freed. */
static char *first_plan(const struct conv_shape *shape, struct conv_target target, struct why *why)
{
    struct conv_graph graph;
    struct conv_plan *plan = NULL;
    struct conv_search search = { .wish = { .most = 1, .workspace = PLAN_WORKSPACE_MAX } };
    if (conv_graph_init(&graph, shape, target, why) < 0)
        return NULL;
    char *text = conv_graph_plans(&graph, &search, &plan, why) == 0 ? strdup(plan->plan.text) : NULL;
    conv_plan_free(plan);
    conv_graph_done(&graph);
    return text;
}

static bool make_plan(const struct conv_shape *shape, struct conv_target target, const char *text, struct why *why)
{
    struct conv_graph graph;
    struct conv_plan *plan = NULL;
    bool made = conv_graph_init(&graph, shape, target, why) == 0;
    if (made) {
        made = conv_graph_load(&graph, text, &plan, why) == 0;
        conv_graph_done(&graph);
    }
    conv_plan_free(plan);
    return made;
}

static bool report_untuned(const struct device *device, const struct network *network, enum number_format format, int batch, int side,
                           struct conv_target target)
{
    struct conv_shape shapes[NETWORK_LAYERS_MAX];
    int of[NETWORK_LAYERS_MAX], layers = 0, count = conv_shapes(network, (struct plane){ side, side }, batch, format, shapes, of);
    char *texts[NETWORK_LAYERS_MAX] = { NULL };
    struct why why = { "" };
    double start = now_s();
    bool good = true;
    for (int i = 0; i < count && good; i++)
        good = (texts[i] = first_plan(&shapes[i], target, &why)) != NULL;
    double found = now_s();
    for (int i = 0; i < network->count && good; i++) {
        layers += of[i] >= 0;
        good = of[i] < 0 || make_plan(&shapes[of[i]], target, texts[of[i]], &why);
    }
    printf("%s %s %s %d: %d first plans in %.2f s, %d plans from texts in %.2f s%s%s\n", device->name, number_name(format), network->name, batch,
           count, found - start, layers, now_s() - found, good ? "" : ": ", good ? "" : why.text);
    for (int i = 0; i < count; i++)
        free(texts[i]);
    return good;
}

/* ---- what is asked for on the command line -------------------------------------------------------------------------------- */

struct wish {
    const char *device, *format, *network, *batch;
    int side; /* of the image, pixels */
    bool untuned;
};

static bool is_wished(const char *wish, const char *name)
{
    return !strcmp(wish, "-") || !strcmp(wish, name);
}

/* How many lines are not good. */
static int try_batches(const struct device *device, const struct network *network, enum number_format format, const struct wish *wish,
                       struct conv_target target)
{
    static const int batches[] = { 1, 64, 256 };
    int bad = 0;
    for (size_t b = 0; b < ARRAY_SIZE(batches); b++) {
        char text[16];
        snprintf(text, sizeof(text), "%d", batches[b]);
        if (is_wished(wish->batch, text))
            bad += !(wish->untuned ? report_untuned : report)(device, network, format, batches[b], wish->side, target);
    }
    return bad;
}

static int try_device(const struct device *device, const struct wish *wish)
{
    struct conv_target target;
    const struct network *network;
    struct why why;
    int bad = 0;
    if (conv_target_simulated(device->properties, &target, &why) < 0) {
        fprintf(stderr, "%s: %s\n", device->name, why.text);
        return 1;
    }
    for (int format = NUMBER_F32; format <= NUMBER_S8; format++)
        for (int n = 0; (network = network_at(n)); n++)
            if (is_wished(wish->format, number_name((enum number_format)format)) && is_wished(wish->network, network->name))
                bad += try_batches(device, network, (enum number_format)format, wish, target);
    conv_target_done(&target);
    return bad;
}

/* A word of the device's name: "A10" is no "A100". */
static bool is_named(const char *name, const char *wish)
{
    const char *at = strstr(name, wish);
    return at && (at[strlen(wish)] < '0' || at[strlen(wish)] > '9');
}

int main(int argc, char **argv)
{
    bool untuned = argc > 1 && !strcmp(argv[1], "--untuned");
    argc -= untuned;
    argv += untuned;
#define ARGUMENT(i) (argc > (i) ? argv[i] : "-")
    struct wish wish = { ARGUMENT(1), ARGUMENT(2), ARGUMENT(3), ARGUMENT(4), argc > 5 ? atoi(argv[5]) : 224, untuned };
    int bad = 0;
    for (size_t d = 0; d < ARRAY_SIZE(devices); d++)
        if (!strcmp(wish.device, "-") || is_named(devices[d].name, wish.device))
            bad += try_device(&devices[d], &wish);
    return bad > 0;
}
