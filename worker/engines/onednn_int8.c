#include "worker/engines/onednn_int8.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define LANES  8
#define KERNEL_MAX 49 /* numbers: the first layer's 7x7 */
#define EXACT  0x1p22 /* sums below it keep their fractions in f32 */

uint8_t int8_border(float mean)
{
    return (uint8_t)lrintf(255 * mean);
}

static int check_image(const struct engine_spec *spec, struct why *why)
{
    for (int c = 0; c < 3; c++)
        if (!(spec->mean[c] >= 0 && spec->mean[c] <= 1))
            return because(why, -ENOTSUP, "int8 needs a mean of the pixels from 0 to 1, not %g; use --precision f32", (double)spec->mean[c]);
    return 0;
}

struct form form_kept(struct form form)
{
    return form.copied ? FORM_PLAIN : form;
}

static bool feeds_convolution(const struct network *network, int activation)
{
    for (int i = 0; i < network->count; i++)
        if (network->layers[i].kind == LAYER_CONV && network->layers[i].input == activation)
            return true;
    return false;
}

/* Between the convolutions of a block: of no residual and no sum. */
static bool is_inside_block(const struct layer *layer)
{
    return layer->kind == LAYER_CONV && layer->input != NETWORK_IMAGE && layer->relu && layer->residual == NETWORK_NONE;
}

static struct form form_of(const struct network *network, int i, struct range range)
{
    const struct layer *layer = &network->layers[i];
    bool in_f32 = layer->kind == LAYER_AVG_POOL || layer->kind == LAYER_FC || (!network->bottleneck && !is_inside_block(layer));
    if (in_f32 && !feeds_convolution(network, i + 1))
        return FORM_PLAIN;
    return (struct form){ FORM_U8, range.low, (range.high - range.low) / RANGES_LEVELS, .copied = in_f32 };
}

int int8_forms(const struct engine_spec *spec, struct form *ret, struct why *why)
{
    const struct network *network = spec->network;
    int r = check_image(spec, why);
    if (r < 0)
        return r;
    ret[NETWORK_IMAGE] = (struct form){ .kind = FORM_U8, .step = 1 };
    for (int i = 0; i < network->count; i++) {
        const struct layer *layer = &network->layers[i];
        if (layer->kind == LAYER_CONV && ret[layer->input].low < 0)
            return because(why, -ENOTSUP, "%s reads numbers below 0, which int8 cannot; use --precision f32", layer->name);
        ret[i + 1] = form_of(network, i, spec->ranges->of[i + 1]);
    }
    return 0;
}

/* A filter's number as it meets what is stored. */
static double met(const struct int8_place *place, float weight, size_t channel)
{
    return place->std ? weight / (255.0 * (double)place->std[channel]) : (double)weight;
}

struct filter_shape {
    size_t channels, area; /* a filter is (channels, area) */
};

/* In several lanes, so that no comparison waits for the one before. */
static float largest_plain(const float *filter, size_t count)
{
    float most[LANES] = { 0 };
    size_t whole = count - count % LANES;
    for (size_t i = 0; i < whole; i += LANES)
        for (size_t l = 0; l < LANES; l++) {
            float size = fabsf(filter[i + l]);
            most[l] = size > most[l] ? size : most[l];
        }
    for (size_t i = whole; i < count; i++)
        most[0] = fabsf(filter[i]) > most[0] ? fabsf(filter[i]) : most[0];
    for (size_t l = 1; l < LANES; l++)
        most[0] = most[l] > most[0] ? most[l] : most[0];
    return most[0];
}

static double largest(const struct int8_place *place, const float *filter, struct filter_shape shape)
{
    double most = 0;
    if (!place->std)
        return (double)largest_plain(filter, shape.channels * shape.area);
    for (size_t c = 0; c < shape.channels; c++)
        for (size_t k = 0; k < shape.area; k++) {
            double size = fabs(met(place, filter[c * shape.area + k], c));
            most = size > most ? size : most;
        }
    return most;
}

/* To the nearest whole number, the even one of two, of what is well below 2^51: what lrint() does, without a call a number. */
static double nearest(double value)
{
    const double shift = 0x1.8p52;
    return value + shift - shift;
}

