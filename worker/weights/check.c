#include "worker/weights/check.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define CLASSES_MAX 1000000
#define ANY         SIZE_MAX /* in a shape: the file does not say how many classes there are */

/* A tensor that a network wants. */
struct wanted {
    char name[80];
    int dims; /* -1: any shape and type, and it may be absent */
    size_t shape[4];
    bool variance; /* must not be negative */
};

typedef int visit_fn(const struct wanted *wanted, void *context);

static int visit_norm(const struct layer *layer, visit_fn *visit, void *context)
{
    static const char *const parts[] = { "weight", "bias", "running_mean", "running_var" };
    struct wanted wanted = { .dims = 1, .shape = { (size_t)layer->outputs } };
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        snprintf(wanted.name, sizeof(wanted.name), "%s.%s", layer->norm, parts[i]);
        wanted.variance = i == 3;
        int r = visit(&wanted, context);
        if (r < 0)
            return r;
    }
    wanted = (struct wanted){ .dims = -1 };
    snprintf(wanted.name, sizeof(wanted.name), "%s.num_batches_tracked", layer->norm);
    return visit(&wanted, context);
}

static int visit_conv(const struct layer *layer, visit_fn *visit, void *context)
{
    size_t kernel = (size_t)layer->kernel;
    struct wanted wanted = {
        .dims = 4,
        .shape = { (size_t)layer->outputs, (size_t)(layer->inputs / layer->groups), kernel, kernel },
    };
    snprintf(wanted.name, sizeof(wanted.name), "%s.weight", layer->name);
    int r = visit(&wanted, context);
    return r < 0 ? r : visit_norm(layer, visit, context);
}

static int visit_fc(const struct layer *layer, size_t classes, visit_fn *visit, void *context)
{
    struct wanted wanted = { .dims = 2, .shape = { classes, (size_t)layer->inputs } };
    snprintf(wanted.name, sizeof(wanted.name), "%s.weight", layer->name);
    int r = visit(&wanted, context);
    if (r < 0)
        return r;
    wanted.dims = 1;
    snprintf(wanted.name, sizeof(wanted.name), "%s.bias", layer->name);
    return visit(&wanted, context);
}

