#include "worker/weights/fold.h"

#include <errno.h>
#include <math.h>

#define EPSILON 1e-5

static int load(const struct weights *weights, const char *module, const char *part, float *out, struct why *why)
{
    char name[80];
    snprintf(name, sizeof(name), "%s.%s", module, part);
    const struct tensor *tensor = weights_find(weights, name);
    if (!tensor || tensor->dtype == DTYPE_I64)
        return because(why, -EINVAL, "%s: tensor %s is missing", weights->path, name);
    tensor_to_f32(tensor, out);
    return 0;
}

/* Multiplies the filters by the scale of their channel. */
static int scale_filters(const struct layer *layer, const double *scale, float *weight)
{
    size_t filter = (size_t)(layer->inputs / layer->groups) * (size_t)layer->kernel * (size_t)layer->kernel;
    bool finite = true;
    for (int o = 0; o < layer->outputs; o++)
        for (size_t i = 0; i < filter; i++) {
            float *w = &weight[(size_t)o * filter + i];
            *w = (float)(*w * scale[o]);
            finite = finite && isfinite(*w);
        }
    return finite ? 0 : -ERANGE;
}

int fold_conv(const struct weights *weights, const struct layer *layer, float *weight, float *bias, struct why *why)
{
    size_t n = (size_t)layer->outputs;
    CLEANUP(freep) float *norm = calloc(4 * n, sizeof(*norm));
    CLEANUP(freep) double *scale = calloc(n, sizeof(*scale));
    if (!norm || !scale)
        return because(why, -ENOMEM, "%s: no memory to fold %s", weights->path, layer->norm);
    float *gamma = norm, *beta = norm + n, *mean = norm + 2 * n, *variance = norm + 3 * n;
    int r;
    if ((r = load(weights, layer->name, "weight", weight, why)) < 0 ||
        (r = load(weights, layer->norm, "weight", gamma, why)) < 0 ||
        (r = load(weights, layer->norm, "bias", beta, why)) < 0 ||
        (r = load(weights, layer->norm, "running_mean", mean, why)) < 0 ||
        (r = load(weights, layer->norm, "running_var", variance, why)) < 0)
        return r;
    for (size_t o = 0; o < n; o++) {
        scale[o] = gamma[o] / sqrt(variance[o] + EPSILON);
        bias[o] = (float)(beta[o] - mean[o] * scale[o]);
        if (!isfinite(bias[o]))
            r = -ERANGE;
    }
    if (scale_filters(layer, scale, weight) < 0 || r < 0)
        return because(why, -ERANGE, "%s: %s folded into %s overflows f32; the weights are damaged", weights->path, layer->norm,
                       layer->name);
    return 0;
}

int fold_fc(const struct weights *weights, const struct layer *layer, float *weight, float *bias, struct why *why)
{
    int r = load(weights, layer->name, "weight", weight, why);
    return r < 0 ? r : load(weights, layer->name, "bias", bias, why);
}
