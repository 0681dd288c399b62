#include "worker/image/resize.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PRECISION_BITS 22
#define HALF (1 << (PRECISION_BITS - 1))

/* ---- the plan of an axis --------------------------------------------------------------------------------------------- */

/* torchvision's int(round((size - crop) / 2)): Python rounds halves to even. */
static int crop_offset(int size, int crop)
{
    int d = size - crop, half = d / 2;
    return d % 2 ? half + half % 2 : half;
}

struct filter {
    double scale;   /* source pixels an output pixel */
    double width;   /* of the triangle, to one side */
};

static struct filter filter_of(int source, int resized)
{
    double scale = (double)source / resized;
    return (struct filter){ scale, scale < 1 ? 1 : scale };
}

/* The source pixels under the triangle of output pixel `i`: first..end-1. */
static void span(const struct filter *filter, int source, int i, int *ret_first, int *ret_end)
{
    double center = (i + 0.5) * filter->scale;
    int first = (int)(center - filter->width + 0.5), end = (int)(center + filter->width + 0.5);
    *ret_first = first < 0 ? 0 : first;
    *ret_end = end > source ? source : end;
}

static double triangle(double x)
{
    x = fabs(x);
    return x < 1 ? 1 - x : 0;
}

static void weigh(const struct filter *filter, int i, int first, int taps, int32_t *weight)
{
    double center = (i + 0.5) * filter->scale, narrow = 1 / filter->width, sum = 0;
    for (int j = 0; j < taps; j++)
        sum += triangle((j + first - center + 0.5) * narrow);
    for (int j = 0; j < taps; j++) {
        double w = triangle((j + first - center + 0.5) * narrow) / sum;
        weight[j] = (int32_t)(0.5 + w * (1 << PRECISION_BITS));
    }
}

/* Cuts the 23 bits of each weight of a group in two: the low 15, then the high 8. */
static void halve(const int32_t *weight, int16_t *to)
{
    for (int k = 0; k < AXIS_GROUP; k++) {
        to[k] = (int16_t)(weight[k] & 0x7fff);
        to[AXIS_GROUP + k] = (int16_t)(weight[k] >> 15);
    }
}

/* Memory for `kept` output pixels and the blank ones that round them up to a group. */
static int axis_reserve(struct axis *axis)
{
    size_t outputs = ((size_t)axis->kept + AXIS_GROUP - 1) / AXIS_GROUP * AXIS_GROUP;
    size_t weights = outputs * (size_t)axis->groups * AXIS_GROUP;
    size_t need = weights * (sizeof(int32_t) + 2 * sizeof(int16_t)) + 2 * outputs * sizeof(int);
    if (need > axis->room) {
        free(axis->memory);
        axis->room = 0;
        axis->memory = malloc(need);
        if (!axis->memory)
            return -ENOMEM;
        axis->room = need;
    }
    memset(axis->memory, 0, need);
    axis->weight = axis->memory;
    axis->halves = (int16_t *)(axis->weight + weights);
    axis->start = axis->weight + 2 * weights;
    axis->taps = axis->start + outputs;
    return 0;
}

/* Which source pixels each output pixel needs, and all of them together. */
static void find_spans(struct axis *axis, const struct filter *filter, int source, int offset)
{
    int first, end;
    span(filter, source, offset, &axis->first, &end);
    span(filter, source, offset + axis->kept - 1, &first, &end);
    axis->count = end - axis->first;
    for (int i = 0; i < axis->kept; i++) {
        span(filter, source, offset + i, &first, &end);
        axis->start[i] = first - axis->first;
        axis->taps[i] = end - first;
    }
}

static int most_taps(const struct filter *filter, int source, int offset, int kept)
{
    int first, end, most = 0;
    for (int i = 0; i < kept; i++) {
        span(filter, source, offset + i, &first, &end);
        most = end - first > most ? end - first : most;
    }
    return most;
}

int axis_plan(struct axis *axis, int source, int resized, int crop)
{
    struct filter filter = filter_of(source, resized);
    int offset = crop < resized ? crop_offset(resized, crop) : 0;
    axis->kept = crop < resized ? crop : resized;
    axis->padding = (crop - axis->kept) / 2;
    axis->groups = (most_taps(&filter, source, offset, axis->kept) + AXIS_GROUP - 1) / AXIS_GROUP;
    int r = axis_reserve(axis);
    if (r < 0)
        return r;
    find_spans(axis, &filter, source, offset);
    for (int i = 0; i < axis->kept; i++) {
        size_t at = (size_t)i * (size_t)axis->groups * AXIS_GROUP;
        weigh(&filter, offset + i, axis->first + axis->start[i], axis->taps[i], axis->weight + at);
        for (size_t g = 0; g < (size_t)axis->groups; g++)
            halve(axis->weight + at + g * AXIS_GROUP, axis->halves + 2 * (at + g * AXIS_GROUP));
    }
    return 0;
}

void axis_done(struct axis *axis)
{
    free(axis->memory);
    *axis = (struct axis){ 0 };
}

/* ---- the passes, plainly --------------------------------------------------------------------------------------------- */

/* The sum of weights may exceed one by a few units, so only the upper end can overflow. */
static uint8_t clip(int32_t sum)
{
    sum >>= PRECISION_BITS;
    return (uint8_t)(sum > 255 ? 255 : sum);
}

static void plain_row(const struct axis *x, const uint8_t *from, uint8_t *to)
{
    const int32_t *weight = x->weight;
    for (int i = 0; i < x->kept; i++, to += 3, weight += (size_t)x->groups * AXIS_GROUP) {
        const uint8_t *pixel = from + 3 * (size_t)x->start[i];
        int32_t r = HALF, g = HALF, b = HALF;
        for (int j = 0; j < x->taps[i]; j++, pixel += 3) {
            r += pixel[0] * weight[j];
            g += pixel[1] * weight[j];
            b += pixel[2] * weight[j];
        }
        to[0] = clip(r);
        to[1] = clip(g);
        to[2] = clip(b);
    }
}

#define COLUMNS 64 /* sums kept at a time: registers, or the nearest cache */

static void plain_column(const struct axis *y, int i, const uint8_t *from, size_t stride, uint8_t *to, size_t bytes)
{
    const int32_t *weight = y->weight + (size_t)i * (size_t)y->groups * AXIS_GROUP;
    for (size_t at = 0; at < bytes; at += COLUMNS) {
        size_t n = bytes - at < COLUMNS ? bytes - at : COLUMNS;
        int32_t sum[COLUMNS];
        for (size_t k = 0; k < COLUMNS; k++)
            sum[k] = HALF;
        for (int j = 0; j < y->taps[i]; j++)
            for (size_t k = 0; k < n; k++)
                sum[k] += from[(size_t)j * stride + at + k] * weight[j];
        for (size_t k = 0; k < n; k++)
            to[at + k] = clip(sum[k]);
    }
}

const struct resizer resizer_plain = { "plain", plain_row, plain_column };
