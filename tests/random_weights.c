#include "tests/random_weights.h"

#include "common/cleanup.h"
#include "worker/weights/safetensors_write.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define TENSORS_MAX (NETWORK_LAYERS_MAX * 5)

struct made {
    struct tensor tensors[TENSORS_MAX];
    size_t count;
    enum dtype dtype;
    uint64_t state;
    bool failed;
};

float random_unit(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (float)(*state >> 40) * 0x1p-24f;
}

/* Nothing here is subnormal, infinite or needs rounding to even: cutting mantissa bits off is enough for test values. */
static uint16_t narrow(float value, enum dtype dtype)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    if (dtype == DTYPE_BF16)
        return (uint16_t)(bits >> 16);
    int exponent = (int)(bits >> 23 & 255) - 127 + 15;
    uint32_t sign = bits >> 31 << 15;
    return exponent < 1 ? (uint16_t)sign : (uint16_t)(sign | (uint32_t)exponent << 10 | (bits >> 13 & 1023));
}

/* Uniform values between low and high. */
static void add(struct made *made, const char *module, const char *part, int dims, const size_t *shape, float low,
                float high)
{
    struct tensor *tensor = &made->tensors[made->count++];
    char *name = NULL;
    *tensor = (struct tensor){ .dtype = made->dtype, .dims = dims, .count = 1 };
    for (int i = 0; i < dims; i++)
        tensor->count *= tensor->shape[i] = shape[i];
    if (asprintf(&name, "%s.%s", module, part) < 0)
        name = NULL;
    uint8_t *data = malloc(tensor->count * dtype_size(made->dtype));
    tensor->name = name;
    tensor->data = data;
    made->failed = made->failed || !name || !data;
    for (size_t i = 0; i < tensor->count && data; i++) {
        float value = low + (high - low) * random_unit(&made->state);
        uint16_t half = made->dtype == DTYPE_F32 ? 0 : narrow(value, made->dtype);
        if (made->dtype == DTYPE_F32)
            memcpy(data + 4 * i, &value, 4);
        else
            memcpy(data + 2 * i, &half, 2);
    }
}

static void add_conv(struct made *made, const struct layer *layer)
{
    size_t k = (size_t)layer->kernel, o = (size_t)layer->outputs, i = (size_t)(layer->inputs / layer->groups);
    float bound = sqrtf(6.0f / (float)(i * k * k)) * (layer->residual == NETWORK_NONE ? 1.0f : 0.5f);
    add(made, layer->name, "weight", 4, (size_t[]){ o, i, k, k }, -bound, bound);
    add(made, layer->norm, "weight", 1, &o, 0.5f, 1.5f);
    add(made, layer->norm, "bias", 1, &o, -0.5f, 0.5f);
    add(made, layer->norm, "running_mean", 1, &o, -0.5f, 0.5f);
    add(made, layer->norm, "running_var", 1, &o, 0.5f, 2.0f);
}

static void add_fc(struct made *made, const struct layer *layer, size_t classes)
{
    float bound = 1 / sqrtf((float)layer->inputs);
    add(made, layer->name, "weight", 2, (size_t[]){ classes, (size_t)layer->inputs }, -bound, bound);
    add(made, layer->name, "bias", 1, &classes, -bound, bound);
}

static void made_free(struct made *made)
{
    for (size_t i = 0; i < made->count; i++) {
        free((char *)made->tensors[i].name);
        free((void *)made->tensors[i].data);
    }
    free(made);
}
DEFINE_FREEP(made_free, struct made)

int random_weights_write(const char *path, const struct network *network, int classes, enum dtype dtype, uint64_t seed,
                         struct why *why)
{
    CLEANUP(made_freep) struct made *made = calloc(1, sizeof(*made));
    if (!made)
        return because(why, -ENOMEM, "%s: no memory", path);
    made->dtype = dtype;
    made->state = seed;
    for (int i = 0; i < network->count; i++) {
        const struct layer *layer = &network->layers[i];
        if (layer->kind == LAYER_CONV)
            add_conv(made, layer);
        else if (layer->kind == LAYER_FC)
            add_fc(made, layer, (size_t)classes);
    }
    if (made->failed)
        return because(why, -ENOMEM, "%s: no memory", path);
    return safetensors_write(path, made->tensors, made->count, why);
}
