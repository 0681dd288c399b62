#include "worker/calibration/observation.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* ---- looking -------------------------------------------------------------------------------------------------------------- */

static void add_sums(struct observation *seen, int activation, const float *values, size_t count)
{
    size_t channels = ranges_means_count(seen->network, activation);
    double *sums = seen->sums + ranges_means_offset(seen->network, activation);
    for (size_t i = 0; i < count; i += channels)
        for (size_t c = 0; c < channels; c++)
            sums[c] += (double)values[i + c];
    seen->pixels[activation] += count / channels;
}

static void look(struct observation *seen, int activation, const float *values, size_t count)
{
    bool paired = activation != NETWORK_IMAGE && ranges_has_pair(seen->network, activation - 1);
    if (!ranges_means_count(seen->network, activation))
        return;
    pthread_mutex_lock(&seen->locks[activation]);
    add_sums(seen, activation, values, count);
    if (paired && histogram_add(&seen->histograms[activation - 1], values, count) < 0)
        atomic_store(&seen->not_finite, true);
    pthread_mutex_unlock(&seen->locks[activation]);
}

/* As an engine stores it that keeps everything in 8 bits: ranges belong to no engine, and a CPU's keeps some in f32 (onednn_int8.h). */
static void round_values(struct range range, float *values, size_t count)
{
    float step = (range.high - range.low) / RANGES_LEVELS, per_step = 1 / step;
    for (size_t i = 0; i < count; i++) {
        float level = rintf((values[i] - range.low) * per_step);
        level = level < 0 ? 0 : level > RANGES_LEVELS ? RANGES_LEVELS : level;
        values[i] = range.low + step * level;
    }
}

void observation_observe(void *arg, int activation, float *values, size_t count, int images)
{
    struct observation *seen = arg;
    (void)images;
    if (atomic_load(&seen->looking))
        look(seen, activation, values, count);
    else if (activation != NETWORK_IMAGE && seen->rounded[activation - 1].high > seen->rounded[activation - 1].low)
        round_values(seen->rounded[activation - 1], values, count);
}

int observation_means(const struct observation *seen, struct ranges *ranges, struct why *why)
{
    const struct network *network = seen->network;
    size_t all = ranges_means_offset(network, network->count + 1);
    ranges->means = calloc(all, sizeof(*ranges->means));
    if (!ranges->means)
        return because(why, -ENOMEM, "no memory for means");
    for (int a = 0; a <= network->count; a++) {
        size_t end = ranges_means_offset(network, a + 1);
        for (size_t i = ranges_means_offset(network, a); i < end; i++)
            ranges->means[i] = (float)(seen->sums[i] / (double)(seen->pixels[a] ? seen->pixels[a] : 1));
    }
    ranges_round_means(ranges, network);
    return 0;
}

/* ---- lifetime ------------------------------------------------------------------------------------------------------------- */

void observation_done(struct observation *seen)
{
    for (int i = 0; i < NETWORK_LAYERS_MAX; i++)
        histogram_done(&seen->histograms[i]);
    for (int a = 0; a <= NETWORK_LAYERS_MAX; a++)
        pthread_mutex_destroy(&seen->locks[a]);
    free(seen->sums);
}

int observation_init(struct observation *seen, const struct network *network, struct why *why)
{
    seen->network = network;
    for (int a = 0; a <= NETWORK_LAYERS_MAX; a++)
        pthread_mutex_init(&seen->locks[a], NULL);
    seen->sums = calloc(ranges_means_offset(network, network->count + 1), sizeof(*seen->sums));
    bool good = seen->sums;
    for (int i = 0; i < network->count && good; i++)
        good = !ranges_has_pair(network, i) || histogram_init(&seen->histograms[i]) == 0;
    return good ? 0 : because(why, -ENOMEM, "no memory for histograms");
}
