/* seeded.h: weights that anybody can make again: each number follows from its tensor's name and its place.
 *
 *     number i of a tensor = low + (high - low) * u,   u = (mix(fnv1a(name) + (i + 1) * 0x9e3779b97f4a7c15) >> 40) / 2^24
 *
 * in f32; mix is the finaliser of splitmix64, fnv1a the 64-bit hash. Filters are scaled so that activations neither vanish nor explode; gamma is
 * 0.5..1.5, beta and mean -0.5..0.5, the variance 0.5..2. tests/golden/verify.py makes the same for PyTorch.
 *
 * Threads:   no state.
 * Ownership: weights_close() frees everything.
 * Errors:    -ENOMEM. */
#pragma once

#include "worker/network.h"
#include "worker/weights/weights.h"

/* For a network of which `classes` come out; one that was cut off before `fc` will do. */
int seeded_weights(const struct network *network, int classes, struct weights **ret, struct why *why);

/* u8 noise by the same rule: the upper 8 bits of mix(). */
void seeded_pixels(const char *name, uint8_t *pixels, size_t count);
