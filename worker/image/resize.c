#include "worker/image/resize.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
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

/* ---- filters: functions of the distance in (reduced) pixels, even where they are written for one side ---- */

static double box(double x)
{
    return x > -0.5 && x <= 0.5 ? 1 : 0;
}

static double triangle(double x)
{
    x = fabs(x);
    return x < 1 ? 1 - x : 0;
}

static double hamming(double x)
{
    x = fabs(x);
    if (x == 0)
        return 1;
    if (x >= 1)
        return 0;
    x *= M_PI;
    return sin(x) / x * ((double)0.54f + (double)0.46f * cos(x)); /* floats, as in Pillow */
}

static double cubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

static double sinc(double x)
{
    if (x == 0)
        return 1;
    x *= M_PI;
    return sin(x) / x;
}

static double lanczos(double x)
{
    return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0;
}

struct kernel {
    double (*at)(double x);
    double support; /* to one side */
};

static const struct kernel kernels[INTERPOLATION_COUNT] = {
    [INTERPOLATION_BILINEAR] = { triangle, 1 }, [INTERPOLATION_BICUBIC] = { cubic, 2 },   [INTERPOLATION_BOX] = { box, 0.5 },
    [INTERPOLATION_HAMMING] = { hamming, 1 },   [INTERPOLATION_LANCZOS] = { lanczos, 3 }, [INTERPOLATION_NEAREST] = { NULL, 0 },
};

struct filter {
    const struct kernel *kernel; /* its `at` is NULL: nearest */
    double begin;   /* of the picture, in source pixels */
    double scale;   /* source pixels an output pixel */
    double stretch; /* of the kernel: 1, or the reduction */
    double width;   /* to one side, source pixels */
};

static struct filter filter_of(enum interpolation interpolation, const struct extent *source, int resized)
{
    double scale = (source->end - source->begin) / resized, stretch = scale < 1 ? 1 : scale;
    const struct kernel *kernel = &kernels[interpolation];
    return (struct filter){ kernel, source->begin, scale, stretch, kernel->support * stretch };
}

static double center_of(const struct filter *filter, int i)
{
    return filter->begin + (i + 0.5) * filter->scale;
}

/* The source pixels under the filter of output pixel `i`: first..end-1. */
static void span(const struct filter *filter, int source, int i, int *ret_first, int *ret_end)
{
    double center = center_of(filter, i);
    int first = (int)(center - filter->width + 0.5), end = (int)(center + filter->width + 0.5);
    *ret_first = first < 0 ? 0 : first;
    *ret_end = end > source ? source : end;
}

static int32_t fixed(double weight)
{
    return (int32_t)((weight < 0 ? -0.5 : 0.5) + weight * (1 << PRECISION_BITS));
}

#define KNOWN 32 /* weights of a pixel that are not computed twice */

static void weigh(const struct filter *filter, int i, int first, int taps, int32_t *weight)
{
    if (!filter->kernel->at) {
        weight[0] = 1 << PRECISION_BITS;
        return;
    }
    double center = center_of(filter, i), narrow = 1 / filter->stretch, sum = 0, known[KNOWN];
    for (int j = 0; j < taps; j++) {
        double w = filter->kernel->at((j + first - center + 0.5) * narrow);
        if (j < KNOWN)
            known[j] = w;
        sum += w;
    }
    for (int j = 0; j < taps; j++) {
        double w = j < KNOWN ? known[j] : filter->kernel->at((j + first - center + 0.5) * narrow);
        weight[j] = fixed(sum != 0 ? w / sum : w);
    }
}

/* Cuts each weight of a group in two: the low 15 bits, then the rest with the sign. */
static void cut_in_halves(const int32_t *weight, int16_t *to)
{
    for (int k = 0; k < AXIS_GROUP; k++) {
        to[k] = (int16_t)(weight[k] & 0x7fff);
        to[AXIS_GROUP + k] = (int16_t)(weight[k] >> 15);
    }
}

/* Signed digits to the base of 256. Three are enough: the largest weight of all is 1.29 (lanczos, at an edge, of two pixels), and 1.98
 * would fit. `to`: where the lowest ones go, those of the next digit a plane further on. */
