#include "proto/link.h"

#include "common/cleanup.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <zmq.h>

/* Messages that may wait to be sent to one peer. A coordinator's: above any credit, so that sends block on credit, never on ZeroMQ's own queue. A worker offers
 * again what it could not send, so for a peer that reads nothing it keeps little. */
#define SEND_CONNECTED  100000
#define SEND_BOUND      4096
/* That came and were not read: beyond this the other side has to wait. */
#define RECEIVE         256

struct link {
    void *socket;
    bool bound;
    char endpoint[512];
    struct bytes frame; /* scratch for encoding */
};

DEFINE_FREEP(link_free, struct link)

int link_context_new(void **ret, struct why *why)
{
    void *context = zmq_ctx_new();
    if (!context)
        return because(why, -errno, "ZeroMQ: %s", zmq_strerror(errno));
    zmq_ctx_set(context, ZMQ_MAX_SOCKETS, 16384); /* a node has one, and two more while its first handshake is watched */
    *ret = context;
    return 0;
}

void link_context_free(void *context)
{
    if (context)
        while (zmq_ctx_term(context) < 0 && errno == EINTR)
            ;
}

static void set_int(void *socket, int option, int value)
{
    zmq_setsockopt(socket, option, &value, sizeof(value));
}

static int set_keys(void *socket, bool server, const struct link_options *options, struct why *why)
{
    int yes = 1;
    if (server && !options->zap)
        return because(why, -EINVAL, "keys: nobody judges who may connect"); /* ZeroMQ would let everybody in */
    bool ok = zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, options->keys->secret, KEY_TEXT) == 0 &&
              zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, options->keys->public, KEY_TEXT) == 0;
    if (ok && server)
        ok = zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &yes, sizeof(yes)) == 0;
    else if (ok)
        ok = zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, options->server, KEY_TEXT) == 0;
    return ok ? 0 : because(why, -errno, "keys: %s", zmq_strerror(errno));
}

static int open_socket(void *context, int type, const char *endpoint, const struct link_options *options, struct link **ret, struct why *why)
{
    CLEANUP(link_freep) struct link *link = calloc(1, sizeof(*link));
    if (!link)
        return because(why, -ENOMEM, "%s: out of memory", endpoint);
    bytes_init(&link->frame, LIMIT_FRAME);
    link->socket = zmq_socket(context, type);
    if (!link->socket)
        return because(why, -errno, "%s: %s; too many nodes for RLIMIT_NOFILE (ulimit -n)?", endpoint, zmq_strerror(errno));
    int64_t largest = (int64_t)(options->largest ? options->largest : LIMIT_FRAME);
    zmq_setsockopt(link->socket, ZMQ_MAXMSGSIZE, &largest, sizeof(largest));
    set_int(link->socket, ZMQ_LINGER, 1000); /* for the last words, on a busy machine too */
    set_int(link->socket, ZMQ_SNDHWM, type == ZMQ_ROUTER ? SEND_BOUND : SEND_CONNECTED);
    set_int(link->socket, ZMQ_RCVHWM, RECEIVE);
    set_int(link->socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_S * 1000);
    /* Also where nobody is asked: with a domain ZeroMQ refuses ZMTP 1 and 2, whose first frame, if it comes while a ROUTER is being closed, makes libzmq 4.3 abort. */
    if (type == ZMQ_ROUTER)
        zmq_setsockopt(link->socket, ZMQ_ZAP_DOMAIN, "sleddog", 7);
    set_int(link->socket, ZMQ_IPV6, 1);
    set_int(link->socket, ZMQ_TCP_KEEPALIVE, 1);
    int r = options->keys ? set_keys(link->socket, type == ZMQ_ROUTER, options, why) : 0;
    if (r < 0)
        return because_in(why, r, "%s", endpoint);
    *ret = take(link);
    return 0;
}

/* ZeroMQ takes 99999 for 34463. */
static const char *what_to_do(int error)
{
    switch (error) {
    case ENODEV:
        return "; it must be an address of this machine in digits, or *";
    case EADDRNOTAVAIL:
        return "; it must be an address of this machine, or *";
    case EADDRINUSE:
        return "; something listens there already, perhaps another worker: end that, or give another --listen ADDRESS:PORT";
    case EACCES:
        return "; give --listen a port of 1024 or more, or allow this one";
    default:
        return "";
    }
}

static int check_port(const char *endpoint, struct why *why)
{
    const char *colon = strrchr(endpoint, ':');
    size_t digits = colon ? strspn(colon + 1, "0123456789") : 0;
    if (strncmp(endpoint, "tcp://", 6) || (digits && digits < 6 && !colon[1 + digits] && atoi(colon + 1) <= 65535))
        return 0;
    return because(why, -EINVAL, "%s: cannot listen: an address ends in :PORT, a number from 0 (any free one) to 65535", endpoint);
}

int link_bind_with(void *context, const char *endpoint, const struct link_options *options, struct link **ret, struct why *why)
{
    CLEANUP(link_freep) struct link *link = NULL;
    int r = check_port(endpoint, why);
    if (r == 0)
        r = open_socket(context, ZMQ_ROUTER, endpoint, options, &link, why);
    if (r < 0)
        return r;
    link->bound = true;
    set_int(link->socket, ZMQ_ROUTER_MANDATORY, 1);
    /* One that sends half a message cannot answer in the middle of it. */
    set_int(link->socket, ZMQ_HEARTBEAT_IVL, HEARTBEAT_S * 1000 / 3);
    set_int(link->socket, ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_S * 1000);
    /* Only where it is meant: with IPv6, 127.0.0.1 would be shown as [::ffff:127.0.0.1]. */
    set_int(link->socket, ZMQ_IPV6, strpbrk(endpoint, "[*") != NULL);
    if (zmq_bind(link->socket, endpoint) < 0)
        return because(why, -errno, "%s: cannot listen: %s%s", endpoint, zmq_strerror(errno), what_to_do(errno));
    size_t size = sizeof(link->endpoint);
    zmq_getsockopt(link->socket, ZMQ_LAST_ENDPOINT, link->endpoint, &size);
    *ret = take(link);
    return 0;
}

