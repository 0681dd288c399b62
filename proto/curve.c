#include "proto/curve.h"

#include "common/cleanup.h"

#include <errno.h>
#include <string.h>
#include <zmq.h>

#define ZAP_ADDRESS "inproc://zeromq.zap.01"
#define ZAP_PARTS   7 /* version, request, domain, address, identity, mechanism, key */
#define ZAP_TEXT    256

/* ---- pairs ---- */

int curve_pair_new(struct curve_pair *ret, struct why *why)
{
    if (zmq_curve_keypair(ret->public, ret->secret) < 0)
        return because(why, -errno, "this ZeroMQ has no CURVE: %s", zmq_strerror(errno));
    return 0;
}

int curve_pair_read(const char *path, struct curve_pair *ret, struct why *why)
{
    int r = key_read_secret(path, ret->secret, why);
    if (r == -ENOENT && why) {
        const struct why missing = *why;
        return because(why, r, "%.900s; sleddog-coordinator keygen DIR makes keys", missing.text);
    }
    if (r == 0 && zmq_curve_public(ret->public, ret->secret) < 0)
        r = because(why, -errno, "%s: this ZeroMQ has no CURVE: %s", path, zmq_strerror(errno));
    return r;
}

void curve_pair_wipe(struct curve_pair *pair)
{
    explicit_bzero(pair, sizeof(*pair));
}

/* ---- ZAP ---- */

struct zap {
    void *socket;
    zap_judge *judge;
    void *arg;
};

DEFINE_FREEP(zap_close, struct zap)

int zap_open(void *context, zap_judge *judge, void *arg, struct zap **ret, struct why *why)
{
    CLEANUP(zap_closep) struct zap *zap = calloc(1, sizeof(*zap));
    if (!zap)
        return because(why, -ENOMEM, "out of memory");
    zap->judge = judge;
    zap->arg = arg;
    zap->socket = zmq_socket(context, ZMQ_REP);
    int none = 0;
    if (!zap->socket || zmq_setsockopt(zap->socket, ZMQ_LINGER, &none, sizeof(none)) < 0 || zmq_bind(zap->socket, ZAP_ADDRESS) < 0)
        return because(why, -errno, "%s: %s", ZAP_ADDRESS, zmq_strerror(errno));
    *ret = take(zap);
    return 0;
}

void zap_close(struct zap *zap)
{
    if (!zap)
        return;
    if (zap->socket)
        zmq_close(zap->socket);
    free(zap);
}

void *zap_socket(struct zap *zap)
{
    return zap->socket;
}

struct part {
    char data[ZAP_TEXT];
    size_t size;
};

/* Returns how many parts the question had; those beyond ZAP_PARTS are passed over. */
static int receive(void *socket, struct part parts[ZAP_PARTS])
{
    int count = 0, more = 1;
    size_t size = sizeof(more);
    for (; more; count++) {
        struct part spare, *part = count < ZAP_PARTS ? &parts[count] : &spare;
        int length = zmq_recv(socket, part->data, sizeof(part->data), ZMQ_DONTWAIT);
        if (length < 0)
            return -errno;
        part->size = (size_t)length < sizeof(part->data) ? (size_t)length : 0;
        zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size);
    }
    return count;
}

static bool is(const struct part *part, const char *text)
{
    return part->size == strlen(text) && !memcmp(part->data, text, part->size);
}

static bool may_enter(const struct zap *zap, const struct part parts[ZAP_PARTS], int count, char key[KEY_TEXT])
{
    char address[ZAP_TEXT];
    if (count != ZAP_PARTS || !is(&parts[0], "1.0") || !is(&parts[5], "CURVE") || parts[6].size != 32)
        return false;
    snprintf(address, sizeof(address), "%.*s", (int)parts[3].size, parts[3].data);
    return zmq_z85_encode(key, (const uint8_t *)parts[6].data, 32) && zap->judge(zap->arg, address, key);
}

static void answer(void *socket, const struct part *request, bool yes, const char *key)
{
    zmq_send(socket, "1.0", 3, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    zmq_send(socket, request->data, request->size, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    zmq_send(socket, yes ? "200" : "400", 3, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    zmq_send(socket, "", 0, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    zmq_send(socket, key, yes ? strlen(key) : 0, ZMQ_SNDMORE | ZMQ_DONTWAIT); /* the user's name: link.h's peer.key */
    zmq_send(socket, "", 0, ZMQ_DONTWAIT);
}

void zap_answer(struct zap *zap)
{
    struct part parts[ZAP_PARTS];
    int count;
    while ((count = receive(zap->socket, parts)) > 0) {
        char key[KEY_TEXT] = "";
        bool yes = may_enter(zap, parts, count, key);
        answer(zap->socket, &parts[1], yes, key);
    }
}
