/* rounds.h: a get is tried in rounds of attempts, with growing rests between them, until it is tired.
 *
 * A round is what AWS's programs make of a request ("standard": 3 attempts, growing pauses, a budget: common/s3/retry.h). Some more of them follow: a job
 * of a million images must not have error rows because a proxy fails for every fifth request.
 *
 * Threads:   the get's loop.
 * Ownership: none.
 * Errors:    none. */
#pragma once

#include "worker/fetch/get.h"

#define ROUND_ATTEMPTS 3

/* After a round: true when there is another one, after a rest. `random` in [0, 1). */
bool rounds_go_on(struct get *get, double random, uint64_t *ret_rest_ns);
