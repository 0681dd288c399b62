/* backbone.h: a ResNet-50 that has seen nothing, whose pooled features tell textures apart all the same.
 *
 *   stem      64 Gabor filters (D. Gabor, "Theory of communication", 1946): 8 orientations x 4 wavelengths x 2 phases
 *   shortcut  each channel of a stage is a random mixture of a few channels of the stage before (a sparse random projection)
 *   branches  random convolutions (K. He and others, "Delving deep into rectifiers", 2015), added at a tenth of their size
 *   fc        zeros, for fit.h to fill
 *
 * Once folded, no convolution has a bias, so the features of a picture of twice the contrast are twice as long and point
 * the same way. Its batch norms are not trivial, though: they take back means and variances that the convolutions carry.
 *
 * Threads:   no state.
 * Ownership: nothing is kept.
 * Errors:    negative errno, with a sentence in `why`. */
#pragma once

#include "common/why.h"

#include <stdint.h>

#define BACKBONE_CLASSES 1000 /* rows of the empty `fc`, as many as ImageNet has names */

/* Writes the network, the same for the same seed, as a safetensors file with torchvision's tensor names. */
int backbone_write(const char *path, uint64_t seed, struct why *why);
