/* rows.h: from logits to predictions, on a CPU, in f32 and in a fixed order.
 *
 * Threads:   no state; call from anywhere.
 * Ownership: everything is the caller's; nothing is allocated.
 * Errors:    -ERANGE when a value is not finite (the weights are broken). */
#pragma once

#include "worker/engine.h"

/* Softmax over all `classes` logits (exp(v - max) / sum, summed from the first class to the last), and the `top` most
 * probable of them, the lowest index first on a tie of logits. */
int rows_predict(const float *logits, int classes, int top, struct prediction *ret_predictions);

/* Whether the second most probable class's probability is within `percent` (0..100) % of the most probable one's; finite logits. */
bool rows_are_close(const float *logits, int classes, int percent);

/* 0, or -ERANGE. */
int rows_check(const float *values, size_t count);
