/* lister.h: the thread that turns sources into batches in the store.
 *
 * Threads:   lister_start() and lister_stop() by the loop's thread.
 * Ownership: borrows spec, s3 and store, which must outlive lister_stop().
 * Errors:    lister_result(). */
#pragma once

#include "coordinator/spec.h"
#include "coordinator/store.h"

struct lister;
struct source;
struct s3_session;

/* The sources as the description has them. `s3` may be NULL when none of them is in an object store. */
int lister_open_sources(const struct spec *spec, struct s3_session *s3, struct source **ret, struct why *why);

/* How far an earlier run came: so many images in so many batches are in the store already, and the last of them was number `at` (from 1) of source
 * number `source`. A list goes on behind that one:
 *   sources in order (folders, patterns): behind its URI. What came in front of it since is not in the job, what went keeps its place in the list and
 *                                         becomes a row of kind not_found, as if one run had listed it all and taken long; a warning says so
 *   others (@lists, files, sim:N):        behind its number; -ESTALE if something else stands there now */
struct lister_place {
    uint64_t images, batches, at;
    uint64_t skipped; /* passed over up to there */
    uint32_t source;
    char *uri; /* of the last image; NULL: none */
};

int lister_place_read(struct db *db, struct lister_place *ret, struct why *why);
void lister_place_done(struct lister_place *place);

/* Takes over what `from` owns, also when it fails. */
int lister_start(const struct spec *spec, struct s3_session *s3, struct store *store, struct mailbox *box, struct lister_place *from,
                 struct lister **ret, struct why *why);

/* Ends its thread, early if need be. Its mail may still be in the mailbox. Accepts NULL. */
void lister_stop(struct lister *lister);
void lister_free(struct lister *lister); /* once its mail cannot be read any more; accepts NULL */

/* Once its mail (kind MAIL_LISTER) has come: 0, or negative errno with a sentence. */
int lister_result(const struct lister *lister, const struct why **ret_why);

/* What was passed over (sockets, pipes, ...), by earlier runs too; `ret_first` by this one, NULL: nothing. */
uint64_t lister_skipped(const struct lister *lister, const char **ret_first);
