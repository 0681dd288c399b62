/* calibrate.c: the command of this name: measures activation ranges and keeps them beside the weights. */
#include "common/counted.h"
#include "common/log.h"
#include "common/usage.h"
#include "worker/calibration/calibration.h"
#include "worker/commands.h"
#include "worker/locate.h"
#include "worker/weights/check.h"

#include <errno.h>
#include <limits.h>

#define DEFAULT_COUNT 512 /* images */
#define FEW           100
#define NAMED         20  /* unreadable images that are named one by one */

struct calibrate_options {
    const char *images, *weights, *output, *cache;
    struct preset_options preset;
    int64_t count, threads;
    struct s3_options s3;
    bool replace, help;
};

#define OPTION(member) offsetof(struct calibrate_options, member)

static const struct option_row rows[] = {
    { 0, "images", OPTION_TEXT, OPTION(images), "DIR", "a few hundred images like those that will be classified, in any folders below it", 0, 0, NULL },
    { 0, "weights", OPTION_TEXT, OPTION(weights), "FILE|URL", "the model: .pth or .safetensors", 0, 0, NULL },
    { 'o', "output", OPTION_TEXT, OPTION(output), "FILE", "where the ranges go; beside the weights by default, as WEIGHTS" RANGES_SUFFIX, 0, 0, NULL },
    { 0, "count", OPTION_INT, OPTION(count), "N", "images that are taken of more, evenly spread, 512 by default", 1, 100000, NULL },
    { 0, "replace", OPTION_FLAG, OPTION(replace), NULL, "also ranges that were made from more images", 0, 0, NULL },
    PRESET_ROWS(struct calibrate_options, preset),
    { 0, "engine-threads", OPTION_INT, OPTION(threads), "N", "streams that compute; 0: one a core", 0, 1024, NULL },
    { 0, "cache", OPTION_TEXT, OPTION(cache), "DIR", "where downloaded weights are kept", 0, 0, NULL },
    S3_ROWS(struct calibrate_options, s3),
    { 'h', "help", OPTION_FLAG, OPTION(help), NULL, "print this help", 0, 0, NULL },
    { 0 },
};

/* ---- what is said --------------------------------------------------------------------------------------------------------- */

static void tell_unreadable(const char *path, const char *why)
{
    static int told;
    if (told++ < NAMED)
        log_warning("%s: %s; left out", path, why);
}

static void tell_way(const char *clipping, int same, int judges, double error)
{
    printf("  %-32s %3d of %d (%5.1f %%) %18.4f\n", clipping, same, judges, 100.0 * same / judges, error);
    fflush(stdout);
}

static void tell_fitting(void)
{
    printf("  fitting the widths, which takes minutes on few cores\n");
    fflush(stdout);
}

static void print_head(const struct calibration_spec *spec, const char *preset)
{
    const struct gallery *gallery = spec->gallery;
    printf("%s, preset %s: %s, of which every fourth judges\n\n  %-32s top-1 as f32's   error of top logits\n", spec->network->name, preset,
           COUNTED((uint64_t)gallery->count, "image", "images"), "clipping");
    fflush(stdout);
}

/* What --recheck would do to the judges. */
static void print_rechecks(const struct agreement *agreement)
{
    printf("\n  with these ranges and            top-1 as f32's   computed again\n");
    for (int i = 0; i < AGREEMENT_RECHECKS; i++) {
        int same = agreement->same + agreement->mended[i];
        printf("  --recheck %-22d %3d of %d (%5.1f %%) %13.1f %%\n", agreement_rechecks[i], same, agreement->images, 100.0 * same / agreement->images,
               100.0 * agreement->close[i] / agreement->images);
    }
}

static void tell_left_out(const struct gallery *gallery)
{
    int readable = gallery->count - gallery->unreadable;
    if (gallery->unreadable > NAMED)
        log_warning("%d images could not be read, the first %d of them are named above", gallery->unreadable, NAMED);
    else if (gallery->unreadable)
        log_warning("%s could not be read", COUNTED((uint64_t)gallery->unreadable, "image", "images"));
    if (readable < FEW)
        log_warning("only %s: what they do not show is cut off from now on wherever int8 takes these ranges; a few hundred are better", COUNTED((uint64_t)readable, "image", "images"));
}

