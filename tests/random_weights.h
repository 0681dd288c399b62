/* random_weights.h: seeded random weights for a network, batch-norm statistics included, for tests and benchmarks.
 *
 * Filters are scaled so that activations neither vanish nor explode; gamma 0.5..1.5, beta and mean -0.5..0.5, var 0.5..2.
 *
 * Threads:   no state.
 * Ownership: random_weights_write() leaves only the file.
 * Errors:    negative errno with a sentence. */
#pragma once

#include "worker/network.h"
#include "worker/weights/weights.h"

#include <stdint.h>

/* 0 <= x < 1; the state is any number. */
float random_unit(uint64_t *state);

/* `dtype`: F32, F16 or BF16, of all tensors. */
int random_weights_write(const char *path, const struct network *network, int classes, enum dtype dtype, uint64_t seed,
                         struct why *why);