int link_bind(void *context, const char *endpoint, struct link **ret, struct why *why)
{
    return link_bind_with(context, endpoint, &(struct link_options){ 0 }, ret, why);
}

int link_connect_with(void *context, const char *endpoint, const struct link_options *options, struct link **ret, struct why *why)
{
    CLEANUP(link_freep) struct link *link = NULL;
    int r = open_socket(context, ZMQ_DEALER, endpoint, options, &link, why);
    if (r < 0)
        return r;
    /* Queue only for a peer that is there; look for it again quickly. */
    set_int(link->socket, ZMQ_IMMEDIATE, 1);
    set_int(link->socket, ZMQ_RECONNECT_IVL, 50);
    set_int(link->socket, ZMQ_RECONNECT_IVL_MAX, 2000);
    /* The kernel asks an unreachable machine less and less often, up to every minute: a node that is back should not wait for that. */
    set_int(link->socket, ZMQ_CONNECT_TIMEOUT, 3000);
    if (zmq_connect(link->socket, endpoint) < 0)
        return because(why, -errno, "%s: not an address to connect to: %s", endpoint, zmq_strerror(errno));
    snprintf(link->endpoint, sizeof(link->endpoint), "%s", endpoint);
    *ret = take(link);
    return 0;
}

int link_connect(void *context, const char *endpoint, struct link **ret, struct why *why)
{
    return link_connect_with(context, endpoint, &(struct link_options){ 0 }, ret, why);
}

void link_free(struct link *link)
{
    if (!link)
        return;
    if (link->socket)
        zmq_close(link->socket);
    bytes_done(&link->frame);
    free(link);
}

void *link_socket(struct link *link)
{
    return link->socket;
}

const char *link_endpoint(const struct link *link)
{
    return link->endpoint;
}

/* A ROUTER puts the sender's routing id in front. */
static int receive_peer(struct link *link, struct peer *peer)
{
    int size = zmq_recv(link->socket, peer->id, sizeof(peer->id), ZMQ_DONTWAIT);
    if (size < 0)
        return -errno;
    peer->size = (size_t)size < sizeof(peer->id) ? (size_t)size : sizeof(peer->id);
    peer->fd = -1;
    peer->key[0] = '\0';
    return 0;
}

static void describe_peer(zmq_msg_t *frame, struct peer *peer)
{
    const char *key = zmq_msg_gets(frame, "User-Id");
    peer->fd = zmq_msg_get(frame, ZMQ_SRCFD);
    snprintf(peer->key, sizeof(peer->key), "%s", key ? key : "");
}

/* Drops the rest of a message that has more frames than ours have. */
static bool drop_rest(void *socket, bool more)
{
    bool dropped = false;
    while (more) {
        zmq_msg_t part;
        zmq_msg_init(&part);
        if (zmq_msg_recv(&part, socket, ZMQ_DONTWAIT) < 0)
            more = false;
        else
            more = zmq_msg_more(&part);
        zmq_msg_close(&part);
        dropped = true;
    }
    return dropped;
}

int link_receive(struct link *link, struct peer *peer, struct message *ret, struct why *why)
{
    if (link->bound) {
        int r = receive_peer(link, peer);
        if (r < 0)
            return r;
        int more = 0;
        size_t size = sizeof(more);
        zmq_getsockopt(link->socket, ZMQ_RCVMORE, &more, &size);
        if (!more)
            return because(why, -EBADMSG, "a message without a body");
    }
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    if (zmq_msg_recv(&frame, link->socket, ZMQ_DONTWAIT) < 0) {
        int r = -errno;
        zmq_msg_close(&frame);
        return r;
    }
    if (link->bound)
        describe_peer(&frame, peer);
    int r = message_decode(zmq_msg_data(&frame), zmq_msg_size(&frame), ret, why);
    if (drop_rest(link->socket, zmq_msg_more(&frame)) && r == 0) {
        message_free(ret);
        r = because(why, -EBADMSG, "a message of several frames");
    }
    zmq_msg_close(&frame);
    return r;
}

int link_send_frame(struct link *link, const struct peer *peer, const void *frame, size_t size)
{
    if (peer && zmq_send(link->socket, peer->id, peer->size, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0)
        return -errno;
    return zmq_send(link->socket, frame, size, ZMQ_DONTWAIT) < 0 ? -errno : 0;
}

int link_send(struct link *link, const struct peer *peer, const struct message *message)
{
    bytes_clear(&link->frame);
    int r = message_encode(message, &link->frame);
    return r < 0 ? r : link_send_frame(link, peer, link->frame.data, link->frame.size);
}

int link_send_owned(struct link *link, void *frame, size_t size, link_sent *sent, void *arg)
{
    zmq_msg_t message;
    if (zmq_msg_init_data(&message, frame, size, sent, arg) < 0) {
        sent(frame, arg);
        return -ENOMEM;
    }
    if (zmq_msg_send(&message, link->socket, ZMQ_DONTWAIT) >= 0)
        return 0;
    int r = -errno;
    zmq_msg_close(&message); /* calls `sent` */
    return r;
}

uint64_t link_random_id(void)
{
    uint64_t id = 0;
    while (!id)
        if (getrandom(&id, sizeof(id), 0) != (ssize_t)sizeof(id))
            id = 0;
    return id;
}
