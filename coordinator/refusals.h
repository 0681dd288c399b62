/* refusals.h: a store that refuses everything stops the job before anything is kept.
 *
 * Wrong credentials, or a bucket that is not there, would make a million error rows in a minute. So until the first result of another kind, results
 * in which every image is refused are held back: they are neither stored nor confirmed, the workers keep them and offer them again. If another
 * kind comes, they are taken at their next offer; if enough have come, or nobody has anything else, the job ends, and can be resumed.
 *
 * Threads:   the loop's.
 * Ownership: none. Errors: coordinator_fail(). */
#pragma once

#include "coordinator/coordinator.h"

/* Whether the result of this batch is held back. */
bool refusals_hold(struct coordinator *c, struct batch *batch, const struct msg_result *result);
