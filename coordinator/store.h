/* store.h: job.db on a thread of its own, with group commit.
 *
 * Requests are mail: whoever asks allocates a struct store_request and posts it; the store does all that are waiting in one transaction,
 * commits, and only then posts them to the loop's mailbox. A result that came back this way is safe.
 *
 * Threads:   store_post() from any; answers arrive at the loop's mailbox.
 * Ownership: a request belongs to the store from post until it is in the mailbox, then to the reader: store_request_free().
 * Errors:    the first error breaks the store: this and every later request comes back with `r` and the sentence `why`. */
#pragma once

#include "common/bytes.h"
#include "common/mailbox.h"
#include "coordinator/db.h"

/* Kinds of mail to the coordinator's loop. */
enum coordinator_mail { MAIL_STORE, MAIL_LISTER, MAIL_LENT, MAIL_RESOLVED };

enum store_kind {
    STORE_ADD_BATCH, /* id, first, count, source, at, skipped, data = items as they may be shown, whole = as they are, if that is another thing */
    STORE_LISTED,    /* skipped: the list is complete */
    STORE_FACTS,     /* data = pairs "key\0value\0" for meta */
    STORE_LOAD,      /* id, limit: answers with `batches` */
    STORE_RESULT,    /* id, data = rows, attempt, node, errors, elapsed_ms, working_ms: `r` is 1, or 0 if there was one already */
};

/* One batch of items that STORE_LOAD found. */
struct store_batch {
    struct store_batch *next;
    uint64_t id;
    uint32_t count;
    size_t size;
    char items[];
};

struct store_request {
    struct mail mail; /* first, kind MAIL_STORE */
    enum store_kind kind;
    uint64_t id, first;
    uint64_t elapsed_ms, working_ms; /* on this job so far, earlier runs included: see coordinator.h */
    uint32_t count, attempt, errors, limit, source;
    uint64_t at; /* `source` and this: the place of its last item, as in db.h */
    uint64_t skipped; /* things that are no images, up to there */
    char node[320]; /* a label: see provenance.h */
    struct bytes data, whole;
    void *user;
    int r;
    struct store_batch *batches;
};

struct store;

/* Takes over the handle. */
int store_start(struct db *db, struct mailbox *answers, struct store **ret, struct why *why);

/* Does what was posted, then stops. Answers posted in the meantime wait in the mailbox. Accepts NULL. */
void store_stop(struct store *store);

/* `why` of the first error; valid once a request came back with r < 0. */
const struct why *store_why(const struct store *store);

struct store_request *store_request_new(enum store_kind kind, size_t data_cap);
void store_request_free(struct store_request *request); /* accepts NULL */

void store_post(struct store *store, struct store_request *request);

/* Waits until few enough STORE_ADD_BATCH requests are in front: for the lister's thread, which could fill the memory. */
void store_post_batch(struct store *store, struct store_request *request);
