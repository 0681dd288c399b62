#include "tests/demo/fit.h"

#include "tests/demo/ridge.h"
#include "worker/weights/safetensors_write.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define LAMBDA 1e-5 /* beside the diagonal, which is 1 for rows of length 1 */

/* Mean length of the features: W is brought to their scale. */
static double mean_length(const struct samples *samples)
{
    double sum = 0;
    for (size_t i = 0; i < samples->count; i++)
        sum += samples->lengths[i];
    return sum / (double)samples->count;
}

/* -log softmax of class `own` among factor * scores. */
static double surprise(const double *scores, size_t classes, size_t own, double factor)
{
    double sum = 0;
    for (size_t k = 0; k < classes; k++)
        sum += exp(factor * (scores[k] - scores[own]));
    return log(sum);
}

static double cross_entropy(const struct samples *samples, const double *left_out, double factor)
{
    double sum = 0;
    for (size_t i = 0; i < samples->count; i++)
        sum += surprise(left_out + i * samples->named, samples->named, (size_t)samples->classes[i],
                        factor * samples->lengths[i]);
    return sum;
}

/* The best of a range of factors on W, from nearly indifferent to nearly certain. */
static double best_factor(const struct samples *samples, const double *left_out)
{
    double unit = 1 / mean_length(samples), best = unit, least = INFINITY;
    for (double factor = 0.25; factor < 256; factor *= 1.1) {
        double loss = cross_entropy(samples, left_out, factor * unit);
        if (loss < least) {
            least = loss;
            best = factor * unit;
        }
    }
    return best;
}

static size_t count_right(const struct samples *samples, const double *left_out)
{
    size_t right = 0;
    for (size_t i = 0; i < samples->count; i++) {
        const double *scores = left_out + i * samples->named;
        size_t best = 0;
        for (size_t k = 1; k < samples->named; k++)
            best = scores[k] > scores[best] ? k : best;
        right += best == (size_t)samples->classes[i];
    }
    return right;
}

int fit_make(const struct samples *samples, struct fit *ret, struct why *why)
{
    size_t size = samples->named * samples->width;
    CLEANUP(freep) double *weight = malloc(size * sizeof(double));
    CLEANUP(freep) double *left_out = malloc(samples->count * samples->named * sizeof(double));
    CLEANUP(freep) float *scaled = malloc(size * sizeof(float));
    if (!weight || !left_out || !scaled)
        return because(why, -ENOMEM, "not enough memory to fit to %zu images", samples->count);
    int r = ridge_fit(samples, LAMBDA, weight, left_out, why);
    if (r < 0)
        return r;
    double factor = best_factor(samples, left_out);
    for (size_t i = 0; i < size; i++)
        scaled[i] = (float)(factor * weight[i]);
    *ret = (struct fit){ take(scaled), count_right(samples, left_out) };
    return 0;
}

void fit_done(struct fit *fit)
{
    free(fit->weight);
    *fit = (struct fit){ 0 };
}

/* Puts the fitted layer in the place of the one in `tensors`. */
static int replace_fc(struct tensor *tensors, size_t count, const struct samples *samples, const float *weight,
                      const float *bias)
{
    int found = 0;
    for (size_t i = 0; i < count; i++) {
        struct tensor *tensor = &tensors[i];
        if (!strcmp(tensor->name, "fc.weight") && tensor->dims == 2 && tensor->shape[1] == samples->width) {
            tensor->data = weight;
            found++;
        } else if (!strcmp(tensor->name, "fc.bias") && tensor->dims == 1) {
            tensor->data = bias;
            found++;
        } else
            continue;
        tensor->dtype = DTYPE_F32;
        tensor->shape[0] = samples->named;
    }
    return found == 2 ? 0 : -EINVAL;
}

int fit_write_model(const char *path, const char *backbone, const struct samples *samples, const struct fit *fit,
                    struct why *why)
{
    CLEANUP(weights_closep) struct weights *weights = NULL;
    int r = weights_open(backbone, &weights, why);
    if (r < 0)
        return r;
    CLEANUP(freep) struct tensor *tensors = calloc(weights->count, sizeof(*tensors));
    CLEANUP(freep) float *bias = calloc(samples->named, sizeof(float));
    if (!tensors || !bias)
        return because(why, -ENOMEM, "%s: not enough memory", path);
    memcpy(tensors, weights->tensors, weights->count * sizeof(*tensors));
    if (replace_fc(tensors, weights->count, samples, fit->weight, bias) < 0)
        return because(why, -EINVAL, "%s: has no fc for %zu features; fit to features that this network made", backbone,
                       samples->width);
    return safetensors_write(path, tensors, weights->count, why);
}

int fit_write_labels(const char *path, const struct samples *samples, struct why *why)
{
    FILE *file = fopen(path, "w");
    if (!file)
        return because(why, -errno, "%s: cannot write it: %s", path, strerror(errno));
    for (size_t i = 0; i < samples->named; i++) {
        for (const char *c = samples->names[i]; *c; c++)
            fputc(*c == '_' ? ' ' : *c, file);
        fputc('\n', file);
    }
    bool failed = ferror(file);
    if (fclose(file) || failed) {
        unlink(path);
        return because(why, -EIO, "%s: could not write all of it; is the disk full?", path);
    }
    return 0;
}
