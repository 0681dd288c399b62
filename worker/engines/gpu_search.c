/* gpu_search.c: the plans of a graph: what the heuristics name, what a text says (gpu_recipe.c), and running one. */
#include "worker/engines/gpu_chain.h"
#include "worker/engines/gpu_conv.h"
#include "worker/engines/gpu_recipe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CONFIGS_MAX 256
#define TEXT_MAX    512 /* bytes of a plan's text */
#define FEW         8 /* plans, with which those of the last resort are looked at without being asked for */

/* The notes of an engine as a set of bits. */
static unsigned int notes(struct chain *chain, descriptor engine, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type)
{
    int values[32];
    int64_t count = chain_get(chain, engine, name, type, 32, values);
    unsigned int bits = 0;
    for (int64_t i = 0; i < count && i < 32; i++)
        bits |= values[i] < 32 ? 1u << values[i] : 0; /* those of later versions are none that we know */
    return bits;
}

/* Whether the engine gives the same bytes every time, sums in f32, and needs no compiler and no reordered filters. */
static bool is_wanted(struct chain *chain, const struct conv_graph *graph, descriptor engine)
{
    const unsigned int behaviour = 1u << CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION | 1u << CUDNN_BEHAVIOR_NOTE_REQUIRES_FILTER_INT8x32_REORDER |
                                   1u << CUDNN_BEHAVIOR_NOTE_REQUIRES_BIAS_INT8x32_REORDER;
    unsigned int numbers = 1u << CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC | 1u << CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION |
                           1u << CUDNN_NUMERICAL_NOTE_FFT | 1u << CUDNN_NUMERICAL_NOTE_WINOGRAD;
    if (graph->exact_f32)
        numbers |= 1u << CUDNN_NUMERICAL_NOTE_TENSOR_CORE | 1u << CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS;
    return !(notes(chain, engine, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE) & behaviour) &&
           !(notes(chain, engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE) & numbers) && !chain->status;
}

void conv_plan_free(struct conv_plan *plan)
{
    if (!plan)
        return;
    descriptor_destroy(&plan->pack);
    descriptor_destroy(&plan->descriptor);
    descriptor_destroy(&plan->config);
    free(plan->plan.text);
    free(plan);
}

/* Takes the finalised descriptor in any case. */
static int wrap_plan(descriptor it, const char *text, struct conv_plan **ret, struct why *why)
{
    CLEANUP(conv_plan_freep) struct conv_plan *plan = calloc(1, sizeof(*plan));
    if (!plan) {
        descriptor_destroy(&it);
        return because(why, -ENOMEM, "out of memory");
    }
    plan->descriptor = it;
    int64_t count, bytes = 0;
    cudnnStatus_t status = cudnnBackendGetAttribute(it, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &count, &bytes);
    if (status || bytes < 0)
        return cudnn_failed(status, "cudnnBackendGetAttribute", why);
    plan->plan.workspace = (size_t)bytes;
    plan->plan.text = strdup(text);
    if (!plan->plan.text)
        return because(why, -ENOMEM, "out of memory");
    *ret = take(plan);
    return 0;
}

