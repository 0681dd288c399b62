/* proxy.h: a network that behaves badly: stands between a coordinator and its workers and loses, doubles, delays and cuts what they say.
 *
 *     struct proxy *proxy = proxy_start(&(struct proxy_plan){ .seed = 7, .rate = { [PROXY_DROP] = 20 }, .limit = 5 }, ports, 4);
 *     ... connect to proxy_port(proxy, 0) instead of ports[0] ...
 *     proxy_count(proxy, PROXY_DROP)
 *     proxy_stop(proxy);
 *
 * Only whole messages are touched (zmtp.h); greetings and ZeroMQ's own commands pass as they are, so both ends keep believing in the
 * connection. Which messages are hit depends on the seed, the connection's number and the message's number in it.
 *
 * Threads:   one of its own; the functions here may be called from any.
 * Ownership: proxy_stop() frees.
 * Errors:    fail the test. */
#pragma once

#include <stdint.h>

enum proxy_fault {
    PROXY_DROP,
    PROXY_DOUBLE,
    PROXY_DELAY,    /* it and all behind it wait */
    PROXY_OVERTAKE, /* it waits, those behind it do not */
    PROXY_TRUNCATE, /* a part of it arrives as if it were all */
    PROXY_CUT,      /* a part of it, and the connection ends */
    PROXY_FAULTS
};

struct proxy_plan {
    uint64_t seed;
    int rate[PROXY_FAULTS]; /* of a thousand messages */
    int limit;              /* of each kind, over all connections */
    int delay_ms;           /* the longest */
};

struct proxy;

/* Listens on a port of 127.0.0.1 for each of the `count` ports there. */
struct proxy *proxy_start(const struct proxy_plan *plan, const int *ports, int count);
void proxy_stop(struct proxy *proxy); /* accepts NULL */

int proxy_port(const struct proxy *proxy, int i);
const char *proxy_fault_name(enum proxy_fault fault);
int proxy_count(struct proxy *proxy, enum proxy_fault fault); /* how many there were */
int proxy_messages(struct proxy *proxy);                      /* that came by */
