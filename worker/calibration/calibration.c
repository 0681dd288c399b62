#include "worker/calibration/calibration.h"

#include "common/cleanup.h"
#include "common/counted.h"
#include "worker/calibration/observation.h"
#include "worker/calibration/widths.h"

#include <errno.h>
#include <string.h>

#define HARDLY     1.5
#define FIT_JUDGES 20 /* images: widths that were fitted to fewer would be theirs alone */

struct calibration {
    const struct calibration_spec *spec;
    struct engines_opened f32;
    struct observation seen;
    int looked_at, judges; /* images */
    float *expected;     /* (images of the gallery, classes): f32's logits of the judges */
    size_t classes;
    struct agreement agreement; /* of the run under way */
};

/* ---- engines -------------------------------------------------------------------------------------------------------------- */

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
    c->judges++;
}

static int open_engine(struct calibration *c, const struct ranges *ranges, struct engines_opened *it, struct why *why)
{
    const struct preset *preset = &c->spec->preset;
    struct engine_spec spec = {
        .network = c->spec->network, .weights = c->spec->weights, .height = preset->crop, .width = preset->crop, .emit = EMIT_LOGITS, .top = 1,
        .precision = ranges ? PRECISION_INT8 : PRECISION_F32, .ranges = ranges, .threads = c->spec->threads,
        .observe = ranges ? NULL : observation_observe, .observed = ranges ? NULL : &c->seen,
    };
    memcpy(spec.mean, preset->mean, sizeof(spec.mean));
    memcpy(spec.std, preset->std, sizeof(spec.std));
    return engines_open("onednn", &spec, it, why);
}