/* On success the plan takes the configuration, and leaves NULL behind. */
static int make_plan(const struct conv_graph *graph, descriptor *config, const char *text, struct conv_plan **ret, struct why *why)
{
    struct chain chain = { 0 };
    descriptor it = chain_create(&chain, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    if (graph->target.handle)
        chain_set(&chain, it, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &graph->target.handle);
    else
        chain_set_part(&chain, it, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, graph->target.properties);
    chain_set_part(&chain, it, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, *config);
    chain_finalize(&chain, it);
    if (chain.status) {
        descriptor_destroy(&it);
        return cudnn_failed(chain.status, chain.call, why);
    }
    int r = wrap_plan(it, text, ret, why);
    if (r < 0)
        return r;
    (*ret)->config = take(*config);
    return 0;
}

struct configs {
    descriptor list[CONFIGS_MAX];
    int created;
};

static void configs_done(struct configs *configs)
{
    while (configs->created > 0)
        descriptor_destroy(&configs->list[--configs->created]);
}

static int64_t results(struct chain *chain, descriptor heuristics, int64_t wanted, descriptor *list)
{
    return chain_get(chain, heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, wanted, list);
}

/* What the heuristics propose, best first; returns how many, 0 and why not when they have nothing. */
static int64_t ask(const struct conv_graph *graph, cudnnBackendHeurMode_t mode, struct configs *configs, struct why *why)
{
    struct chain chain = { 0 };
    CLEANUP(descriptor_destroy) descriptor heuristics = chain_create(&chain, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    chain_set_part(&chain, heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph->graph);
    chain_set(&chain, heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
    if (graph->target.properties)
        chain_set_part(&chain, heuristics, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, graph->target.properties);
    chain_finalize(&chain, heuristics);
    int64_t count = results(&chain, heuristics, 0, NULL), got = 0;
    count = count < CONFIGS_MAX ? count : CONFIGS_MAX;
    while (!chain.status && configs->created < count) {
        descriptor it = chain_create(&chain, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
        if (it)
            configs->list[configs->created++] = it;
    }
    if (count)
        got = results(&chain, heuristics, count, configs->list);
    if (chain.status)
        cudnn_failed(chain.status, chain.call, why);
    return got < count ? got : count;
}

static bool is_known(struct conv_plan *const *plans, int count, const char *text)
{
    for (int i = 0; i < count; i++)
        if (!strcmp(plans[i]->plan.text, text))
            return true;
    return false;
}

/* A configuration that does not become a plan is skipped: heuristics may name what a device cannot do. */
static void try_config(const struct conv_graph *graph, descriptor *config, struct conv_search *search, struct conv_plan **plans,
                       struct why *why)
{
    struct chain chain = { 0 };
    CLEANUP(descriptor_destroy) descriptor engine = chain_create(&chain, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    CLEANUP(conv_plan_freep) struct conv_plan *plan = NULL;
    char text[TEXT_MAX];
    chain_get(&chain, *config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &engine);
    bool wanted = !chain.status && is_wanted(&chain, graph, engine);
    if (chain.status)
        cudnn_failed(chain.status, chain.call, why);
    if (!wanted || recipe_write(*config, engine, text, sizeof(text)) < 0 || is_known(plans, search->plans, text))
        return;
    if (make_plan(graph, config, text, &plan, why) == 0 && plan->plan.workspace <= search->wish.workspace)
        plans[search->plans++] = take(plan);
}

static void try_configs(const struct conv_graph *graph, cudnnBackendHeurMode_t mode, struct conv_search *search, struct conv_plan **plans,
                        struct why *why)
{
    struct configs *configs = calloc(1, sizeof(*configs));
    if (!configs)
        return;
    int64_t named = ask(graph, mode, configs, why);
    search->configs += (int)named;
    for (int64_t i = 0; i < named && search->plans < search->wish.most; i++)
        try_config(graph, &configs->list[i], search, plans, why);
    configs_done(configs);
    free(configs);
}

int conv_graph_plans(const struct conv_graph *graph, struct conv_search *search, struct conv_plan **ret, struct why *why)
{
    struct why last = { "" };
    search->configs = search->plans = 0;
    try_configs(graph, CUDNN_HEUR_MODE_A, search, ret, &last);
    if (search->plans < search->wish.most && (search->plans < FEW || search->wish.last_resort))
        try_configs(graph, CUDNN_HEUR_MODE_FALLBACK, search, ret, &last);
    if (search->plans)
        return 0;
    return because(why, -ENOTSUP, "none of cuDNN's %d configurations can be used%s%s", search->configs, *last.text ? "; the last: " : "",
                   last.text);
}

/* ---- a plan from its text ----------------------------------------------------------------------------------------------- */

int conv_graph_load(const struct conv_graph *graph, const char *text, struct conv_plan **ret, struct why *why)
{
    CLEANUP(recipe_done) struct recipe recipe = { 0 };
    struct chain chain = { 0 };
    int r = recipe_read(graph, text, &recipe, why);
    if (r == 0 && !is_wanted(&chain, graph, recipe.engine))
        r = chain.status ? cudnn_failed(chain.status, chain.call, why) : because(why, -ENOTSUP, "plan \"%s\": its engine is not one we use", text);
    if (r == 0)
        r = make_plan(graph, &recipe.config, text, ret, why);
    return r == -ENOMEM || r == 0 ? r : -ENOTSUP;
}

/* ---- running ------------------------------------------------------------------------------------------------------------ */

static bool is_same(const struct conv_memory *a, const struct conv_memory *b)
{
    return a->x == b->x && a->w == b->w && a->z == b->z && a->b == b->b && a->y == b->y && a->workspace == b->workspace;
}

/* A variant pack is final once finalised: one for each set of pointers. */
static void pack(struct chain *chain, struct conv_plan *plan, const struct conv_memory *memory)
{
    int64_t ids[] = { UID_X, UID_W, UID_B, UID_Y, UID_Z };
    const void *pointers[] = { memory->x, memory->w, memory->b, memory->y, memory->z };
    int64_t count = memory->z ? 5 : 4;
    descriptor_destroy(&plan->pack);
    plan->pack = chain_create(chain, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    chain_set(chain, plan->pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, count, ids);
    chain_set(chain, plan->pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, count, pointers);
    chain_set(chain, plan->pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &memory->workspace);
    chain_finalize(chain, plan->pack);
    plan->memory = *memory;
    if (chain->status)
        descriptor_destroy(&plan->pack);
}

int conv_plan_run(struct conv_plan *plan, cudnnHandle_t handle, const struct conv_memory *memory, struct why *why)
{
    struct chain chain = { 0 };
    if (!plan->pack || !is_same(&plan->memory, memory))
        pack(&chain, plan, memory);
    if (!chain.status)
        chain_check(&chain, cudnnBackendExecute(handle, plan->descriptor, plan->pack), "cudnnBackendExecute");
    return chain.status ? cudnn_failed(chain.status, chain.call, why) : 0;
}
