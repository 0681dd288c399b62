/* lister.h: the thread that turns sources into batches in the store.
 *
 * Threads:   lister_start() and lister_stop() by the loop's thread.
 * Ownership: borrows spec and store, which must outlive lister_stop().
 * Errors:    lister_result(). */
#pragma once

#include "coordinator/spec.h"
#include "coordinator/store.h"

struct lister;

/* How far an earlier run came: so many images in so many batches are in the store already. The last of them must be met again in its
 * place, else the sources have changed since and the list cannot be continued (-ESTALE). */
struct lister_start {
    uint64_t images, batches;
    const char *last_uri; /* NULL: none; may be freed after lister_start() */
};

int lister_start(const struct spec *spec, struct store *store, struct mailbox *box, const struct lister_start *from, struct lister **ret,
                 struct why *why);

/* Ends its thread, early if need be. Its mail may still be in the mailbox. Accepts NULL. */
void lister_stop(struct lister *lister);
void lister_free(struct lister *lister); /* once its mail cannot be read any more; accepts NULL */

/* Once its mail (kind MAIL_LISTER) has come: 0, or negative errno with a sentence. */
int lister_result(const struct lister *lister, const struct why **ret_why);

/* What was passed over (sockets, pipes, ...), for a warning; 0 and untouched when nothing. */
uint64_t lister_skipped(const struct lister *lister, const char **ret_first);
