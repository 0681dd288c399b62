/* monitor.h: what happens on a link's connections: who came, who went, whose handshake failed and why.
 *
 * Threads:   the loop's. Events wait, some 200 bytes each, until they are read.
 * Ownership: monitor_close(), before its link is freed.
 * Errors:    negative errno with a sentence. */
#pragma once

#include "common/why.h"

#include <stdbool.h>

enum monitor_kind {
    MONITOR_CAME,      /* a bound link: a connection, `fd` */
    MONITOR_GREETED,   /* a handshake is done */
    MONITOR_DENIED,    /* the other side does not accept our key */
    MONITOR_MECHANISM, /* one side has keys, the other has none */
    MONITOR_BROKEN,    /* the other side ended or spoilt the handshake */
    MONITOR_WENT,      /* `fd` is closed */
};

struct monitor_event {
    enum monitor_kind kind;
    int fd;
};

struct monitor;

/* `socket` is link_socket()'s. `bound`: only then MONITOR_CAME and MONITOR_WENT are of interest. */
int monitor_open(void *context, void *socket, bool bound, struct monitor **ret, struct why *why);
void monitor_close(struct monitor *monitor); /* accepts NULL */
void *monitor_socket(struct monitor *monitor);

/* False when there is no more. */
bool monitor_next(struct monitor *monitor, struct monitor_event *ret);
