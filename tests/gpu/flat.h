/* flat.h: weights as tests/gpu/report.py hands them on: an index, one "NAME DIMS SIZE... OFFSET" a line, and the numbers, f32. It
 * stands for the readers of real files, which want libraries that a GPU machine may not have.
 *
 * Ownership: weights_close() frees. Errors: negative errno with a sentence. Threads: no state. */
#pragma once

#include "worker/network.h"
#include "worker/weights/ranges.h"
#include "worker/weights/weights.h"

int flat_open(const char *index, const char *numbers, struct weights **ret, struct why *why);

/* "NAME LOW HIGH" lines, one for the image and one for each convolution. */
int flat_ranges(const char *path, const struct network *network, struct ranges *ret, struct why *why);
