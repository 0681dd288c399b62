/* lister.h: the thread that turns sources into batches in the store.
 *
 * Threads:   lister_start() and lister_stop() by the loop's thread.
 * Ownership: borrows spec and store, which must outlive lister_stop().
 * Errors:    lister_result(). */
#pragma once

#include "coordinator/spec.h"
#include "coordinator/store.h"

struct lister;

/* `skip` images are in the store already, in batches 0..`batch` - 1. */
int lister_start(const struct spec *spec, struct store *store, struct mailbox *box, uint64_t skip, uint64_t batch, struct lister **ret,
                 struct why *why);

/* Ends its thread, early if need be. Its mail may still be in the mailbox. Accepts NULL. */
void lister_stop(struct lister *lister);
void lister_free(struct lister *lister); /* once its mail cannot be read any more; accepts NULL */

/* Once its mail (kind MAIL_LISTER) has come: 0, or negative errno with a sentence. */
int lister_result(const struct lister *lister, const struct why **ret_why);

/* What was passed over (sockets, pipes, ...), for a warning; 0 and untouched when nothing. */
uint64_t lister_skipped(const struct lister *lister, const char **ret_first);
