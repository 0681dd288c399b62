/* preset.h: named preprocessing recipes, the numbers both programs mean by a name.
 *
 * The pixels are those of torchvision's Resize(resize) -> CenterCrop(crop) -> ToTensor -> Normalize(mean, std) on a
 * Pillow image. Sources: torchvision's ResNet50_Weights.IMAGENET1K_V1 and _V2 transforms; `article` is what the
 * notebook of "Computer Vision at Scale With Dask And PyTorch" does: 250 pixels and no Normalize.
 *
 * Threads: constant data. */
#pragma once

struct preset {
    const char *name;
    int resize;    /* length of the short side after resizing, pixels */
    int crop;      /* height and width of the centre crop, pixels */
    float mean[3]; /* R G B, of pixels in 0..1 */
    float std[3];
};

/* NULL when there is no preset of this name. */
const struct preset *preset_find(const char *name);

/* The i-th preset, NULL after the last. */
const struct preset *preset_at(int i);
