/* door.h: who may speak to this worker: keys, how many may be connected, and what is said about those who are sent away.
 *
 * Without keys it listens on this machine only, unless --insecure says that the network is trusted. With keys it listens everywhere, and lets in who owns a key of
 * the authorised list, which door_reload() reads again: a key that is no longer on it is not listened to from then on.
 *
 * Threads:   the loop's.
 * Ownership: door_close() frees; call it before the link is freed.
 * Errors:    negative errno with a sentence. What strangers do is logged a few times, then now and then with how often it was. */
#pragma once

#include "common/loop.h"
#include "proto/guests.h"
#include "proto/link.h"
#include "proto/monitor.h"

#include <stdbool.h>

struct worker_options;

/* What is logged of one kind. */
struct door_lines {
    struct allowance allowance;
    uint64_t unsaid; /* left out since the last one */
};

struct door {
    struct zap *zap; /* NULL: no keys */
    struct monitor *monitor;
    const char *list_path;
    char own[KEY_TEXT]; /* this worker's public key */
    struct key_list authorized;
    struct guests guests;
    enum monitor_kind failed; /* how the handshake failed of the connection that goes next; MONITOR_GREETED: none */
    struct door_lines denials, strangers;
    uint64_t denied, garbage;
};

/* Whether where it listens and its keys go together, by the options alone. */
int door_check(const struct worker_options *options, struct why *why);

/* Binds the worker's link and adds what must be watched to the loop. */
int door_open(struct door *door, const struct worker_options *options, struct loop *loop, void *context, struct link **ret, struct why *why);
void door_close(struct door *door);

void door_reload(struct door *door);
void door_tick(struct door *door);

/* A message came that is meant for this worker: whether it is to be looked at. `leads`: its sender is the coordinator of the present job, who may say as much as
 * it likes. */
bool door_admits(struct door *door, const struct peer *peer, bool leads);

/* Something came that was no message, and why. */
void door_garbage(struct door *door, const struct peer *peer, const char *reason);
