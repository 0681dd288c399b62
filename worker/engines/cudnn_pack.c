#include "worker/engines/cudnn_pack.h"

#include <errno.h>
#include <stdbool.h>

size_t pack_filter_count(const struct layer *layer)
{
    return (size_t)layer->outputs * (size_t)layer->kernel * (size_t)layer->kernel * (size_t)(layer->inputs / layer->groups);
}

/* Smallest normal number. */
static float smallest(enum number_format format)
{
    return format == NUMBER_F16 ? 0x1p-14f : 0x1p-126f;
}

/* Rounds one number; false when it does not fit. */
static bool put(enum number_format format, void *to, size_t at, float value, struct pack_report *report)
{
    float magnitude = fabsf(value);
    number_store(format, to, at, value);
    report->numbers++;
    report->largest = magnitude > report->largest ? magnitude : report->largest;
    report->subnormals += magnitude > 0 && magnitude < smallest(format);
    return isfinite(number_load(format, to, at));
}

static int too_large(const struct layer *layer, float value, enum number_format format, struct why *why)
{
    return because(why, -ERANGE, "%s: its folded weight %g does not fit %s; use --precision %s", layer->name, (double)value,
                   format == NUMBER_F16 ? "f16, whose largest number is 65504" : "the number format",
                   format == NUMBER_F16 ? "bf16 or f32" : "f32");
}

int pack_filter(const struct layer *layer, const float *filter, enum number_format format, void *to, struct pack_report *report,
                struct why *why)
{
    size_t inputs = (size_t)(layer->inputs / layer->groups), area = (size_t)layer->kernel * (size_t)layer->kernel;
    for (size_t o = 0; o < (size_t)layer->outputs; o++)
        for (size_t at = 0; at < area; at++)
            for (size_t c = 0; c < inputs; c++) {
                float value = filter[(o * inputs + c) * area + at];
                if (!put(format, to, (o * area + at) * inputs + c, value, report))
                    return too_large(layer, value, format, why);
            }
    return 0;
}

/* ---- s8 ------------------------------------------------------------------------------------------------------------------- */

#define CUTS    16   /* steps that are tried, of which each is smaller than the one before */
#define SHRINK  0.95f
#define SAMPLES 65536 /* numbers of a filter that are looked at */

static double squared_error(const float *filter, size_t count, size_t stride, float step)
{
    double sum = 0;
    for (size_t i = 0; i < count; i += stride) {
        double error = (double)filter[i] - (double)step * number_to_s8(filter[i] / step);
        sum += error * error;
    }
    return sum;
}

float pack_step(const float *filter, size_t count)
{
    float most = 0;
    for (size_t i = 0; i < count; i++)
        most = fmaxf(most, fabsf(filter[i]));
    if (!(most > 0))
        return 1.0f / NUMBER_S8_MOST;
    size_t stride = count / SAMPLES | 1; /* odd: it meets every channel */
    float best = most / NUMBER_S8_MOST, step = best;
    double least = squared_error(filter, count, stride, best);
    for (int i = 0; i < CUTS; i++) {
        step *= SHRINK;
        double error = squared_error(filter, count, stride, step);
        if (error < least) {
            least = error;
            best = step;
        }
    }
    return best;
}

void pack_filter_s8(const struct layer *layer, const float *filter, float step, int8_t *to)
{
    size_t inputs = (size_t)(layer->inputs / layer->groups), area = (size_t)layer->kernel * (size_t)layer->kernel;
    for (size_t o = 0; o < (size_t)layer->outputs; o++)
        for (size_t at = 0; at < area; at++)
            for (size_t c = 0; c < inputs; c++)
                to[(o * area + at) * inputs + c] = number_to_s8(filter[(o * inputs + c) * area + at] / step);
}

void pack_correct_bias(const struct layer *layer, const float *filter, const int8_t *packed, float step, const float *means, float *bias)
{
    size_t inputs = (size_t)(layer->inputs / layer->groups), area = (size_t)layer->kernel * (size_t)layer->kernel;
    size_t per_group = (size_t)(layer->outputs / layer->groups);
    for (size_t o = 0; o < (size_t)layer->outputs; o++) {
        double lost = 0;
        for (size_t c = 0; c < inputs; c++)
            for (size_t at = 0; at < area; at++) {
                double weight = (double)filter[(o * inputs + c) * area + at], rounded = (double)step * packed[(o * area + at) * inputs + c];
                lost += (double)means[o / per_group * inputs + c] * (weight - rounded);
            }
        bias[o] = (float)((double)bias[o] + lost);
    }
}

int pack_numbers(const struct layer *layer, const float *values, size_t count, enum number_format format, void *to, struct pack_report *report,
                 struct why *why)
{
    for (size_t i = 0; i < count; i++)
        if (!put(format, to, i, values[i], report))
            return too_large(layer, values[i], format, why);
    return 0;
}
