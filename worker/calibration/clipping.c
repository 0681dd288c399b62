#include "worker/calibration/clipping.h"

#include "common/cleanup.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define LINEAR_BINS 2048 /* in which entropy is computed */
#define STRIDE      16   /* of them between two tries */

enum kind { NONE, PERCENTILE, ENTROPY, LEAST_ERROR };

static const struct {
    const char *name;
    enum kind kind;
    double number; /* PERCENTILE: share of the values outside; LEAST_ERROR: the limit is so many times that of the least error */
} ways[CLIPPINGS] = {
    { "none", NONE, 0 },
    { "percentile 99.999", PERCENTILE, 1e-5 },
    { "percentile 99.99", PERCENTILE, 1e-4 },
    { "entropy", ENTROPY, 0 },
    { "least error", LEAST_ERROR, 1 },
    { "least error and a fifth", LEAST_ERROR, 1.2 },
};

const char *clipping_name(int way)
{
    return ways[way].name;
}

/* ---- percentiles -------------------------------------------------------------------------------------------------------- */

/* The magnitude beyond which there are at most `most` values of a side. */
static float beyond(const uint64_t *counts, uint64_t most)
{
    uint64_t outside = 0;
    for (uint32_t bin = HISTOGRAM_BINS - 1; bin > 0; bin--) {
        outside += counts[bin];
        if (outside > most)
            return histogram_edge(bin + 1);
    }
    return 0;
}

static struct range percentile(const struct histogram *h, double outside)
{
    uint64_t most = (uint64_t)(outside * (double)h->total);
    return (struct range){ -beyond(h->below, most), beyond(h->above, most) };
}

/* ---- by magnitude -------------------------------------------------------------------------------------------------------- */

/* Least mean square error: a value inside is rounded (a step's square / 12), one outside is cut off. */
static double error_at(const struct histogram *h, double limit)
{
    double step = limit / RANGES_LEVELS, error = 0;
    for (uint32_t bin = 0; bin < HISTOGRAM_BINS; bin++) {
        uint64_t count = h->above[bin] + h->below[bin];
        if (!count)
            continue;
        double value = 0.5 * ((double)histogram_edge(bin) + (double)histogram_edge(bin + 1));
        double over = value > limit ? value - limit : 0;
        error += (double)count * (over > 0 ? over * over : bin == 0 ? 0 : step * step / 12);
    }
    return error;
}

static double least_error(const struct histogram *h, double most)
{
    double best = most, least = error_at(h, most);
    for (int i = 10; i < 200; i++) {
        double limit = most * i / 200, error = error_at(h, limit);
        if (error < least) {
            least = error;
            best = limit;
        }
    }
    return best;
}

/* Spreads the counts over bins of equal width; zeros are left out, since 8 bits hold them exactly. */
static void make_linear(const struct histogram *h, double most, double *linear)
{
    double width = most / LINEAR_BINS;
    for (uint32_t bin = 1; bin < HISTOGRAM_BINS; bin++) {
        uint64_t count = h->above[bin] + h->below[bin];
        if (!count)
            continue;
        int first = (int)((double)histogram_edge(bin) / width), last = (int)((double)histogram_edge(bin + 1) / width);
        first = first < LINEAR_BINS ? first : LINEAR_BINS - 1;
        last = last < LINEAR_BINS ? last : LINEAR_BINS - 1;
        for (int i = first; i <= last; i++)
            linear[i] += (double)count / (last - first + 1);
    }
}

/* The sum of a level's bins is shared among those that are not empty. */
static void merge_levels(const double *linear, int bins, double *merged)
{
    for (int level = 0; level < RANGES_LEVELS; level++) {
        int from = (int)((int64_t)level * bins / RANGES_LEVELS), to = (int)((int64_t)(level + 1) * bins / RANGES_LEVELS), full = 0;
        double sum = 0;
        for (int i = from; i < to; i++) {
            sum += linear[i];
            full += linear[i] > 0;
        }
        for (int i = from; i < to; i++)
            merged[i] = linear[i] > 0 ? sum / full : 0;
    }
}

/* Of what is below `bins`, with what is beyond it added to the last, from the same in RANGES_LEVELS levels. */
static double divergence(const double *linear, int bins, double *merged)
{
    double outside = 0, inside = 0, sum = 0;
    for (int i = 0; i < LINEAR_BINS; i++)
        *(i < bins ? &inside : &outside) += linear[i];
    if (inside <= 0)
        return INFINITY;
    merge_levels(linear, bins, merged);
    for (int i = 0; i < bins; i++) {
        double p = (linear[i] + (i == bins - 1 ? outside : 0)) / (inside + outside), q = merged[i] / inside;
        if (p > 0)
            sum += p * log(p / fmax(q, 1e-12));
    }
    return sum;
}

static int entropy(const struct histogram *h, double most, double *ret)
{
    CLEANUP(freep) double *linear = calloc((size_t)2 * LINEAR_BINS, sizeof(*linear));
    if (!linear)
        return -ENOMEM;
    make_linear(h, most, linear);
    double least = INFINITY;
    for (int bins = RANGES_LEVELS + 1; bins <= LINEAR_BINS; bins += STRIDE) {
        double far = divergence(linear, bins, linear + LINEAR_BINS);
        if (far < least) {
            least = far;
            *ret = most * bins / LINEAR_BINS;
        }
    }
    return 0;
}

/* ---- all ----------------------------------------------------------------------------------------------------------------- */

int clipping_range(int way, const struct histogram *h, struct range *ret)
{
    struct range whole = { h->low, h->high }, range = whole;
    double most = fmax(-(double)h->low, (double)h->high), limit = most;
    if (!ranges_has_step(whole)) { /* nothing but zeros, or as good as: any range holds them */
        *ret = (struct range){ 0, 1 };
        return 0;
    }
    if (ways[way].kind == PERCENTILE)
        range = percentile(h, ways[way].number);
    else if (ways[way].kind == LEAST_ERROR)
        limit = ways[way].number * least_error(h, most);
    else if (ways[way].kind == ENTROPY && entropy(h, most, &limit) < 0)
        return -ENOMEM;
    range.low = fmaxf(fmaxf(range.low, whole.low), -(float)limit);
    range.high = fminf(fminf(range.high, whole.high), (float)limit);
    *ret = ranges_has_step(range) ? range : whole;
    return 0;
}
