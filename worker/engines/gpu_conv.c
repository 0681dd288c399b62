#include "worker/engines/gpu_conv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CONFIGS_MAX 256
#define KNOBS_MAX   32
#define TEXT_MAX    512 /* bytes of a plan's text */

/* Names of tensors inside a graph. */
enum {
    UID_X = 1,
    UID_W,
    UID_Z,
    UID_B,
    UID_Y,
    UID_VIRTUAL, /* and after */
};

typedef cudnnBackendDescriptor_t descriptor;

static void destroy(descriptor *it)
{
    if (*it)
        cudnnBackendDestroyDescriptor(*it);
    *it = NULL;
}

int cudnn_failed(cudnnStatus_t status, const char *call, struct why *why)
{
    char detail[400] = "";
    cudnnGetLastErrorString(detail, sizeof(detail));
    detail[strcspn(detail, "\n")] = '\0';
    int category = (int)status / 1000 * 1000, r = category == CUDNN_STATUS_NOT_SUPPORTED ? -ENOTSUP : -EIO;
    if (status == CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED || status == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED)
        r = -ENOMEM;
    return because(why, r, "%s: %s%s%s", call, cudnnGetErrorString(status), *detail ? ": " : "", detail);
}

/* ---- setting attributes ------------------------------------------------------------------------------------------------ */

/* A chain of calls: after the first failure the others do nothing. */
struct chain {
    cudnnStatus_t status;
    const char *call; /* that failed */
};

static void check(struct chain *chain, cudnnStatus_t status, const char *call)
{
    if (!chain->status && status)
        *chain = (struct chain){ status, call };
}

static void set(struct chain *chain, descriptor it, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
                const void *values)
{
    if (!chain->status)
        check(chain, cudnnBackendSetAttribute(it, name, type, count, values), "cudnnBackendSetAttribute");
}

static void set_i64(struct chain *chain, descriptor it, cudnnBackendAttributeName_t name, int64_t value)
{
    set(chain, it, name, CUDNN_TYPE_INT64, 1, &value);
}

static void set_pair(struct chain *chain, descriptor it, cudnnBackendAttributeName_t name, int64_t value)
{
    set(chain, it, name, CUDNN_TYPE_INT64, 2, (int64_t[]){ value, value });
}

static void set_type(struct chain *chain, descriptor it, cudnnBackendAttributeName_t name, cudnnDataType_t type)
{
    set(chain, it, name, CUDNN_TYPE_DATA_TYPE, 1, &type);
}

static void set_part(struct chain *chain, descriptor it, cudnnBackendAttributeName_t name, descriptor part)
{
    set(chain, it, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &part);
}

static void set_one(struct chain *chain, descriptor it, cudnnBackendAttributeName_t name, float value)
{
    set(chain, it, name, CUDNN_TYPE_FLOAT, 1, &value);
}

static descriptor create(struct chain *chain, cudnnBackendDescriptorType_t type)
{
    descriptor it = NULL;
    if (!chain->status)
        check(chain, cudnnBackendCreateDescriptor(type, &it), "cudnnBackendCreateDescriptor");
    return it;
}

static void finalize(struct chain *chain, descriptor it)
{
    if (!chain->status)
        check(chain, cudnnBackendFinalize(it), "cudnnBackendFinalize");
}

/* ---- the graph --------------------------------------------------------------------------------------------------------- */

struct builder {
    struct conv_graph *graph;
    struct chain chain;
    int64_t next_uid;
};

/* The graph owns it from now on. */
static descriptor part(struct builder *builder, cudnnBackendDescriptorType_t type)
{
    descriptor it = create(&builder->chain, type);
    if (it)
        builder->graph->parts[builder->graph->count++] = it;
    return it;
}

