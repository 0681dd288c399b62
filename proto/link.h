/* link.h: messages over a ZeroMQ socket.
 *
 * A worker binds a ROUTER (link_bind), a coordinator opens a DEALER a node (link_connect). Sends never wait: a peer that does not take
 * its messages is a peer that is gone, and the caller is told. What may come in is bounded: bytes a message (link_options), messages that wait (a peer that
 * sends more has to wait itself), and time: a handshake that takes longer than HANDSHAKE_S, and a message that takes longer than HEARTBEAT_S, end their
 * connection. How many may connect to a bound link is for its owner to say: guests.h.
 *
 * Threads:   a link belongs to one thread, the loop's.
 * Ownership: link_free() closes the socket. A received message must be given to message_free().
 * Errors:    link_receive: -EAGAIN when there is nothing more; -EBADMSG or -EMSGSIZE for a frame that is not ours (counted by
 *            the caller, the next call goes on). link_send: -EHOSTUNREACH for a peer that is gone, -EAGAIN when its queue is full. */
#pragma once

#include "proto/curve.h"
#include "proto/messages.h"

#include <stdbool.h>

#define PEER_ID_SIZE 256
#define HANDSHAKE_S  5
#define HEARTBEAT_S  30

/* Who sent a message to a bound link: the ROUTER's routing id. */
struct peer {
    unsigned char id[PEER_ID_SIZE];
    size_t size;
    int fd;             /* of its connection; -1: not known */
    char key[KEY_TEXT]; /* its public key; "": none */
};

struct link_options {
    const struct curve_pair *keys; /* ours, copied; NULL: nothing is encrypted */
    const struct zap *zap;         /* link_bind_with() with keys: who is asked, and must be there as long as the link */
    const char *server;            /* link_connect_with(): the public key of who must be there */
    size_t largest;                /* bytes of a message that may come, beyond them the connection ends; 0: LIMIT_FRAME */
};

struct link;

/* The process-wide ZeroMQ context: one for a program, ended after its last link is freed. */
int link_context_new(void **ret, struct why *why);
void link_context_free(void *context);

int link_bind(void *context, const char *endpoint, struct link **ret, struct why *why);
int link_connect(void *context, const char *endpoint, struct link **ret, struct why *why);
int link_bind_with(void *context, const char *endpoint, const struct link_options *options, struct link **ret, struct why *why);
int link_connect_with(void *context, const char *endpoint, const struct link_options *options, struct link **ret, struct why *why);
void link_free(struct link *link); /* accepts NULL */

void *link_socket(struct link *link); /* for the loop */

/* The address really bound, for port 0. Valid as long as the link. */
const char *link_endpoint(const struct link *link);

/* `peer` is filled by a bound link, NULL on a connected one. */
int link_receive(struct link *link, struct peer *peer, struct message *ret, struct why *why);
int link_send(struct link *link, const struct peer *peer, const struct message *message);

/* Sends a frame that message_encode() made. */
int link_send_frame(struct link *link, const struct peer *peer, const void *frame, size_t size);

/* Sends a frame without copying it; whatever becomes of it, `sent` is called once, from any thread, when the memory is not needed any more: also after
 * an error, and long before the peer has it. */
typedef void link_sent(void *frame, void *arg);
int link_send_owned(struct link *link, void *frame, size_t size, link_sent *sent, void *arg);

/* A random number, never 0: an incarnation or a job's identity. */
uint64_t link_random_id(void);
