/* check.h: does a weights file hold this network?
 *
 * Threads:   no state; call from anywhere.
 * Ownership: networks are constant data.
 * Errors:    -EINVAL; the sentence names file, tensor, found and expected shape. */
#pragma once

#include "worker/network.h"
#include "worker/weights/weights.h"

/* The network whose tensors these are, judged by names and shapes; if none fits exactly, the nearest one, whose
 * weights_check() then says what is wrong. Fails only when no name is a ResNet's. */
int network_detect(const struct weights *weights, const struct network **ret, struct why *why);

/* Every expected tensor present with its exact shape and a float type, none unexpected, all values finite, no negative
 * variance. ret_classes: rows of fc.weight. */
int weights_check(const struct weights *weights, const struct network *network, int *ret_classes, struct why *why);
