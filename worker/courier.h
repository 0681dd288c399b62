/* courier.h: a file that the coordinator lends, on its way from the loop, which talks with the coordinator, to the loader's thread, which keeps it.
 *
 *     loader: courier_fetch() -----> the loop is told by mail (MAIL_COURIER): courier_next() says what to ask the coordinator for
 *     loader: appends to the part <- courier_deliver() <--- model_chunk                       at most COURIER_WINDOW pieces are under way
 *
 * Pieces come in order. What was lost with a connection is asked for again: courier_again().
 *
 * Threads:   courier_fetch() is the loader's; all else the loop's.
 * Ownership: embedded in struct worker; courier_done() after the loader has ended.
 * Errors:    courier_fetch: -ECANCELED when the job ended meanwhile; -EREMOTEIO when the coordinator says that it cannot; those of cache_part.h. */
#pragma once

#include "common/cache_part.h"
#include "common/mailbox.h"
#include "proto/messages.h"

#include <stdbool.h>

#define COURIER_WINDOW 4 /* pieces of LIMIT_CHUNK bytes: this much memory at most, here and on the way */

struct courier {
    struct mail mail;
    struct mailbox *box;
    bool posted;        /* the mail is in the box */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char sha256[SHA256_HEX]; /* of what is being fetched; "": nothing */
    uint64_t size;
    uint64_t kept;      /* bytes that are in the part */
    uint64_t came;      /* those, and what waits in `pieces` */
    uint64_t asked;     /* up to here */
    char *pieces[COURIER_WINDOW]; /* the oldest first */
    uint32_t piece_sizes[COURIER_WINDOW];
    int waiting;        /* how many */
    bool cancelled;
    char refusal[LIMIT_TEXT]; /* the coordinator's */
    uint64_t heard_ns;  /* when something last came, or was asked for anew */
};

int courier_init(struct courier *courier, struct mailbox *box);
void courier_done(struct courier *courier);

/* From what the part has up to its `size`. */
int courier_fetch(struct courier *courier, const char *sha256, uint64_t size, struct cache_part *part, struct why *why);

/* A load begins: it may fetch. */
void courier_allow(struct courier *courier);
/* What is fetched is not wanted any more; courier_fetch() ends soon, now and later. */
void courier_cancel(struct courier *courier);
bool courier_is_cancelled(struct courier *courier);

/* The mail has come. */
void courier_took_mail(struct courier *courier);
/* The next thing to ask for; false: nothing now. */
bool courier_next(struct courier *courier, char sha256[SHA256_HEX], uint64_t *ret_offset, uint32_t *ret_length);
void courier_deliver(struct courier *courier, const struct msg_model_chunk *chunk);
/* What is under way may be lost. */
void courier_again(struct courier *courier);
/* The same, if nothing has come for so long. Returns whether so. */
bool courier_stalled(struct courier *courier, uint64_t now_ns, uint64_t patience_ns);
