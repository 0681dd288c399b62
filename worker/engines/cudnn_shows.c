#include "worker/engines/cudnn_shows.h"

#include <stdint.h>

#define KERNEL_MOST 8 /* bits of a mask below */

/* A bit for each row (or column) of the filter that meets row `at` of the input. */
static unsigned int taps_of(const struct layer *layer, int at, int size)
{
    int out = (size + 2 * layer->padding - layer->kernel) / layer->stride + 1;
    unsigned int taps = 0;
    for (int k = 0; k < layer->kernel; k++) {
        int from = at + layer->padding - k;
        if (from >= 0 && from % layer->stride == 0 && from / layer->stride < out)
            taps |= 1u << k;
    }
    return taps;
}

/* The different sets of taps along one side; returns how many. */
static int all_taps(const struct layer *layer, int size, uint8_t sets[1 << KERNEL_MOST])
{
    bool seen[1 << KERNEL_MOST] = { true }; /* what nothing reads shows nowhere, and matters to nobody */
    int count = 0;
    for (int at = 0; at < size; at++) {
        unsigned int taps = taps_of(layer, at, size);
        if (!seen[taps])
            sets[count++] = (uint8_t)taps;
        seen[taps] = true;
    }
    return count;
}

/* shown[r]: a bit for each column q such that some filter of the group has a weight for channel c at (r, q) that is not negative. */
static void find_shown(const struct layer *layer, const float *filter, int group, int c, uint8_t shown[KERNEL_MOST])
{
    int k = layer->kernel, channels = layer->inputs / layer->groups, filters = layer->outputs / layer->groups;
    for (int r = 0; r < k; r++)
        shown[r] = 0;
    for (int o = group * filters; o < (group + 1) * filters; o++) {
        const float *taps = filter + ((size_t)o * (size_t)channels + (size_t)c) * (size_t)(k * k);
        for (int r = 0; r < k; r++)
            for (int q = 0; q < k; q++)
                shown[r] |= (uint8_t)(!(taps[r * k + q] < 0) << q);
    }
}

static bool is_shown(const uint8_t shown[KERNEL_MOST], unsigned int rows, unsigned int columns)
{
    for (int r = 0; rows >> r; r++)
        if (rows >> r & 1 && shown[r] & columns)
            return true;
    return false;
}

bool shows_infinity(const struct layer *layer, const float *filter, struct plane in)
{
    uint8_t rows[1 << KERNEL_MOST], columns[1 << KERNEL_MOST], shown[KERNEL_MOST];
    if (layer->kernel > KERNEL_MOST)
        return false;
    int row_sets = all_taps(layer, in.height, rows), column_sets = all_taps(layer, in.width, columns);
    for (int at = 0; at < layer->inputs; at++) {
        int channels = layer->inputs / layer->groups;
        find_shown(layer, filter, at / channels, at % channels, shown);
        for (int i = 0; i < row_sets; i++)
            for (int j = 0; j < column_sets; j++)
                if (!is_shown(shown, rows[i], columns[j]))
                    return false;
    }
    return true;
}
