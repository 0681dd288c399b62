/* resolver.h: names of nodes looked up beside the loop. ZeroMQ would do it on the thread that all sockets share, where a name service that does not answer
 * makes every node silent.
 *
 * Threads:   the loop's, but for the looking up: up to RESOLVER_THREADS at once, so that slow names do not hold up all others.
 * Ownership: an answer is the reader's, to be freed. resolver_close() waits for nobody: a look-up that is under way frees what it needed when it ends.
 * Errors:    resolver_ask: -ENOMEM, -EAGAIN without a thread. An answer has its own: -ENOENT with a sentence. */
#pragma once

#include "common/mailbox.h"
#include "common/why.h"

#include <stdbool.h>
#include <stdint.h>

#define RESOLVER_THREADS 16

struct resolver;

struct resolved {
    struct mail mail;
    void *user;         /* as asked */
    uint64_t number;
    unsigned nth;       /* of its addresses, counted round and round: one that does not answer is followed by the next */
    char endpoint[512]; /* as asked; with an address in the name's place if r is 0 */
    int r;
    struct why why;
};

/* Whether an endpoint has a name in it: tcp://NAME:PORT. */
bool resolver_is_name(const char *endpoint);

/* Answers come as mail of this kind. */
int resolver_open(struct mailbox *box, int kind, struct resolver **ret, struct why *why);
int resolver_ask(struct resolver *resolver, const char *endpoint, unsigned nth, void *user, uint64_t number);
void resolver_close(struct resolver *resolver); /* accepts NULL */
