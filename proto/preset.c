#include "proto/preset.h"

#include "common/cleanup.h"

#include <string.h>

#define IMAGENET_MEAN { 0.485f, 0.456f, 0.406f }
#define IMAGENET_STD  { 0.229f, 0.224f, 0.225f }

static const struct preset presets[] = {
    { "torchvision", 256, 224, IMAGENET_MEAN, IMAGENET_STD },
    { "torchvision-v2", 232, 224, IMAGENET_MEAN, IMAGENET_STD },
    { "article", 256, 250, { 0, 0, 0 }, { 1, 1, 1 } },
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
