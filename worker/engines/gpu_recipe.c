#include "worker/engines/gpu_recipe.h"

#include <errno.h>
#include <inttypes.h>

int recipe_write(descriptor config, descriptor engine, char *text, size_t size)
{
    struct chain chain = { 0 };
    int64_t index = 0;
    chain_get(&chain, engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &index);
    size_t used = (size_t)snprintf(text, size, "%" PRId64, index);
    descriptor choices[RECIPE_KNOBS_MAX] = { NULL };
    for (int i = 0; i < RECIPE_KNOBS_MAX; i++)
        choices[i] = chain_create(&chain, CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR);
    int64_t knobs = chain_get(&chain, config, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_TYPE_BACKEND_DESCRIPTOR, RECIPE_KNOBS_MAX, choices);
    for (int64_t i = 0; i < knobs && i < RECIPE_KNOBS_MAX && used < size && !chain.status; i++) {
        cudnnBackendKnobType_t type;
        int64_t value;
        chain_get(&chain, choices[i], CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, 1, &type);
        chain_get(&chain, choices[i], CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64, 1, &value);
        used += chain.status ? 0 : (size_t)snprintf(text + used, size - used, " %d=%" PRId64, (int)type, value);
    }
    for (int i = 0; i < RECIPE_KNOBS_MAX; i++)
        descriptor_destroy(&choices[i]);
    return chain.status || knobs > RECIPE_KNOBS_MAX || used >= size ? -EIO : 0;
}

/* ---- reading ------------------------------------------------------------------------------------------------------------ */

struct words {
    int64_t engine;
    int knobs;
    cudnnBackendKnobType_t types[RECIPE_KNOBS_MAX];
    int64_t values[RECIPE_KNOBS_MAX];
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

static bool read_words(const char *text, struct words *words)
{
    words->knobs = 0;
    if (!read_number(&text, &words->engine))
        return false;
    while (*text == ' ' && words->knobs < RECIPE_KNOBS_MAX) {
        int64_t type;
        text++;
        if (!read_number(&text, &type) || *text++ != '=' || !read_number(&text, &words->values[words->knobs]))
            return false;
        words->types[words->knobs++] = (cudnnBackendKnobType_t)type;
    }
    return !*text;
}

static descriptor make_engine(struct chain *chain, const struct conv_graph *graph, int64_t index)
{
    descriptor it = chain_create(chain, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    chain_set_part(chain, it, CUDNN_ATTR_ENGINE_OPERATION_GRAPH, graph->graph);
    chain_set_i64(chain, it, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, index);
    if (graph->target.properties)
        chain_set_part(chain, it, CUDNN_ATTR_ENGINE_DEVICEPROP, graph->target.properties);
    chain_finalize(chain, it);
    return it;
}

static descriptor make_config(struct chain *chain, descriptor engine, const struct words *words, descriptor *choices)
{
    descriptor it = chain_create(chain, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    chain_set_part(chain, it, CUDNN_ATTR_ENGINECFG_ENGINE, engine);
    for (int i = 0; i < words->knobs; i++) {
        choices[i] = chain_create(chain, CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR);
        chain_set(chain, choices[i], CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, 1, &words->types[i]);
        chain_set_i64(chain, choices[i], CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, words->values[i]);
        chain_finalize(chain, choices[i]);
    }
    if (words->knobs)
        chain_set(chain, it, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_TYPE_BACKEND_DESCRIPTOR, words->knobs, choices);
    chain_finalize(chain, it);
    return it;
}

int recipe_read(const struct conv_graph *graph, const char *text, struct recipe *recipe, struct why *why)
{
    struct words words;
    struct chain chain = { 0 };
    if (!read_words(text, &words))
        return because(why, -ENOTSUP, "\"%.40s\" is not a plan", text);
    recipe->engine = make_engine(&chain, graph, words.engine);
    recipe->config = make_config(&chain, recipe->engine, &words, recipe->choices);
    return chain.status ? cudnn_failed(chain.status, chain.call, why) : 0;
}

void recipe_done(struct recipe *recipe)
{
    descriptor_destroy(&recipe->config);
    descriptor_destroy(&recipe->engine);
    for (int i = 0; i < RECIPE_KNOBS_MAX; i++)
        descriptor_destroy(&recipe->choices[i]);
}
