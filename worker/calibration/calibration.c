#include "worker/calibration/calibration.h"

#include "common/cleanup.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define HARDLY 1.5
#define RANKS 5 /* classes of a photo that are compared */

/* What f32 leaves behind, tensor by tensor. Streams of the engine add to it at once. */
struct observation {
    const struct network *network;
    struct histogram histograms[NETWORK_LAYERS_MAX]; /* by layer; of those with a pair of their own */
    double *sums;                             /* of the channels, in the order of struct ranges' means */
    uint64_t pixels[NETWORK_LAYERS_MAX + 1];  /* that were summed up, by activation */
    pthread_mutex_t locks[NETWORK_LAYERS_MAX + 1]; /* by activation */
    atomic_bool looking;    /* not while the judges run */
    atomic_bool not_finite;
};

struct calibration {
    const struct calibration_spec *spec;
    struct observation seen;
    int looked_at;
    float *expected;     /* (images of the gallery, classes): f32's logits of the judges */
    size_t classes;
    struct agreement agreement; /* of the run under way */
};

double agreement_error(const struct agreement *agreement)
{
    return agreement->pairs ? sqrt(agreement->apart / agreement->pairs) : 0;
}

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

static void observe(void *arg, int activation, const float *values, size_t count, int images)
{
    struct observation *seen = arg;
    bool paired = activation != NETWORK_IMAGE && ranges_has_pair(seen->network, activation - 1);
    (void)images;
    if (!atomic_load(&seen->looking) || !ranges_means_count(seen->network, activation))
        return;
    pthread_mutex_lock(&seen->locks[activation]);
    add_sums(seen, activation, values, count);
    if (paired && histogram_add(&seen->histograms[activation - 1], values, count) < 0)
        atomic_store(&seen->not_finite, true);
    pthread_mutex_unlock(&seen->locks[activation]);
}

static void observation_done(struct observation *seen)
{
    for (int i = 0; i < NETWORK_LAYERS_MAX; i++)
        histogram_done(&seen->histograms[i]);
    for (int a = 0; a <= NETWORK_LAYERS_MAX; a++)
        pthread_mutex_destroy(&seen->locks[a]);
    free(seen->sums);
}

static int observation_init(struct observation *seen, const struct network *network, struct why *why)
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

static void count_row(void *arg, int image, const float *values)
{
    struct calibration *c = arg;
    (void)image;
    (void)values;
    c->looked_at++;
}

static void keep_row(void *arg, int image, const float *values)
{
    struct calibration *c = arg;
    memcpy(c->expected + (size_t)image * c->classes, values, c->classes * sizeof(*values));
}

static int open_engine(struct calibration *c, const struct ranges *ranges, struct engines_opened *it, struct why *why)
{
    const struct preset *preset = &c->spec->preset;
    struct engine_spec spec = {
        .network = c->spec->network, .weights = c->spec->weights, .height = preset->crop, .width = preset->crop, .emit = EMIT_LOGITS, .top = 1,
        .precision = ranges ? PRECISION_INT8 : PRECISION_F32, .ranges = ranges, .threads = c->spec->threads,
        .observe = ranges ? NULL : observe, .observed = ranges ? NULL : &c->seen,
    };
    memcpy(spec.mean, preset->mean, sizeof(spec.mean));
    memcpy(spec.std, preset->std, sizeof(spec.std));
    return engines_open("onednn", &spec, it, why);
}

static int look(struct calibration *c, const struct engines_opened *it, struct why *why)
{
    struct gallery *gallery = c->spec->gallery;
    c->classes = it->ops->info(it->engine)->values;
    c->expected = calloc((size_t)gallery->count * c->classes, sizeof(*c->expected));
    if (!c->expected)
        return because(why, -ENOMEM, "no memory for the logits of %d images", gallery->count);
    atomic_store(&c->seen.looking, true);
    int r = gallery_run(gallery, false, &c->spec->preset, it, count_row, c, why);
    atomic_store(&c->seen.looking, false);
    if (r == 0 && atomic_load(&c->seen.not_finite))
        return because(why, -ERANGE, "%s: the network produced values that are not finite; its weights are damaged", c->spec->weights->path);
    return r < 0 ? r : gallery_run(gallery, true, &c->spec->preset, it, keep_row, c, why);
}

/* ---- judging -------------------------------------------------------------------------------------------------------------- */

/* The most probable class that is less probable than `above`, or the most probable of all; ties by index. -1: none is left. */
static int next_best(const float *values, int count, int above)
{
    const float *limit = above < 0 ? NULL : &values[above];
    int at = -1;
    for (int i = 0; i < count; i++) {
        bool below = !limit || values[i] < *limit || (values[i] == *limit && i > above);
        at = below && (at < 0 || values[i] > values[at]) ? i : at;
    }
    return at;
}

