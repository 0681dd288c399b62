#include "worker/calibration/histogram.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SHIFT    15
#define INFINITE (0x7f800000u >> SHIFT) /* the first bin of what is not finite */

int histogram_init(struct histogram *h)
{
    *h = (struct histogram){ .above = calloc(HISTOGRAM_BINS, sizeof(*h->above)), .below = calloc(HISTOGRAM_BINS, sizeof(*h->below)) };
    if (h->above && h->below)
        return 0;
    histogram_done(h);
    return -ENOMEM;
}

void histogram_done(struct histogram *h)
{
    free(h->above);
    free(h->below);
    *h = (struct histogram){ .above = NULL };
}

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

float histogram_edge(uint32_t bin)
{
    uint32_t bits = bin << SHIFT;
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

int histogram_add(struct histogram *h, const float *values, size_t count)
{
    float low = h->low, high = h->high;
    for (size_t i = 0; i < count; i++) {
        float value = values[i];
        uint32_t bin = (bits_of(value) & 0x7fffffff) >> SHIFT;
        if (bin >= INFINITE)
            return -ERANGE;
        (value < 0 ? h->below : h->above)[bin]++;
        low = value < low ? value : low;
        high = value > high ? value : high;
    }
    h->low = low;
    h->high = high;
    h->total += count;
    return 0;
}