static void cut_in_thirds(const int32_t *weight, int8_t *to)
{
    const size_t plane = (size_t)AXIS_BLOCK * AXIS_GROUP;
    const uint32_t zeros = 0x808080; /* digits of zero, counted from -128 */
    for (int k = 0; k < AXIS_GROUP; k++, to++) {
        uint32_t digits = ((uint32_t)weight[k] + zeros) ^ zeros;
        to[0] = (int8_t)digits;
        to[plane] = (int8_t)(digits >> 8);
        to[2 * plane] = (int8_t)(digits >> 16);
    }
}

/* Memory for `kept` output pixels and the blank ones that round them up to a block. */
static int axis_reserve(struct axis *axis)
{
    size_t outputs = ((size_t)axis->kept + AXIS_BLOCK - 1) / AXIS_BLOCK * AXIS_BLOCK;
    size_t weights = outputs * (size_t)axis->groups * AXIS_GROUP;
    size_t need = weights * (sizeof(int32_t) + 2 * sizeof(int16_t) + 3) + 2 * outputs * sizeof(int);
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
    axis->thirds = (int8_t *)(axis->taps + outputs);
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

/* Pillow adds up the positions, so their rounding errors are part of the result. They stay far below the half step that is between the last pixel and the
 * end of the source: with sizes as in resize.h, a thousandth of it. */
static void find_nearest(struct axis *axis, const struct filter *filter, int offset)
{
    double at = filter->begin + filter->scale * 0.5;
    for (int i = 0; i < offset; i++)
        at += filter->scale;
    for (int i = 0; i < axis->kept; i++) {
        int nearest = (int)at;
        if (i == 0)
            axis->first = nearest;
        axis->start[i] = nearest - axis->first;
        axis->taps[i] = 1;
        at += filter->scale;
    }
    axis->count = axis->start[axis->kept - 1] + 1;
}

static int most_taps(const struct filter *filter, int source, int offset, int kept)
{
    int first, end, most = 1;
    for (int i = 0; i < kept; i++) {
        span(filter, source, offset + i, &first, &end);
        most = end - first > most ? end - first : most;
    }
    return most;
}

/* The weights of output pixel `i`, in the two forms that fast passes want. */
static void cut(struct axis *axis, int i)
{
    size_t groups = (size_t)axis->groups, at = (size_t)i * groups, block = (size_t)(i / AXIS_BLOCK) * groups;
    for (size_t g = 0; g < groups; g++) {
        const int32_t *weight = axis->weight + (at + g) * AXIS_GROUP;
        cut_in_halves(weight, axis->halves + 2 * (at + g) * AXIS_GROUP);
        cut_in_thirds(weight, axis->thirds + ((block + g) * 3 * AXIS_BLOCK + (size_t)(i % AXIS_BLOCK)) * AXIS_GROUP);
    }
}

int axis_plan(struct axis *axis, enum interpolation interpolation, const struct extent *source, int resized, int crop)
{
    struct filter filter = filter_of(interpolation, source, resized);
    bool nearest = !filter.kernel->at;
    int offset = crop < resized ? crop_offset(resized, crop) : 0;
    axis->kept = crop < resized ? crop : resized;
    axis->padding = (crop - axis->kept) / 2;
    axis->groups = nearest ? 1 : (most_taps(&filter, source->pixels, offset, axis->kept) + AXIS_GROUP - 1) / AXIS_GROUP;
    int r = axis_reserve(axis);
    if (r < 0)
        return r;
    if (nearest)
        find_nearest(axis, &filter, offset);
    else
        find_spans(axis, &filter, source->pixels, offset);
    for (int i = 0; i < axis->kept; i++) {
        size_t at = (size_t)i * (size_t)axis->groups * AXIS_GROUP;
        weigh(&filter, offset + i, axis->first + axis->start[i], axis->taps[i], axis->weight + at);
        cut(axis, i);
    }
    return 0;
}

void axis_done(struct axis *axis)
{
    free(axis->memory);
    *axis = (struct axis){ 0 };
}

/* ---- the passes, plainly --------------------------------------------------------------------------------------------- */

static uint8_t clip(int32_t sum)
{
    sum >>= PRECISION_BITS;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
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

static bool runs_everywhere(void)
{
    return true;
}

const struct resizer resizer_plain = { "plain", runs_everywhere, plain_row, plain_column };