static void compare_row(void *arg, int image, const float *values)
{
    struct calibration *c = arg;
    const float *expected = c->expected + (size_t)image * c->classes;
    int count = (int)c->classes, first = next_best(expected, count, -1), other = first;
    c->agreement.images++;
    c->agreement.same += next_best(values, count, -1) == first;
    for (int rank = 1; rank < RANKS && (other = next_best(expected, count, other)) >= 0; rank++) {
        double apart = (double)(values[first] - values[other]) - (double)(expected[first] - expected[other]);
        c->agreement.apart += apart * apart;
        c->agreement.pairs++;
    }
}

static int make_means(const struct observation *seen, struct ranges *ranges, struct why *why)
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

static int make_ranges(const struct calibration *c, int way, struct ranges *ranges, struct why *why)
{
    const struct preset *preset = &c->spec->preset;
    const struct network *network = c->spec->network;
    *ranges = (struct ranges){ .resize = preset->resize, .crop = preset->crop, .images = c->looked_at };
    memcpy(ranges->mean, preset->mean, sizeof(ranges->mean));
    memcpy(ranges->std, preset->std, sizeof(ranges->std));
    snprintf(ranges->clipping, sizeof(ranges->clipping), "%s", clipping_name(way));
    ranges->of[NETWORK_IMAGE] = ranges_of_pixels(preset->mean, preset->std);
    for (int i = 0; i < network->count; i++)
        if (ranges_has_pair(network, i) && clipping_range(way, &c->seen.histograms[i], &ranges->of[i + 1]) < 0)
            return because(why, -ENOMEM, "no memory for histograms");
    int r = make_means(&c->seen, ranges, why);
    return r < 0 ? r : ranges_finish(ranges, network, why);
}

static int judge(struct calibration *c, const struct ranges *ranges, struct agreement *ret, struct why *why)
{
    struct engines_opened it;
    int r = open_engine(c, ranges, &it, why);
    if (r < 0)
        return r;
    c->agreement = (struct agreement){ .images = 0 };
    r = gallery_run(c->spec->gallery, true, &c->spec->preset, &it, compare_row, c, why);
    it.ops->close(it.engine);
    *ret = c->agreement;
    return r;
}

static int try_way(struct calibration *c, int way, struct ranges *ranges, struct agreement *agreement, struct why *why)
{
    int r = make_ranges(c, way, ranges, why);
    if (r == 0)
        r = judge(c, ranges, agreement, why);
    if (r == 0 && c->spec->tell)
        c->spec->tell(ranges->clipping, agreement->same, agreement->images, agreement_error(agreement));
    ranges->agreement = agreement->images ? (double)agreement->same / agreement->images : 0;
    return r;
}

/* The way with the least error, which tells ways apart when all have the same top-1; but one that is hardly worse and cuts off less is safer where other
 * images come than those that were measured: the last way, which leaves room, may have HARDLY times the error. */
static int choose(struct calibration *c, struct ranges *ret, struct agreement *ret_agreement, struct why *why)
{
    struct ranges best = { .means = NULL };
    struct agreement of_best = { .images = 0 };
    for (int way = 0; way < CLIPPINGS; way++) {
        struct ranges ranges;
        struct agreement agreement = { .images = 0 };
        int r = try_way(c, way, &ranges, &agreement, why);
        if (r < 0) {
            ranges_done(&ranges);
            ranges_done(&best);
            return r;
        }
        bool better = way == 0 || agreement_error(&agreement) < agreement_error(&of_best) * (way == CLIPPINGS - 1 ? HARDLY : 1);
        ranges_done(better ? &best : &ranges);
        if (better) {
            best = ranges;
            of_best = agreement;
        }
    }
    *ret = best;
    *ret_agreement = of_best;
    return 0;
}

static int check_images(const struct calibration *c, struct why *why)
{
    const struct gallery *gallery = c->spec->gallery;
    int judges = 0;
    for (int i = 0; i < gallery->count; i++)
        judges += !gallery->images[i].unreadable && gallery_judges(gallery, i);
    if (c->looked_at && judges)
        return 0;
    return because(why, -ENOENT, "of %d files %d are no readable images, which leaves %d to look at and %d to judge by: too few", gallery->count,
                   gallery->unreadable, c->looked_at, judges);
}

int calibrate(const struct calibration_spec *spec, struct ranges *ret, struct agreement *ret_agreement, struct why *why)
{
    CLEANUP(freep) struct calibration *c = calloc(1, sizeof(*c));
    struct engines_opened it;
    if (!c)
        return because(why, -ENOMEM, "no memory");
    c->spec = spec;
    int r = observation_init(&c->seen, spec->network, why);
    if (r == 0 && (r = open_engine(c, NULL, &it, why)) == 0) {
        r = look(c, &it, why);
        it.ops->close(it.engine);
    }
    if (r == 0)
        r = check_images(c, why);
    if (r == 0)
        r = choose(c, ret, ret_agreement, why);
    observation_done(&c->seen);
    free(c->expected);
    return r;
}