static int look(struct calibration *c, struct why *why)
{
    const struct engines_opened *it = &c->f32;
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

static void compare_row(void *arg, int image, const float *values)
{
    struct calibration *c = arg;
    agreement_add(&c->agreement, c->expected + (size_t)image * c->classes, values, (int)c->classes);
}

/* Runs the judges through an engine. */
static int judge(struct calibration *c, const struct engines_opened *it, struct agreement *ret, struct why *why)
{
    c->agreement = (struct agreement){ .images = 0 };
    int r = gallery_run(c->spec->gallery, true, &c->spec->preset, it, compare_row, c, why);
    if (r == 0 && c->agreement.images != c->judges)
        r = because(why, -EIO, "of %d images that judge %d can no longer be read; calibrate again", c->judges, c->judges - c->agreement.images);
    *ret = c->agreement;
    return r;
}

static int judge_int8(struct calibration *c, struct ranges *ranges, struct agreement *ret, struct why *why)
{
    struct engines_opened it;
    int r = open_engine(c, ranges, &it, why);
    if (r < 0)
        return r;
    r = judge(c, &it, ret, why);
    it.ops->close(it.engine);
    ranges->agreement = ret->images ? (double)ret->same / ret->images : 0;
    if (r == 0 && c->spec->tell)
        c->spec->tell(ranges->clipping, ret->same, ret->images, agreement_error(ret));
    return r;
}

/* A widths_judge. */
static int judge_rounded(void *arg, const struct range *rounded, double *ret_error, struct why *why)
{
    struct calibration *c = arg;
    size_t size = sizeof(*rounded) * (size_t)c->spec->network->count;
    struct agreement agreement;
    memcpy(c->seen.rounded, rounded, size);
    int r = judge(c, &c->f32, &agreement, why);
    if (r == 0) /* or streams may still be at work */
        memset(c->seen.rounded, 0, size);
    *ret_error = agreement_error(&agreement);
    return r;
}

/* ---- choosing ------------------------------------------------------------------------------------------------------------- */

struct candidate {
    struct ranges ranges;
    struct agreement agreement;
};

/* Means, sums, and what int8 makes of it. */
static int finish(struct calibration *c, struct candidate *candidate, struct why *why)
{
    struct ranges *ranges = &candidate->ranges;
    int r = observation_means(&c->seen, ranges, why);
    if (r == 0)
        r = ranges_finish(ranges, c->spec->network, why);
    return r < 0 ? r : judge_int8(c, ranges, &candidate->agreement, why);
}

static int try_way(struct calibration *c, int way, struct candidate *ret, struct why *why)
{
    const struct preset *preset = &c->spec->preset;
    const struct network *network = c->spec->network;
    struct ranges *ranges = &ret->ranges;
    *ranges = (struct ranges){ .resize = preset->resize, .crop = preset->crop, .images = c->looked_at };
    memcpy(ranges->mean, preset->mean, sizeof(ranges->mean));
    memcpy(ranges->std, preset->std, sizeof(ranges->std));
    snprintf(ranges->clipping, sizeof(ranges->clipping), "%s", clipping_name(way));
    ranges->of[NETWORK_IMAGE] = ranges_of_pixels(preset->mean, preset->std);
    for (int i = 0; i < network->count; i++)
        if (ranges_has_pair(network, i) && clipping_range(way, &c->seen.histograms[i], &ranges->of[i + 1]) < 0)
            return because(why, -ENOMEM, "no memory for histograms");
    return finish(c, ret, why);
}

/* The same with widths that fit. */
static int try_fitted(struct calibration *c, const struct candidate *from, struct candidate *ret, struct why *why)
{
    ret->ranges = from->ranges;
    ret->ranges.means = NULL;
    snprintf(ret->ranges.clipping, sizeof(ret->ranges.clipping), "%.48s, fitted", from->ranges.clipping);
    if (c->spec->tell_fitting)
        c->spec->tell_fitting();
    int r = widths_choose(c->spec->network, c->seen.histograms, judge_rounded, c, ret->ranges.of, why);
    return r < 0 ? r : finish(c, ret, why);
}

/* Keeps the better of two in `best`. One whose error is `allowed` times as large still counts as better. */
static void keep_better(struct candidate *best, struct candidate *next, double allowed)
{
    bool better = !best->ranges.means || agreement_error(&next->agreement) < agreement_error(&best->agreement) * allowed;
    ranges_done(better ? &best->ranges : &next->ranges);
    if (better)
        *best = *next;
}

/* The way with the least error, which tells ways apart when all have the same top-1; but one that is hardly worse and cuts off less is safer where other
 * images come than those that were measured: the last way, which leaves room, may have HARDLY times the error, and so may the chosen one with fitted widths, which leave room where that costs least. */
static int choose(struct calibration *c, struct candidate *best, struct why *why)
{
    int r = 0, ways = c->judges >= FIT_JUDGES ? CLIPPINGS + 1 : CLIPPINGS;
    for (int way = 0; way < ways && r == 0; way++) {
        struct candidate next = { .ranges = { .means = NULL } };
        r = way < CLIPPINGS ? try_way(c, way, &next, why) : try_fitted(c, best, &next, why);
        if (r == 0)
            keep_better(best, &next, way >= CLIPPINGS - 1 ? HARDLY : 1);
        else
            ranges_done(&next.ranges);
    }
    return r;
}

static int check_images(const struct calibration *c, struct why *why)
{
    const struct gallery *gallery = c->spec->gallery;
    if (c->looked_at && c->judges)
        return 0;
    return because(why, -ENOENT, "--images: %s in it, %d of them readable as an image, which leaves %d to look at and %d to judge by; give a folder with a few "
                   "hundred photos", COUNTED((uint64_t)gallery->count, "file is", "files are"), gallery->count - gallery->unreadable, c->looked_at, c->judges);
}

int calibrate(const struct calibration_spec *spec, struct ranges *ret, struct agreement *ret_agreement, struct why *why)
{
    CLEANUP(freep) struct calibration *c = calloc(1, sizeof(*c));
    struct candidate best = { .ranges = { .means = NULL } };
    if (!c)
        return because(why, -ENOMEM, "no memory");
    c->spec = spec;
    int r = observation_init(&c->seen, spec->network, why);
    if (r == 0 && (r = open_engine(c, NULL, &c->f32, why)) == 0) {
        r = look(c, why);
        if (r == 0)
            r = check_images(c, why);
        if (r == 0)
            r = choose(c, &best, why);
        c->f32.ops->close(c->f32.engine);
    }
    observation_done(&c->seen);
    free(c->expected);
    if (r < 0)
        ranges_done(&best.ranges);
    else {
        *ret = best.ranges;
        *ret_agreement = best.agreement;
    }
    return r;
}
