#include "proto/monitor.h"

#include "common/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>
#include <zmq.h>

#define HANDSHAKES (ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)

struct monitor {
    void *watched, *socket;
};

DEFINE_FREEP(monitor_close, struct monitor)

int monitor_open(void *context, void *socket, bool bound, struct monitor **ret, struct why *why)
{
    static _Atomic uint64_t number;
    char address[64];
    int none = 0, events = bound ? HANDSHAKES | ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED : HANDSHAKES;
    CLEANUP(monitor_closep) struct monitor *monitor = calloc(1, sizeof(*monitor));
    if (!monitor)
        return because(why, -ENOMEM, "out of memory");
    snprintf(address, sizeof(address), "inproc://monitor-%" PRIu64, atomic_fetch_add(&number, 1));
    monitor->socket = zmq_socket(context, ZMQ_PAIR);
    if (!monitor->socket || zmq_socket_monitor(socket, address, events) < 0)
        return because(why, -errno, "cannot watch connections: %s", zmq_strerror(errno));
    monitor->watched = socket;
    /* No limit: at one, ZeroMQ's thread would wait for us, with a lock that monitor_close() needs. */
    if (zmq_setsockopt(monitor->socket, ZMQ_LINGER, &none, sizeof(none)) < 0 ||
        zmq_setsockopt(monitor->socket, ZMQ_RCVHWM, &none, sizeof(none)) < 0 || zmq_connect(monitor->socket, address) < 0)
        return because(why, -errno, "cannot watch connections: %s", zmq_strerror(errno));
    *ret = take(monitor);
    return 0;
}

void monitor_close(struct monitor *monitor)
{
    if (!monitor)
        return;
    if (monitor->watched)
        zmq_socket_monitor(monitor->watched, NULL, 0);
    if (monitor->socket)
        zmq_close(monitor->socket);
    free(monitor);
}

void *monitor_socket(struct monitor *monitor)
{
    return monitor->socket;
}

static enum monitor_kind kind_of(uint16_t event, uint32_t value)
{
    switch (event) {
    case ZMQ_EVENT_ACCEPTED:
        return MONITOR_CAME;
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        return MONITOR_GREETED;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        return MONITOR_DENIED;
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
        return value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH ? MONITOR_MECHANISM : MONITOR_BROKEN;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
        return MONITOR_BROKEN;
    default:
        return MONITOR_WENT;
    }
}

bool monitor_next(struct monitor *monitor, struct monitor_event *ret)
{
    unsigned char head[6];
    char address[256];
    uint16_t event;
    uint32_t value;
    if (zmq_recv(monitor->socket, head, sizeof(head), ZMQ_DONTWAIT) != sizeof(head))
        return false;
    zmq_recv(monitor->socket, address, sizeof(address), ZMQ_DONTWAIT);
    memcpy(&event, head, sizeof(event));
    memcpy(&value, head + 2, sizeof(value));
    ret->kind = kind_of(event, value);
    ret->fd = (int)value;
    return true;
}