/* Visits every tensor of the network until a visit fails. */
static int visit_all(const struct network *network, size_t classes, visit_fn *visit, void *context)
{
    for (int i = 0; i < network->count; i++) {
        const struct layer *layer = &network->layers[i];
        int r = 0;
        if (layer->kind == LAYER_CONV)
            r = visit_conv(layer, visit, context);
        else if (layer->kind == LAYER_FC)
            r = visit_fc(layer, classes, visit, context);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Rows of fc.weight; ANY when there is no such matrix: its check will say so. */
static size_t count_classes(const struct weights *weights)
{
    const struct tensor *fc = weights_find(weights, "fc.weight");
    return fc && fc->dims == 2 && fc->shape[0] > 0 && fc->shape[0] <= CLASSES_MAX ? fc->shape[0] : ANY;
}

static bool same_shape(const struct tensor *tensor, const struct wanted *wanted)
{
    return tensor->dims == wanted->dims &&
           !memcmp(tensor->shape, wanted->shape, (size_t)wanted->dims * sizeof(wanted->shape[0]));
}

/* ---- detection: the network with the fewest differences --------------------------------------------------------------- */

struct likeness {
    const struct weights *weights;
    size_t named, differences;
};

static int compare(const struct wanted *wanted, void *context)
{
    struct likeness *likeness = context;
    const struct tensor *tensor = weights_find(likeness->weights, wanted->name);
    likeness->named += tensor != NULL;
    likeness->differences += wanted->dims >= 0 && (!tensor || !same_shape(tensor, wanted));
    return 0;
}

int network_detect(const struct weights *weights, const struct network **ret, struct why *why)
{
    const struct network *network, *best = NULL;
    size_t fewest = SIZE_MAX;
    for (int i = 0; (network = network_at(i)); i++) {
        struct likeness likeness = { .weights = weights };
        visit_all(network, count_classes(weights), compare, &likeness);
        size_t differences = likeness.differences + (weights->count - likeness.named);
        if (likeness.named > 0 && differences < fewest) {
            fewest = differences;
            best = network;
        }
    }
    if (!best)
        return because(why, -EINVAL, "%s: none of its %zu tensors has the name of a ResNet's (conv1.weight, "
                       "layer1.0.conv1.weight, ...)%s%.100s; give weights with torchvision's names", weights->path, weights->count,
                       weights->count ? "; the first is " : "", weights->count ? weights->tensors[0].name : "");
    *ret = best;
    return 0;
}

/* ---- the check -------------------------------------------------------------------------------------------------------- */

struct check {
    const struct weights *weights;
    const struct network *network;
    size_t named;
    float *values; /* room for the largest tensor */
    struct why *why;
};

static const char *shape_text(int dims, const size_t *shape, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "[");
    for (int i = 0; i < dims && used < size; i++)
        used += shape[i] == ANY ? (size_t)snprintf(text + used, size - used, "%sclasses", i ? "," : "")
                                : (size_t)snprintf(text + used, size - used, "%s%zu", i ? "," : "", shape[i]);
    if (used < size)
        snprintf(text + used, size - used, "]");
    return text;
}

static int wrong_shape(const struct check *check, const struct tensor *tensor, const struct wanted *wanted)
{
    char found[200], expected[100];
    return because(check->why, -EINVAL, "%s: tensor %s has shape %s, expected %s; is this a %s?", check->weights->path,
                   tensor->name, shape_text(tensor->dims, tensor->shape, found, sizeof(found)),
                   shape_text(wanted->dims, wanted->shape, expected, sizeof(expected)), check->network->name);
}

static int check_values(const struct check *check, const struct tensor *tensor, bool variance)
{
    tensor_to_f32(tensor, check->values);
    for (size_t i = 0; i < tensor->count; i++) {
        if (!isfinite(check->values[i]))
            return because(check->why, -EINVAL, "%s: tensor %s: value %zu is not finite; the file is damaged or its training "
                           "failed", check->weights->path, tensor->name, i);
        if (variance && check->values[i] < 0)
            return because(check->why, -EINVAL, "%s: tensor %s: value %zu is %g, and a variance cannot be negative; the file "
                           "is damaged", check->weights->path, tensor->name, i, (double)check->values[i]);
    }
    return 0;
}

static int check_one(const struct wanted *wanted, void *context)
{
    struct check *check = context;
    const struct tensor *tensor = weights_find(check->weights, wanted->name);
    check->named += tensor != NULL;
    if (wanted->dims < 0)
        return 0;
    char expected[100];
    if (!tensor)
        return because(check->why, -EINVAL, "%s: tensor %s is missing, expected shape %s; is this a %s?", check->weights->path,
                       wanted->name, shape_text(wanted->dims, wanted->shape, expected, sizeof(expected)),
                       check->network->name);
    if (!same_shape(tensor, wanted))
        return wrong_shape(check, tensor, wanted);
    if (tensor->dtype == DTYPE_I64)
        return because(check->why, -EINVAL, "%s: tensor %s has type I64, expected F32, F16, BF16 or F64", check->weights->path,
                       tensor->name);
    return check_values(check, tensor, wanted->variance);
}

/* Some tensor has a name the network does not know: finds the first and says so. */
struct search {
    const char *name;
    bool found;
};

static int look_for(const struct wanted *wanted, void *context)
{
    struct search *search = context;
    search->found = search->found || !strcmp(wanted->name, search->name);
    return 0;
}

static int unexpected(const struct check *check)
{
    const struct weights *weights = check->weights;
    for (size_t i = 0; i < weights->count; i++) {
        struct search search = { weights->tensors[i].name, false };
        char found[200];
        visit_all(check->network, 1, look_for, &search);
        if (!search.found)
            return because(check->why, -EINVAL, "%s: tensor %.200s %s is unexpected; is this a %s?", weights->path, search.name,
                           shape_text(weights->tensors[i].dims, weights->tensors[i].shape, found, sizeof(found)),
                           check->network->name);
    }
    return -EINVAL;
}

int weights_check(const struct weights *weights, const struct network *network, int *ret_classes, struct why *why)
{
    size_t largest = 1, classes = count_classes(weights);
    for (size_t i = 0; i < weights->count; i++)
        largest = weights->tensors[i].count > largest ? weights->tensors[i].count : largest;
    CLEANUP(freep) float *values = calloc(largest, sizeof(*values));
    if (!values)
        return because(why, -ENOMEM, "%s: no memory for a tensor of %zu numbers", weights->path, largest);
    struct check check = { weights, network, 0, values, why };
    int r = visit_all(network, classes, check_one, &check);
    if (r == 0 && check.named < weights->count)
        r = unexpected(&check);
    if (r < 0)
        return r;
    *ret_classes = (int)classes;
    return 0;
}
