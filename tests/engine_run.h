/* engine_run.h: images through any engine, and how far apart two engines are, for several test programs.
 *
 * Threads: any; an engine by one at a time. Ownership: engine_close() what was opened; arrays are the caller's to free. Errors: fail the test. */
#pragma once

#include "worker/engines.h"

void engine_close(struct engines_opened it);
const struct engine_info *engine_info_of(struct engines_opened it);

/* The values of `count` images, with as many slots under way as there are; and their predictions, if asked. */
float *engine_run(struct engines_opened it, const uint8_t *pixels, int count, struct prediction *predictions);

/* The same of the CPU engine in f32, opened for it with one thread; without it the test is skipped. */
float *engine_run_on_cpu(struct engine_spec spec, const uint8_t *pixels, int count);

/* An observer with struct ranges, zeroed but for `images`, how many are shown at most: `of` becomes the ranges of all that it is shown. */
void engine_widen(void *observed, int activation, float *values, size_t count, int images);

/* The normalised error, |a - b| / |b|. */
double engine_difference(const float *a, const float *b, size_t count);
