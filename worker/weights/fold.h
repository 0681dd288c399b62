/* fold.h: batch norm folded into the convolution in front of it.
 *
 *     scale = gamma / sqrt(var + 1e-5);   weight' = weight * scale;   bias' = beta - mean * scale      per output channel
 *
 * in double, rounded once to f32. Source: torch.nn.BatchNorm2d in eval mode (eps 1e-5).
 *
 * Threads:   no state; call from anywhere.
 * Ownership: the outputs are the caller's. The weights must have passed weights_check().
 * Errors:    -ERANGE when a folded value is not finite. */
#pragma once

#include "worker/network.h"
#include "worker/weights/weights.h"

/* weight: (outputs, inputs / groups, kernel, kernel); bias: (outputs). */
int fold_conv(const struct weights *weights, const struct layer *layer, float *weight, float *bias, struct why *why);

/* weight: (classes, inputs); bias: (classes). */
int fold_fc(const struct weights *weights, const struct layer *layer, float *weight, float *bias, struct why *why);
