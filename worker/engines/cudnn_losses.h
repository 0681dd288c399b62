/* cudnn_losses.h: plans at which a GPU was lost or hung, remembered in the book, so that no new process tries them for ever.
 *
 *     lost with 41 2=1 13=1 = 2
 *
 * It counts for all shapes: what hangs in one may hang in the next, a minute each. A GPU is lost for other reasons as well, and a plan that is passed
 * over without need may make another fingerprint: so a plan is tried again after one loss, and not after two.
 *
 * Threads:   those of the book.
 * Ownership: lines of the book.
 * Errors:    of losses_add(): those of book_put(). */
#pragma once

#include "worker/engines/cudnn_plans.h"

/* Is this plan not to be tried? */
bool losses_forbid(const struct book *book, const char *plan);

int losses_add(struct book *book, const char *plan);
