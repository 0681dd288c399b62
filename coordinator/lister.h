/* lister.h: the thread that turns sources into batches in the store.
 *
 * Threads:   lister_start() and lister_stop() by the loop's thread.
 * Ownership: borrows spec and store, which must outlive lister_stop().
 * Errors:    arrive with the lister's mail: lister_result(). */
#pragma once

#include "coordinator/spec.h"
#include "coordinator/store.h"

struct lister;

/* `skip` images are in the store already, in batches 0..`batch` - 1. */
int lister_start(const struct spec *spec, struct store *store, struct mailbox *box, uint64_t skip, uint64_t batch, struct lister **ret,
                 struct why *why);

/* Stops it early if need be, joins, frees. Accepts NULL. */
void lister_stop(struct lister *lister);

/* Whether this mail says that the lister is done. `r` is 0 or negative errno with `why`. */
bool lister_is_done(struct lister *lister, const struct mail *mail, int *r, struct why *why);

/* What was passed over (sockets, pipes, ...), for a warning; 0 and untouched when nothing. */
uint64_t lister_skipped(const struct lister *lister, const char **ret_first);
