/* preset.h: preprocessing recipes: by name, and changed by options. The numbers both programs mean by a name.
 *
 * The pixels are those of torchvision's Resize(resize, interpolation) -> CenterCrop(crop) -> ToTensor -> Normalize(mean, std) on a
 * Pillow image. Sources: torchvision's ResNet50_Weights.IMAGENET1K_V1 and _V2 transforms; `article` is what the
 * notebook of "Computer Vision at Scale With Dask And PyTorch" does: 250 pixels and no Normalize.
 *
 * Threads:   constant data.
 * Ownership: names are constant or borrowed.
 * Errors:    -EINVAL with a sentence that names the option. */
#pragma once

#include "common/options.h"
#include "common/why.h"

#include <stdbool.h>
#include <stdint.h>

#define PRESET_SIDE_MAX 4096 /* of resize and crop */

/* Filters of Pillow's resize; torchvision's InterpolationMode names the same six. */
enum interpolation {
    INTERPOLATION_BILINEAR,
    INTERPOLATION_BICUBIC,
    INTERPOLATION_NEAREST,
    INTERPOLATION_BOX,
    INTERPOLATION_HAMMING,
    INTERPOLATION_LANCZOS,
    INTERPOLATION_COUNT,
};

#define INTERPOLATION_NAMES "bilinear|bicubic|nearest|box|hamming|lanczos"

struct preset {
    const char *name;
    int resize;    /* length of the short side after resizing, pixels */
    int crop;      /* height and width of the centre crop, pixels */
    float mean[3]; /* R G B, of pixels in 0..1 */
    float std[3];
    enum interpolation interpolation;
    bool exif_orient; /* turned as its EXIF data say, before anything else */
};

/* NULL when there is no preset of this name. */
const struct preset *preset_find(const char *name);

/* The i-th preset, NULL after the last. */
const struct preset *preset_at(int i);

const char *interpolation_name(enum interpolation interpolation);

/* Whether numbers make sense: what both programs accept. */
int preset_check(const struct preset *preset, struct why *why);

/* ---- options ---- */

struct preset_options {
    const char *preset;
    int64_t resize, crop;      /* 0: the preset's, as NULL below */
    const char *mean, *std;    /* "0.5,0.5,0.5" */
    const char *interpolation;
    bool exif_orient;
};

#define PRESET_OPTIONS_DEFAULTS { .preset = "torchvision" }

/* Rows for a struct option_row table whose target has a member `member` of type struct preset_options. */
#define PRESET_ROWS(type, member)                                                                                          \
    { 0, "preset", OPTION_CHOICE, offsetof(type, member.preset), "NAME", "preprocessing", 0, 0,                            \
      "torchvision|torchvision-v2|article" },                                                                              \
    { 0, "resize", OPTION_INT, offsetof(type, member.resize), "N",                                                         \
      "length of the short side after resizing, in place of the preset's", 1, PRESET_SIDE_MAX, NULL },                     \
    { 0, "crop", OPTION_INT, offsetof(type, member.crop), "N",                                                             \
      "height and width of the centre crop, in place of the preset's", 1, PRESET_SIDE_MAX, NULL },                         \
    { 0, "mean", OPTION_TEXT, offsetof(type, member.mean), "R,G,B",                                                        \
      "subtracted from pixels in 0..1, in place of the preset's", 0, 0, NULL },                                            \
    { 0, "std", OPTION_TEXT, offsetof(type, member.std), "R,G,B", "divides what is left, in place of the preset's", 0, 0, NULL }, \
    { 0, "interpolation", OPTION_CHOICE, offsetof(type, member.interpolation), "NAME",                                     \
      "filter of the resizing, bilinear in every preset", 0, 0, INTERPOLATION_NAMES },                                     \
    { 0, "exif-orient", OPTION_FLAG, offsetof(type, member.exif_orient), NULL,                                             \
      "turn photos as their EXIF data say, before resizing", 0, 0, NULL }

/* The preset, with what the options change in it. */
int preset_from_options(const struct preset_options *options, struct preset *ret, struct why *why);
