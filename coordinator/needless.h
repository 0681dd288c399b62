/* needless.h: options that would change nothing, together with what else was given: one that is a mistake is refused, one that may stand in a script for jobs
 * of all kinds is told.
 *
 * Threads: the main thread's. Ownership: borrows. Errors: -EINVAL with a sentence that names the option. */
#pragma once

#include "coordinator/run_options.h"

/* Refused: --null without a list. */
int needless_check(const struct run_options *options, char *const *sources, int count, struct why *why);

/* Told: options of S3 for a job without S3, and weights for an engine that looks at none. */
void needless_tell(const struct run_options *options, const struct spec *spec);
