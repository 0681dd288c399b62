/* lender.h: the job's model for workers that have no other way to it: pieces of it on request, of this file and of no other.
 *
 * A thread of its own reads, so that a slow disk never keeps the loop waiting. Memory is bounded: LENDER_OUT pieces are in memory at most, and
 * LENDER_NODE of one node, from their being read until ZeroMQ has handed them to the system. A node that asks for more at once is not answered for the rest,
 * and asks again.
 *
 * Threads:   the loop's, but for the reading. Nobody waits for that thread: a mount that is away may never let it go.
 * Ownership: files are opened once and stay open. lender_stop() before the mailbox goes (nothing is posted after it), lender_free() after the ZeroMQ
 *            context has ended.
 * Errors:    lender_want: -EPROTO for what nobody who goes by the protocol asks for. */
#pragma once

#include "common/mailbox.h"
#include "proto/link.h"

#define LENDER_OUT  64 /* pieces of LIMIT_CHUNK bytes */
#define LENDER_NODE 8

struct lender;
struct borrower; /* a node, as the lender sees it */

/* `weights`: a file, or "" for none; its hash was found before. Ranges are looked for beside it. Posts mail of kind MAIL_LENT. */
int lender_open(const char *weights, const char *sha256, struct mailbox *box, struct lender **ret, struct why *why);
void lender_stop(struct lender *lender); /* accepts NULL */
void lender_free(struct lender *lender); /* accepts NULL */

/* What hello says: sizes are 0 and hashes empty where there is nothing. */
uint64_t lender_model_size(const struct lender *lender);
const char *lender_ranges(const struct lender *lender, uint64_t *ret_size);

/* A worker's wish. `head` has kind, from, to and epoch of the answer. `kept` is the node's own, NULL at first; `user` and `call` come back with the
 * mail. */
int lender_want(struct lender *lender, struct borrower **kept, const struct message *head, const struct msg_want_model *want, void *user,
                uint64_t call, struct why *why);

/* A piece that has been read: mail, to be given to lender_send() or lender_drop(). */
struct lent {
    struct mail mail;
    void *user;
    uint64_t call;
    uint32_t length; /* bytes of the file in it */
    struct lender *lender;
    struct borrower *borrower;
    struct message head;
    int file;
    uint64_t offset;
    struct bytes frame;
};

int lender_send(struct lent *lent, struct link *link);
void lender_drop(struct lent *lent);
