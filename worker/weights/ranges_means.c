/* ranges_means.c: what engines ask ranges for: where the means of an activation are, and what they come from. It wants no JSON: tests/gpu/run builds it where
 * jansson is not. */
#include "worker/weights/ranges.h"

#include <stdio.h>

void ranges_origin(const struct ranges *ranges, char text[RANGES_ORIGIN])
{
    snprintf(text, RANGES_ORIGIN, " by %d calibration image%s", ranges->images, ranges->images == 1 ? "" : "s");
}

size_t ranges_means_count(const struct network *network, int activation)
{
    enum layer_kind kind = activation == NETWORK_IMAGE ? LAYER_CONV : network->layers[activation - 1].kind;
    return kind == LAYER_CONV || kind == LAYER_MAX_POOL ? (size_t)network_channels(network, activation, 0) : 0;
}

size_t ranges_means_offset(const struct network *network, int activation)
{
    size_t offset = 0;
    for (int a = 0; a < activation; a++)
        offset += ranges_means_count(network, a);
    return offset;
}

const float *ranges_means(const struct ranges *ranges, const struct network *network, int activation)
{
    return ranges->means && ranges_means_count(network, activation) ? ranges->means + ranges_means_offset(network, activation) : NULL;
}
