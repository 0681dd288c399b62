/* output.h: whether a job's tables can be written where they are to go, asked before the first image is worked on.
 *
 * A folder that is there is tried: the files are begun as they will be, and removed. One that is not is not made yet: the nearest folder above it must
 * let us. An object store is asked elsewhere (success_look()).
 *
 * Threads: any. Ownership: borrows. Errors: negative errno with a sentence that names the place and says what to do. */
#pragma once

#include "common/labels.h"
#include "coordinator/spec.h"

int output_check(const struct spec *spec, const struct labels *labels, struct why *why);