/* Dimensions are N C H W, strides those of NHWC. */
static descriptor tensor(struct builder *builder, int64_t uid, cudnnDataType_t type, int64_t n, int64_t c, int64_t h, int64_t w)
{
    struct chain *chain = &builder->chain;
    descriptor it = part(builder, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    bool is_virtual = uid >= UID_VIRTUAL;
    set_i64(chain, it, CUDNN_ATTR_TENSOR_UNIQUE_ID, uid);
    set_type(chain, it, CUDNN_ATTR_TENSOR_DATA_TYPE, type);
    set_i64(chain, it, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, 16);
    set(chain, it, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, (int64_t[]){ n, c, h, w });
    set(chain, it, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, (int64_t[]){ c * h * w, 1, c * w, c });
    set(chain, it, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &is_virtual);
    finalize(chain, it);
    return it;
}

static descriptor convolution(struct builder *builder, const struct conv_shape *shape)
{
    struct chain *chain = &builder->chain;
    cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    descriptor it = part(builder, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    set_i64(chain, it, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, 2);
    set_type(chain, it, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT);
    set(chain, it, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
    set_pair(chain, it, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, shape->padding);
    set_pair(chain, it, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, shape->padding);
    set_pair(chain, it, CUDNN_ATTR_CONVOLUTION_DILATIONS, 1);
    set_pair(chain, it, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, shape->stride);
    finalize(chain, it);
    return it;
}

static descriptor convolve(struct builder *builder, descriptor x, descriptor w, descriptor y, descriptor conv)
{
    struct chain *chain = &builder->chain;
    descriptor it = part(builder, CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
    set_part(chain, it, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, x);
    set_part(chain, it, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, w);
    set_part(chain, it, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, y);
    set_part(chain, it, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, conv);
    set_one(chain, it, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, 1);
    set_one(chain, it, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, 0);
    finalize(chain, it);
    return it;
}

/* y = x + b, or y = relu(x) without b. */
static descriptor pointwise(struct builder *builder, descriptor x, descriptor b, descriptor y)
{
    struct chain *chain = &builder->chain;
    cudnnPointwiseMode_t mode = b ? CUDNN_POINTWISE_ADD : CUDNN_POINTWISE_RELU_FWD;
    descriptor what = part(builder, CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
    set(chain, what, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
    set_type(chain, what, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_DATA_FLOAT);
    finalize(chain, what);
    descriptor it = part(builder, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    set_part(chain, it, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, what);
    set_part(chain, it, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x);
    if (b)
        set_part(chain, it, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, b);
    set_part(chain, it, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
    finalize(chain, it);
    return it;
}

static int64_t slide(int64_t size, const struct conv_shape *shape)
{
    return (size + 2 * (int64_t)shape->padding - shape->kernel) / shape->stride + 1;
}

static cudnnDataType_t data_type(enum number_format format)
{
    return format == NUMBER_F16 ? CUDNN_DATA_HALF : format == NUMBER_BF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
}

/* The operations in their order; returns how many. */
static int operations(struct builder *builder, const struct conv_shape *s, descriptor *ops)
{
    cudnnDataType_t type = data_type(s->format);
    int64_t n = s->batch, k = s->outputs, h = slide(s->height, s), w = slide(s->width, s);
    int count = 0, steps = 1 + s->residual + s->relu; /* pointwise steps after the convolution */
    descriptor x = tensor(builder, UID_X, type, n, s->inputs, s->height, s->width);
    descriptor filter = tensor(builder, UID_W, type, k, s->inputs / s->groups, s->kernel, s->kernel);
    descriptor sum = tensor(builder, UID_VIRTUAL, CUDNN_DATA_FLOAT, n, k, h, w);
    ops[count++] = convolve(builder, x, filter, sum, convolution(builder, s));
    for (int step = 0; step < steps; step++) {
        bool last = step == steps - 1, is_residual = s->residual && step == 0, is_bias = step == (int)s->residual;
        descriptor added = is_residual ? tensor(builder, UID_Z, type, n, k, h, w)
                           : is_bias   ? tensor(builder, UID_B, type, 1, k, 1, 1)
                                       : NULL;
        descriptor y = last ? tensor(builder, UID_Y, type, n, k, h, w)
                            : tensor(builder, UID_VIRTUAL + 1 + step, CUDNN_DATA_FLOAT, n, k, h, w);
        ops[count++] = pointwise(builder, sum, added, y);
        sum = y;
    }
    return count;
}

int conv_graph_init(struct conv_graph *graph, const struct conv_shape *shape, struct conv_target target, struct why *why)
{
    struct builder builder = { .graph = graph };
    struct chain *chain = &builder.chain;
    descriptor ops[4];
    memset(graph, 0, sizeof(*graph));
    graph->target = target;
    graph->exact_f32 = shape->format == NUMBER_F32;
    int count = operations(&builder, shape, ops);
    graph->graph = create(chain, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    set(chain, graph->graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, count, ops);
    if (target.handle)
        set(chain, graph->graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &target.handle);
    finalize(chain, graph->graph);
    if (!chain->status)
        return 0;
    int r = cudnn_failed(chain->status, chain->call, why);
    conv_graph_done(graph);
    return r;
}

void conv_graph_done(struct conv_graph *graph)
{
    destroy(&graph->graph);
    while (graph->count > 0)
        destroy(&graph->parts[--graph->count]);
}

int conv_graph_engines(const struct conv_graph *graph, int64_t *ret, struct why *why)
{
    int64_t count = 0;
    cudnnStatus_t status = cudnnBackendGetAttribute(graph->graph, CUDNN_ATTR_OPERATIONGRAPH_ENGINE_GLOBAL_COUNT, CUDNN_TYPE_INT64, 1,
                                                    &count, ret);
    return status ? cudnn_failed(status, "cudnnBackendGetAttribute", why) : 0;
}

/* ---- a device that is not there ----------------------------------------------------------------------------------------- */

int conv_target_simulated(const char *json, struct conv_target *ret, struct why *why)
{
    struct chain chain = { 0 };
    descriptor it = create(&chain, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
    set(&chain, it, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, (int64_t)strlen(json), json);
    finalize(&chain, it);
    if (chain.status) {
        destroy(&it);
        return cudnn_failed(chain.status, chain.call, why);
    }
    *ret = (struct conv_target){ .properties = it };
    return 0;
}

void conv_target_done(struct conv_target *target)
{
    destroy(&target->properties);
}

/* ---- plans -------------------------------------------------------------------------------------------------------------- */

/* The notes of an engine as a set of bits. */
static unsigned int notes(descriptor engine, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type)
{
    int values[32];
    int64_t count = 0;
    unsigned int bits = 0;
    if (cudnnBackendGetAttribute(engine, name, type, 32, &count, values))
        return ~0u;
    for (int64_t i = 0; i < count && i < 32; i++)
        bits |= 1u << values[i];
    return bits;
}

/* Whether the engine gives the same bytes every time, sums in f32, and needs no compiler and no reordered filters. */
static bool is_wanted(const struct conv_graph *graph, descriptor engine)
{
    const unsigned int behaviour = 1u << CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION | 1u << CUDNN_BEHAVIOR_NOTE_REQUIRES_FILTER_INT8x32_REORDER |
                                   1u << CUDNN_BEHAVIOR_NOTE_REQUIRES_BIAS_INT8x32_REORDER;
    unsigned int numbers = 1u << CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC | 1u << CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION |
                           1u << CUDNN_NUMERICAL_NOTE_FFT | 1u << CUDNN_NUMERICAL_NOTE_WINOGRAD;
    if (graph->exact_f32)
        numbers |= 1u << CUDNN_NUMERICAL_NOTE_TENSOR_CORE | 1u << CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS;
    return !(notes(engine, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE) & behaviour) &&
           !(notes(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE) & numbers);
}

/* "41 3=1 14=0": the engine's number, then its knobs: all it takes to make the configuration again for the same graph. A text of
 * our own, and not cuDNN's JSON form of a plan: that brings its graph along, which would have to be trusted to be ours. */
static int describe_config(descriptor config, descriptor engine, char *text, size_t size)
{
    int64_t index, count, knobs = 0;
    size_t used;
    if (cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &count, &index))
        return -EIO;
    used = (size_t)snprintf(text, size, "%" PRId64, index);
    struct chain chain = { 0 };
    descriptor choices[KNOBS_MAX] = { NULL };
    for (int i = 0; i < KNOBS_MAX; i++)
        choices[i] = create(&chain, CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR);
    check(&chain, cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_TYPE_BACKEND_DESCRIPTOR, KNOBS_MAX, &knobs,
                                           choices), "cudnnBackendGetAttribute");
    for (int64_t i = 0; i < knobs && i < KNOBS_MAX && !chain.status; i++) {
        cudnnBackendKnobType_t type;
        int64_t value;
        check(&chain, cudnnBackendGetAttribute(choices[i], CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, 1, &count, &type), "");
        check(&chain, cudnnBackendGetAttribute(choices[i], CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64, 1, &count, &value), "");
        used += chain.status ? 0 : (size_t)snprintf(text + used, size - used, " %d=%" PRId64, (int)type, value);
    }
    for (int i = 0; i < KNOBS_MAX; i++)
        destroy(&choices[i]);
    return chain.status || knobs > KNOBS_MAX || used >= size ? -EIO : 0;
}

void conv_plan_free(struct conv_plan *plan)
{
    if (!plan)
        return;
    destroy(&plan->pack);
    destroy(&plan->descriptor);
    destroy(&plan->config);
    free(plan->plan.text);
    free(plan);
}

/* Takes the finalised descriptor in any case. */
static int wrap_plan(descriptor it, const char *text, struct conv_plan **ret)
{
    CLEANUP(conv_plan_freep) struct conv_plan *plan = calloc(1, sizeof(*plan));
    if (!plan) {
        destroy(&it);
        return -ENOMEM;
    }
    plan->descriptor = it;
    int64_t count, bytes = 0;
    if (cudnnBackendGetAttribute(it, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &count, &bytes) || bytes < 0)
        return -EIO;
    plan->plan.workspace = (size_t)bytes;
    plan->plan.text = strdup(text);
    if (!plan->plan.text)
        return -ENOMEM;
    *ret = take(plan);
    return 0;
}

/* On success the plan takes the configuration, and leaves NULL behind. */
static int make_plan(const struct conv_graph *graph, descriptor *config, const char *text, struct conv_plan **ret, struct why *why)
{
    struct chain chain = { 0 };
    descriptor it = create(&chain, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    if (graph->target.handle)
        set(&chain, it, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &graph->target.handle);
    else
        set_part(&chain, it, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, graph->target.properties);
    set_part(&chain, it, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, *config);
    finalize(&chain, it);
    if (chain.status) {
        destroy(&it);
        return cudnn_failed(chain.status, chain.call, why);
    }
    int r = wrap_plan(it, text, ret);
    if (r < 0)
        return because(why, r, "a plan cannot be described");
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
        destroy(&configs->list[--configs->created]);
}

/* What the heuristics propose, best first; returns how many, 0 when they have nothing. */
static int64_t ask(const struct conv_graph *graph, cudnnBackendHeurMode_t mode, struct configs *configs)
{
    struct chain chain = { 0 };
    CLEANUP(destroy) descriptor heuristics = create(&chain, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    set_part(&chain, heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph->graph);
    set(&chain, heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
    if (graph->target.properties)
        set_part(&chain, heuristics, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, graph->target.properties);
    finalize(&chain, heuristics);
    int64_t count = 0, got = 0;
    if (chain.status || cudnnBackendGetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &count, NULL))
        return 0;
    count = count < CONFIGS_MAX ? count : CONFIGS_MAX;
    while (configs->created < count) {
        descriptor it = create(&chain, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
        if (!it)
            return 0;
        configs->list[configs->created++] = it;
    }
    if (count == 0 || cudnnBackendGetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, count, &got,
                                               configs->list))
        return 0;
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
    CLEANUP(destroy) descriptor engine = create(&chain, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    CLEANUP(conv_plan_freep) struct conv_plan *plan = NULL;
    char text[TEXT_MAX];
    int64_t count;
    if (chain.status ||
        cudnnBackendGetAttribute(*config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &engine) ||
        !is_wanted(graph, engine) || describe_config(*config, engine, text, sizeof(text)) < 0 || is_known(plans, search->plans, text))
        return;
    if (make_plan(graph, config, text, &plan, why) == 0 && plan->plan.workspace <= search->workspace)
        plans[search->plans++] = take(plan);
}

static void try_configs(const struct conv_graph *graph, cudnnBackendHeurMode_t mode, struct conv_search *search, struct conv_plan **plans,
                        struct why *why)
{
    struct configs *configs = calloc(1, sizeof(*configs));
    if (!configs)
        return;
    int64_t named = ask(graph, mode, configs);
    search->configs += (int)named;
    for (int64_t i = 0; i < named && search->plans < search->most; i++)
        try_config(graph, &configs->list[i], search, plans, why);
    configs_done(configs);
    free(configs);
}

int conv_graph_plans(const struct conv_graph *graph, struct conv_search *search, struct conv_plan **ret, struct why *why)
{
    struct why last = { "" };
    search->configs = search->plans = 0;
    try_configs(graph, CUDNN_HEUR_MODE_A, search, ret, &last);
    if (search->plans < search->most)
        try_configs(graph, CUDNN_HEUR_MODE_FALLBACK, search, ret, &last);
    if (search->plans)
        return 0;
    return because(why, -ENOTSUP, "none of cuDNN's %d configurations can be used%s%s", search->configs, *last.text ? "; the last: " : "",
                   last.text);
}

/* ---- a plan from its text ----------------------------------------------------------------------------------------------- */

struct recipe {
    int64_t engine;
    int knobs;
    cudnnBackendKnobType_t types[KNOBS_MAX];
    int64_t values[KNOBS_MAX];
};

static bool read_number(const char **at, int64_t *ret)
{
    char *end;
    const char *digits = *at + (**at == '-');
    if (*digits < '0' || *digits > '9')
        return false;
    errno = 0;
    *ret = strtoll(*at, &end, 10);
    *at = end;
    return !errno && *ret >= INT32_MIN && *ret <= INT32_MAX;
}

static bool read_recipe(const char *text, struct recipe *recipe)
{
    recipe->knobs = 0;
    if (!read_number(&text, &recipe->engine))
        return false;
    while (*text == ' ' && recipe->knobs < KNOBS_MAX) {
        int64_t type;
        text++;
        if (!read_number(&text, &type) || *text++ != '=' || !read_number(&text, &recipe->values[recipe->knobs]))
            return false;
        recipe->types[recipe->knobs++] = (cudnnBackendKnobType_t)type;
    }
    return !*text;
}

static descriptor make_engine(struct chain *chain, const struct conv_graph *graph, int64_t index)
{
    descriptor it = create(chain, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    set_part(chain, it, CUDNN_ATTR_ENGINE_OPERATION_GRAPH, graph->graph);
    set_i64(chain, it, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, index);
    if (graph->target.properties)
        set_part(chain, it, CUDNN_ATTR_ENGINE_DEVICEPROP, graph->target.properties);
    finalize(chain, it);
    return it;
}

static descriptor make_config(struct chain *chain, descriptor engine, const struct recipe *recipe, descriptor *choices)
{
    descriptor it = create(chain, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    set_part(chain, it, CUDNN_ATTR_ENGINECFG_ENGINE, engine);
    for (int i = 0; i < recipe->knobs; i++) {
        choices[i] = create(chain, CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR);
        set(chain, choices[i], CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, 1, &recipe->types[i]);
        set_i64(chain, choices[i], CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, recipe->values[i]);
        finalize(chain, choices[i]);
    }
    if (recipe->knobs)
        set(chain, it, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_TYPE_BACKEND_DESCRIPTOR, recipe->knobs, choices);
    finalize(chain, it);
    return it;
}

int conv_graph_load(const struct conv_graph *graph, const char *text, struct conv_plan **ret, struct why *why)
{
    struct recipe recipe;
    if (!read_recipe(text, &recipe))
        return because(why, -ENOTSUP, "\"%.40s\" is not a plan", text);
    struct chain chain = { 0 };
    descriptor choices[KNOBS_MAX] = { NULL };
    CLEANUP(destroy) descriptor engine = make_engine(&chain, graph, recipe.engine);
    CLEANUP(destroy) descriptor config = make_config(&chain, engine, &recipe, choices);
    int r = chain.status ? cudnn_failed(chain.status, chain.call, why) : 0;
    if (r == 0 && !is_wanted(graph, engine))
        r = because(why, -ENOTSUP, "plan \"%s\": its engine is not one we use", text);
    if (r == 0)
        r = make_plan(graph, &config, text, ret, why);
    for (int i = 0; i < KNOBS_MAX; i++)
        destroy(&choices[i]);
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
    destroy(&plan->pack);
    plan->pack = create(chain, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    set(chain, plan->pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, count, ids);
    set(chain, plan->pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, count, pointers);
    set(chain, plan->pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &memory->workspace);
    finalize(chain, plan->pack);
    plan->memory = *memory;
    if (chain->status)
        destroy(&plan->pack);
}

int conv_plan_run(struct conv_plan *plan, cudnnHandle_t handle, const struct conv_memory *memory, struct why *why)
{
    struct chain chain = { 0 };
    if (!plan->pack || !is_same(&plan->memory, memory))
        pack(&chain, plan, memory);
    if (!chain.status)
        check(&chain, cudnnBackendExecute(handle, plan->descriptor, plan->pack), "cudnnBackendExecute");
    return chain.status ? cudnn_failed(chain.status, chain.call, why) : 0;
}
