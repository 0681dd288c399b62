#include "worker/weights/seeded.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>

#define TENSORS_A_CONV 5
#define STEP           0x9e3779b97f4a7c15u

static uint64_t fnv1a(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return hash;
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

void seeded_pixels(const char *name, uint8_t *pixels, size_t count)
{
    uint64_t seed = fnv1a(name);
    for (size_t i = 0; i < count; i++)
        pixels[i] = (uint8_t)(mix(seed + (i + 1) * STEP) >> 56);
}

/* First the tensors are described, then memory for all of them is taken at once and filled. */
struct draft {
    struct weights *weights;
    float (*range)[2]; /* of each tensor's numbers */
    size_t total;      /* numbers */
    bool failed;
};

static void add(struct draft *draft, const char *module, const char *part, int dims, const size_t *shape, float low, float high)
{
    struct tensor *tensor = &draft->weights->tensors[draft->weights->count];
    char *name;
    if (draft->failed || asprintf(&name, "%s.%s", module, part) < 0) {
        draft->failed = true;
        return;
    }
    *tensor = (struct tensor){ .name = name, .dtype = DTYPE_F32, .dims = dims, .count = 1 };
    for (int i = 0; i < dims; i++)
        tensor->count *= tensor->shape[i] = shape[i];
    draft->range[draft->weights->count][0] = low;
    draft->range[draft->weights->count][1] = high;
    draft->weights->count++;
    draft->total += tensor->count;
}

static void add_layer(struct draft *draft, const struct layer *layer, size_t classes)
{
    size_t k = (size_t)layer->kernel, o = (size_t)layer->outputs, i = (size_t)(layer->inputs / layer->groups);
    if (layer->kind == LAYER_CONV) {
        float bound = sqrtf(6.0f / (float)(i * k * k)) * (layer->residual == NETWORK_NONE ? 1.0f : 0.5f);
        add(draft, layer->name, "weight", 4, (size_t[]){ o, i, k, k }, -bound, bound);
        add(draft, layer->norm, "weight", 1, &o, 0.5f, 1.5f);
        add(draft, layer->norm, "bias", 1, &o, -0.5f, 0.5f);
        add(draft, layer->norm, "running_mean", 1, &o, -0.5f, 0.5f);
        add(draft, layer->norm, "running_var", 1, &o, 0.5f, 2.0f);
    } else if (layer->kind == LAYER_FC) {
        float bound = 1 / sqrtf((float)layer->inputs);
        add(draft, layer->name, "weight", 2, (size_t[]){ classes, i }, -bound, bound);
        add(draft, layer->name, "bias", 1, &classes, -bound, bound);
    }
}

static int fill(struct draft *draft)
{
    struct weights *weights = draft->weights;
    size_t bytes = draft->total * sizeof(float);
    float *data = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
        return -ENOMEM;
    weights->bytes = (const uint8_t *)data;
    weights->size = bytes;
    weights->mapped = true;
    for (size_t t = 0; t < weights->count; t++) {
        struct tensor *tensor = &weights->tensors[t];
        uint64_t seed = fnv1a(tensor->name);
        float low = draft->range[t][0], width = draft->range[t][1] - low;
        for (size_t i = 0; i < tensor->count; i++)
            data[i] = low + width * ((float)(mix(seed + (i + 1) * STEP) >> 40) * 0x1p-24f);
        tensor->data = data;
        data += tensor->count;
    }
    qsort(weights->tensors, weights->count, sizeof(weights->tensors[0]), tensor_by_name);
    return 0;
}

int seeded_weights(const struct network *network, int classes, struct weights **ret, struct why *why)
{
    size_t most = (size_t)network->count * TENSORS_A_CONV;
    CLEANUP(weights_closep) struct weights *weights = calloc(1, sizeof(*weights));
    CLEANUP(freep) float(*range)[2] = calloc(most, sizeof(*range));
    struct draft draft = { .weights = weights, .range = range };
    if (weights) {
        weights->path = strdup("seeded weights");
        weights->tensors = calloc(most, sizeof(weights->tensors[0]));
    }
    if (!weights || !range || !weights->path || !weights->tensors)
        return because(why, -ENOMEM, "no memory for seeded weights");
    for (int i = 0; i < network->count; i++)
        add_layer(&draft, &network->layers[i], (size_t)classes);
    if (draft.failed || fill(&draft) < 0)
        return because(why, -ENOMEM, "no memory for seeded weights");
    *ret = take(weights);
    return 0;
}