static void print_result(const struct agreement *agreement, const struct ranges *ranges, const char *path)
{
    print_rechecks(agreement);
    printf("\n%s: %s, from %s\n", path, ranges->clipping, COUNTED((uint64_t)ranges->images, "image", "images"));
}

/* Everybody who computes with these weights takes the ranges that lie there. `images`: that the new ones are made from. */
static int spare_better(const struct calibrate_options *options, const struct calibration_spec *spec, const char *path, int images, struct why *why)
{
    struct ranges there;
    if (options->replace || ranges_open(path, spec->weights, spec->network, spec->preset.mean, spec->preset.std, &there, NULL) < 0)
        return 0;
    int more = there.images;
    ranges_done(&there);
    if (more <= images)
        return 0;
    return because(why, -EEXIST, "%s: has ranges from %s for this mean and standard deviation, these would be from %d; give more images, --output FILE for another place, or --replace", path,
                   COUNTED((uint64_t)more, "image", "images"), images);
}

/* ---- the work ------------------------------------------------------------------------------------------------------------- */

static int measure(const struct calibrate_options *options, const struct preset *preset, const struct weights *weights, const char *output,
                   struct gallery *gallery, struct why *why)
{
    struct calibration_spec spec = { .weights = weights, .preset = *preset, .gallery = gallery, .threads = (int)options->threads, .tell = tell_way, .tell_fitting = tell_fitting };
    struct agreement agreement;
    struct ranges ranges;
    int classes, r;
    if ((r = network_detect(weights, &spec.network, why)) < 0 || (r = weights_check(weights, spec.network, &classes, why)) < 0 ||
        (r = ranges_check_target(output, why)) < 0 || (r = spare_better(options, &spec, output, gallery->count - gallery->count / 4, why)) < 0)
        return r;
    gallery->tell = tell_unreadable;
    print_head(&spec, options->preset.preset);
    r = calibrate(&spec, &ranges, &agreement, why);
    if (r < 0)
        return r;
    tell_left_out(gallery);
    r = spare_better(options, &spec, output, ranges.images, why); /* some could not be read */
    if (r == 0)
        r = ranges_save(output, &ranges, weights, spec.network, why);
    if (r == 0)
        print_result(&agreement, &ranges, output);
    ranges_done(&ranges);
    return r;
}

static int run(const struct calibrate_options *options, const struct preset *preset, struct why *why)
{
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct gallery gallery = { .images = NULL };
    char beside[PATH_MAX];
    struct cached file;
    int r;
    if ((r = locate_weights(options->weights, "", options->cache, &options->s3, &file, why)) < 0 || (r = weights_open(file.path, &weights, why)) < 0 ||
        (r = ranges_path(file.path, beside, sizeof(beside), why)) < 0)
        return r;
    r = gallery_open(&gallery, options->images, (int)options->count, why);
    if (r == 0)
        r = measure(options, preset, weights, options->output ? options->output : beside, &gallery, why);
    gallery_done(&gallery);
    return r;
}

int command_calibrate(int argc, char **argv)
{
    struct calibrate_options options = { .preset = PRESET_OPTIONS_DEFAULTS, .count = DEFAULT_COUNT };
    struct preset preset;
    struct why why;
    int first;
    log_open("sleddog-worker calibrate", LOG_LEVEL_INFO);
    int r = options_parse(rows, &options, argc, argv, &first, &why);
    if (r == 0 && options.help) {
        puts("sleddog-worker calibrate --images DIR --weights FILE|URL [OPTIONS]: measures activation ranges, which int8 needs\n");
        options_print(rows, stdout);
        return 0;
    }
    if (r == 0)
        r = preset_from_options(&options.preset, &preset, &why);
    if (r == 0 && first < argc)
        r = because(&why, -EINVAL, "takes no arguments, \"%s\" was given", argv[first]);
    if (r == 0 && (!options.images || !options.weights))
        r = because(&why, -EINVAL, "no %s given", options.images ? "--weights FILE" : "--images DIR");
    if (r == 0 && (r = cache_check_given(options.weights, &why)) < 0)
        because_in(&why, r, "--weights");
    if (r == 0)
        r = s3_options_check(&options.s3, &why);
    if (r < 0)
        return usage_error("calibrate", &why);
    r = run(&options, &preset, &why);
    if (r < 0)
        log_error("%s", why.text);
    return r < 0;
}
