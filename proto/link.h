/* link.h: messages over a ZeroMQ socket.
 *
 * A worker binds a ROUTER (link_bind), a coordinator opens a DEALER a node (link_connect). Sends never wait: a peer that does not take
 * its messages is a peer that is gone, and the caller is told.
 *
 * Threads:   a link belongs to one thread, the loop's.
 * Ownership: link_free() closes the socket. A received message must be given to message_free().
 * Errors:    link_receive: -EAGAIN when there is nothing more; -EBADMSG or -EMSGSIZE for a frame that is not ours (counted by
 *            the caller, the next call goes on). link_send: -EHOSTUNREACH for a peer that is gone, -EAGAIN when its queue is full. */
#pragma once

#include "proto/messages.h"

#include <stdbool.h>

#define PEER_ID_SIZE 256

/* Who sent a message to a bound link: the ROUTER's routing id. */
struct peer {
    unsigned char id[PEER_ID_SIZE];
    size_t size;
};

struct link;

/* The process-wide ZeroMQ context: one for a program, ended after its last link is freed. */
int link_context_new(void **ret, struct why *why);
void link_context_free(void *context);

int link_bind(void *context, const char *endpoint, struct link **ret, struct why *why);
int link_connect(void *context, const char *endpoint, struct link **ret, struct why *why);
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