/* Neighbouring pixels are much alike, so what counts is the sum of a kernel's rounding errors: as long as it is more than half a step, the number that was
 * rounded farthest in its direction goes to the other side. C. Guo et al., "SQuant: On-the-Fly Data-Free Quantization", ICLR 2022. */
static void balance_kernel(const struct int8_place *place, const double *exact, size_t area, int8_t *ret)
{
    double sum = 0;
    for (size_t k = 0; k < area; k++)
        sum += exact[k] - ret[k];
    while (fabs(sum) > 0.5) {
        double sign = sum > 0 ? 1 : -1, farthest = 0;
        size_t at = 0;
        for (size_t k = 0; k < area; k++) {
            double off = sign * (exact[k] - ret[k]);
            if (off > farthest && abs(ret[k] + (int)sign) <= place->most) {
                farthest = off;
                at = k;
            }
        }
        if (farthest <= 0)
            return;
        ret[at] = (int8_t)(ret[at] + (int)sign);
        sum -= sign;
    }
}

static void round_kernel(const struct int8_place *place, const float *kernel, size_t channel, size_t area, double step, int8_t *ret)
{
    double exact[KERNEL_MAX];
    for (size_t k = 0; k < area; k++) {
        exact[k] = met(place, kernel[k], channel) / step;
        ret[k] = (int8_t)nearest(exact[k]);
    }
    balance_kernel(place, exact, area, ret);
}

static void round_filter(const struct int8_place *place, const float *filter, struct filter_shape shape, double step, int8_t *ret)
{
    if (shape.area == 1) /* most numbers of a bottleneck */
        for (size_t c = 0; c < shape.channels; c++)
            ret[c] = (int8_t)nearest(met(place, filter[c], c) / step);
    else
        for (size_t c = 0; c < shape.channels; c++)
            round_kernel(place, filter + c * shape.area, c, shape.area, step, ret + c * shape.area);
}

/* What an image of nothing but the mean adds up to. */
static double sum_of_mean(const struct int8_place *place, const int8_t *filter, struct filter_shape shape)
{
    double sum = 0;
    for (size_t c = 0; c < shape.channels && place->mean; c++)
        for (size_t k = 0; k < shape.area; k++)
            sum += 255.0 * (double)place->mean[c] * filter[c * shape.area + k];
    return sum;
}

/* What rounding the filter takes from its output on average. `group`: the first channel that it reads. */
static double mean_error(const struct int8_place *place, const float *filter, const int8_t *rounded, struct filter_shape shape, double step, size_t group)
{
    double sum = 0;
    for (size_t c = 0; c < shape.channels && place->in_means; c++) {
        double mean = (double)place->in_means[group + c] * (place->std ? 255.0 * (double)place->std[c] : 1);
        for (size_t k = 0; k < shape.area; k++)
            sum += mean * (met(place, filter[c * shape.area + k], c) - step * rounded[c * shape.area + k]);
    }
    return sum;
}

/* The step of a filter's numbers. Where the bias dwarfs the filter, as in channels that are always off, a coarser one keeps their sum in f32. */
static double choose_step(const struct int8_place *place, const float *filter, struct filter_shape shape, double bias)
{
    double step = largest(place, filter, shape) / place->most, least = fabs(bias) / ((double)place->in.step * EXACT);
    step = fmax(step, least);
    return step > 0 ? step : 1;
}

void int8_quantise(const struct layer *layer, const struct int8_place *place, const float *weight, float *bias, int8_t *ret, float *scale)
{
    const struct filter_shape shape = { (size_t)(layer->inputs / layer->groups), (size_t)layer->kernel * (size_t)layer->kernel };
    const size_t size = shape.channels * shape.area;
    for (int o = 0; o < layer->outputs; o++) {
        const float *filter = weight + (size_t)o * size;
        int8_t *rounded = ret + (size_t)o * size;
        double offset = (double)bias[o] + (double)place->residual_low - (double)place->out.low;
        double step = choose_step(place, filter, shape, offset), unit = step * (double)place->in.step;
        size_t group = (size_t)(o / (layer->outputs / layer->groups)) * shape.channels;
        round_filter(place, filter, shape, step, rounded);
        offset += mean_error(place, filter, rounded, shape, step, group);
        bias[o] = (float)(offset / unit - sum_of_mean(place, rounded, shape));
        scale[o] = (float)(unit / (double)place->out.step);
    }
}
