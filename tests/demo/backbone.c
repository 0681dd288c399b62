/* backbone.c: walks the layer table and makes each layer's tensors.
 *
 * The scales keep activations near the size of the image through all 16 blocks: a mixture of n channels has weights of
 * variance 2/n, which is what a ReLU takes away. */
#include "tests/demo/backbone.h"

#include "common/cleanup.h"
#include "tests/demo/random.h"
#include "worker/network.h"
#include "worker/weights/safetensors_write.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define BRANCH     0.1f /* size of a residual branch beside its shortcut */
#define MIXED      16   /* channels that a shortcut mixes into one */
#define NORM_EPS   1e-5 /* as in weights/fold.h */
#define PER_LAYER  5    /* tensors */

struct draft {
    struct tensor tensors[NETWORK_LAYERS_MAX * PER_LAYER];
    size_t count;
};

static void draft_free(struct draft *draft)
{
    for (size_t i = 0; i < draft->count; i++) {
        free((char *)draft->tensors[i].name);
        free((float *)draft->tensors[i].data);
    }
    free(draft);
}
DEFINE_FREEP(draft_free, struct draft)

/* Adds a tensor of zeros called MODULE.FIELD; NULL when there is no memory. */
static float *add(struct draft *draft, const char *module, const char *field, int dims, const size_t *shape)
{
    struct tensor *tensor = &draft->tensors[draft->count];
    *tensor = (struct tensor){ .dtype = DTYPE_F32, .dims = dims, .count = 1 };
    for (int i = 0; i < dims; i++)
        tensor->count *= tensor->shape[i] = shape[i];
    char *name = NULL;
    float *data = calloc(tensor->count, sizeof(float));
    if (!data || asprintf(&name, "%s.%s", module, field) < 0) {
        free(data);
        return NULL;
    }
    tensor->name = name;
    tensor->data = data;
    draft->count++;
    return data;
}

/* One Gabor filter (7, 7) without a mean, of length 1. */
static void gabor(double orientation, double wavelength, double phase, double out[49])
{
    double window[49], sum = 0, whole = 0, square = 0, spread = fmin(wavelength / 2, 2.5);
    for (int i = 0; i < 49; i++) {
        int x = i % 7 - 3, y = i / 7 - 3;
        double across = x * cos(orientation) + y * sin(orientation);
        window[i] = exp(-(x * x + y * y) / (2 * spread * spread));
        out[i] = window[i] * cos(2 * M_PI * across / wavelength - phase);
        sum += out[i];
        whole += window[i];
    }
    for (int i = 0; i < 49; i++) {
        out[i] -= window[i] * sum / whole;
        square += out[i] * out[i];
    }
    for (int i = 0; i < 49; i++)
        out[i] /= sqrt(square);
}

/* weight (64, 3, 7, 7): filters of brightness; the three channels weigh as in ITU-R BT.601 once each is divided by ImageNet's
 * standard deviation, as the `torchvision` preset does. */
static void make_stem(float *weight)
{
    static const double wavelengths[4] = { 4, 5.7, 8, 11.3 }; /* pixels */
    static const double brightness[3] = { 0.299 * 0.229, 0.587 * 0.224, 0.114 * 0.225 };
    double size = sqrt(brightness[0] * brightness[0] + brightness[1] * brightness[1] + brightness[2] * brightness[2]);
    for (int k = 0; k < 64; k++) {
        double filter[49];
        gabor(k / 8 * M_PI / 8, wavelengths[k / 2 % 4], k % 2 * M_PI / 2, filter);
        for (int i = 0; i < 3 * 49; i++)
            weight[k * 3 * 49 + i] = (float)(0.5 * brightness[i / 49] / size * filter[i % 49]);
    }
}

/* weight (outputs, inputs): MIXED inputs to an output, all the others 0. */
static void make_shortcut(const struct layer *layer, struct dice *dice, float *weight)
{
    double size = sqrt(2.0 / MIXED);
    for (int k = 0; k < layer->outputs; k++)
        for (int n = 0; n < MIXED;) {
            float *w = &weight[(size_t)k * (size_t)layer->inputs + (size_t)dice_below(dice, layer->inputs)];
            if (*w != 0)
                continue;
            *w = (float)(size * dice_normal(dice));
            n++;
        }
}

static void make_branch(size_t count, size_t fan_in, struct dice *dice, float *weight)
{
    double size = sqrt(2.0 / (double)fan_in);
    for (size_t i = 0; i < count; i++)
        weight[i] = (float)(size * dice_normal(dice));
}

/* Gives every channel a deviation and a mean to normalise away: its weights grow by the one, beta takes back the other. Folded,
 * the convolution is what it was, or a tenth of it at the end of a branch. */
static int add_norm(struct draft *draft, const struct layer *layer, struct dice *dice, float *weight, size_t fan_in)
{
    size_t shape[1] = { (size_t)layer->outputs };
    float *gamma = add(draft, layer->norm, "weight", 1, shape);
    float *beta = gamma ? add(draft, layer->norm, "bias", 1, shape) : NULL;
    float *mean = beta ? add(draft, layer->norm, "running_mean", 1, shape) : NULL;
    float *var = mean ? add(draft, layer->norm, "running_var", 1, shape) : NULL;
    if (!var)
        return -ENOMEM;
    for (size_t k = 0; k < shape[0]; k++) {
        double deviation = dice_between(dice, 0.7, 1.4);
        var[k] = (float)(deviation * deviation - NORM_EPS);
        mean[k] = (float)dice_between(dice, -0.5, 0.5);
        gamma[k] = layer->residual == NETWORK_NONE ? 1 : BRANCH;
        beta[k] = (float)(mean[k] * gamma[k] / deviation);
        for (size_t i = 0; i < fan_in; i++)
            weight[k * fan_in + i] *= (float)deviation;
    }
    return 0;
}

static int add_conv(struct draft *draft, const struct layer *layer, struct dice *dice)
{
    size_t side = (size_t)layer->kernel;
    size_t shape[4] = { (size_t)layer->outputs, (size_t)layer->inputs, side, side };
    size_t fan_in = shape[1] * side * side;
    float *weight = add(draft, layer->name, "weight", 4, shape);
    if (!weight)
        return -ENOMEM;
    if (layer->input == NETWORK_IMAGE)
        make_stem(weight);
    else if (!layer->relu)
        make_shortcut(layer, dice, weight);
    else
        make_branch(shape[0] * fan_in, fan_in, dice, weight);
    return add_norm(draft, layer, dice, weight, fan_in);
}

static int add_fc(struct draft *draft, const struct layer *layer)
{
    size_t shape[2] = { BACKBONE_CLASSES, (size_t)layer->inputs };
    return add(draft, layer->name, "weight", 2, shape) && add(draft, layer->name, "bias", 1, shape) ? 0 : -ENOMEM;
}

int backbone_write(const char *path, uint64_t seed, struct why *why)
{
    const struct network *network = network_find("resnet50");
    CLEANUP(draft_freep) struct draft *draft = calloc(1, sizeof(*draft));
    int r = draft ? 0 : -ENOMEM;
    for (int i = 0; i < network->count && r >= 0; i++) {
        const struct layer *layer = &network->layers[i];
        struct dice dice = dice_for(seed, (uint64_t)i);
        if (layer->kind == LAYER_CONV)
            r = add_conv(draft, layer, &dice);
        else if (layer->kind == LAYER_FC)
            r = add_fc(draft, layer);
    }
    if (r < 0)
        return because(why, r, "%s: not enough memory to make the network (100 MB)", path);
    return safetensors_write(path, draft->tensors, draft->count, why);
}
