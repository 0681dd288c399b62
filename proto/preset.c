#include "proto/preset.h"

#include "common/cleanup.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define IMAGENET_MEAN { 0.485f, 0.456f, 0.406f }
#define MEAN_MOST     1000.0f
#define STD_LEAST     1e-3f
#define STD_MOST      1000.0f
#define IMAGENET_STD  { 0.229f, 0.224f, 0.225f }

static const struct preset presets[] = {
    { .name = "torchvision", .resize = 256, .crop = 224, .mean = IMAGENET_MEAN, .std = IMAGENET_STD },
    { .name = "torchvision-v2", .resize = 232, .crop = 224, .mean = IMAGENET_MEAN, .std = IMAGENET_STD },
    { .name = "article", .resize = 256, .crop = 250, .mean = { 0, 0, 0 }, .std = { 1, 1, 1 } },
};

const struct preset *preset_at(int i)
{
    return i >= 0 && (size_t)i < ARRAY_SIZE(presets) ? &presets[i] : NULL;
}

const struct preset *preset_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(presets); i++)
        if (!strcmp(presets[i].name, name))
            return &presets[i];
    return NULL;
}

static const char *const interpolations[INTERPOLATION_COUNT] = {
    [INTERPOLATION_BILINEAR] = "bilinear", [INTERPOLATION_BICUBIC] = "bicubic", [INTERPOLATION_NEAREST] = "nearest",
    [INTERPOLATION_BOX] = "box",           [INTERPOLATION_HAMMING] = "hamming", [INTERPOLATION_LANCZOS] = "lanczos",
};

const char *interpolation_name(enum interpolation interpolation)
{
    return interpolation < INTERPOLATION_COUNT ? interpolations[interpolation] : "?";
}

static enum interpolation interpolation_find(const char *name)
{
    for (size_t i = 0; i < INTERPOLATION_COUNT; i++)
        if (!strcmp(interpolations[i], name))
            return (enum interpolation)i;
    return INTERPOLATION_COUNT;
}

int preset_check(const struct preset *preset, struct why *why)
{
    if (preset->resize < 1 || preset->resize > PRESET_SIDE_MAX || preset->crop < 1 || preset->crop > PRESET_SIDE_MAX)
        return because(why, -EINVAL, "preprocessing with resize %d and crop %d; both must be 1 to %d", preset->resize, preset->crop,
                       PRESET_SIDE_MAX);
    for (int i = 0; i < 3; i++)
        if (!(fabsf(preset->mean[i]) <= MEAN_MOST) || !(preset->std[i] >= STD_LEAST && preset->std[i] <= STD_MOST))
            return because(why, -EINVAL, "preprocessing with mean %g and standard deviation %g; pixels are 0 to 1, so they must be "
                           "-1000 to 1000 and 0.001 to 1000", (double)preset->mean[i], (double)preset->std[i]);
    if (preset->interpolation >= INTERPOLATION_COUNT)
        return because(why, -EINVAL, "preprocessing with an unknown interpolation, %d", (int)preset->interpolation);
    return 0;
}

/* ---- options ---- */

/* Three numbers with commas between them. */
static int parse_triple(const char *option, const char *text, float least, float most, float *ret, struct why *why)
{
    float values[3];
    const char *at = text;
    for (int i = 0; i < 3; i++) {
        char *end;
        values[i] = strtof(at, &end);
        if (end == at || *end != (i < 2 ? ',' : '\0') || !isfinite(values[i]))
            return because(why, -EINVAL, "--%s: \"%s\" is not three numbers for red, green and blue, as in 0.485,0.456,0.406", option, text);
        if (values[i] < least || values[i] > most)
            return because(why, -EINVAL, "--%s: %g in \"%s\" is outside %g to %g; pixels are 0 to 1", option, (double)values[i], text, (double)least, (double)most);
        at = end + 1;
    }
    memcpy(ret, values, sizeof(values));
    return 0;
}

int preset_from_options(const struct preset_options *options, struct preset *ret, struct why *why)
{
    const struct preset *named = preset_find(options->preset);
    if (!named)
        return because(why, -EINVAL, "--preset: there is no \"%s\"", options->preset);
    struct preset preset = *named;
    int r = 0;
    if (options->resize)
        preset.resize = (int)options->resize;
    if (options->crop)
        preset.crop = (int)options->crop;
    if (options->mean)
        r = parse_triple("mean", options->mean, -MEAN_MOST, MEAN_MOST, preset.mean, why);
    if (r == 0 && options->std)
        r = parse_triple("std", options->std, STD_LEAST, STD_MOST, preset.std, why);
    if (options->interpolation)
        preset.interpolation = interpolation_find(options->interpolation);
    preset.exif_orient = options->exif_orient;
    if (r == 0)
        r = preset_check(&preset, why);
    if (r == 0)
        *ret = preset;
    return r;
}
