#include "worker/door.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/counted.h"
#include "common/log.h"
#include "worker/listen.h"
#include "worker/worker.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

/* Of a guest's allowance. */
#define COST_MESSAGE 1.0
#define COST_GARBAGE 10.0
/* Lines about strangers: so many at once, so many a second. */
#define LINES        5.0
#define LINES_REFILL 0.1

static void complain(struct door_lines *lines, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void complain(struct door_lines *lines, const char *format, ...)
{
    char text[512], more[64] = "";
    if (!allowance_take(&lines->allowance, 1, LINES, LINES_REFILL, clock_now_ns())) {
        lines->unsaid++;
        return;
    }
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (lines->unsaid)
        snprintf(more, sizeof(more), " (%" PRIu64 " more such lines were left out)", lines->unsaid);
    lines->unsaid = 0;
    log_warning("%s%s", text, more);
}

/* ---- keys ---- */

static bool judge(void *arg, const char *address, const char *key)
{
    struct door *door = arg;
    const struct key_entry *entry = key_list_find(&door->authorized, key);
    if (!entry)
        complain(&door->denials, "%s: denied, its key %s is not in %s; %" PRIu64 " denied so far", *address ? address : "a local socket", key, door->list_path,
                 ++door->denied);
    else
        log_debug("%s: let in, %s", address, *entry->note ? entry->note : key);
    return entry;
}

static void on_zap(void *arg)
{
    struct door *door = arg;
    zap_answer(door->zap);
}

static void tell_list(const struct door *door)
{
    if (door->authorized.count)
        log_info("%s: %d coordinator%s authorised", door->list_path, door->authorized.count, door->authorized.count == 1 ? " is" : "s are");
    else
        log_warning("%s: holds no key: no coordinator is authorised; put NAME.pub of each there and send SIGHUP", door->list_path);
}

/* A folder may be the one where keygen made all keys. */
static int read_list(const struct door *door, struct key_list *ret, struct why *why)
{
    struct stat status;
    int r = key_list_read(door->list_path, ret, why);
    if (r == 0 && stat(door->list_path, &status) == 0 && S_ISDIR(status.st_mode) && key_list_remove(ret, door->own))
        log_info("%s: holds this worker's own key too, which is no coordinator's and is left out", door->list_path);
    return r;
}

void door_reload(struct door *door)
{
    struct key_list list;
    struct why why;
    if (!door->zap)
        return;
    if (read_list(door, &list, &why) < 0) {
        log_error("%s; the keys stay as they were", why.text);
        return;
    }
    key_list_free(&door->authorized);
    door->authorized = list;
    tell_list(door);
}

/* ---- connections ---- */

static const char *failure(enum monitor_kind kind)
{
    return kind == MONITOR_MECHANISM ? "one side has keys, the other has none"
                                     : "its handshake failed: it is no sleddog-coordinator, or has a wrong public key for this worker";
}

static void on_monitor(void *arg)
{
    struct door *door = arg;
    struct monitor_event event;
    char address[64];
    while (monitor_next(door->monitor, &event))
        switch (event.kind) {
        case MONITOR_CAME:
            if (guests_came(&door->guests, event.fd, clock_now_ns(), address, sizeof(address)))
                complain(&door->strangers, "%s: too many connections, one was ended; %" PRIu64 " so far", address, door->guests.put_out);
            break;
        case MONITOR_WENT:
            if (guests_went(&door->guests, event.fd, address, sizeof(address)) && door->failed != MONITOR_GREETED)
                complain(&door->strangers, "%s: sent away, %s", address, failure(door->failed));
            door->failed = MONITOR_GREETED;
            break;
        case MONITOR_MECHANISM:
        case MONITOR_BROKEN:
            door->failed = event.kind; /* it goes at once: see the next event */
            break;
        case MONITOR_GREETED:
        case MONITOR_DENIED:
            break;
        }
}

void door_tick(struct door *door)
{
    int silent = guests_tick(&door->guests, clock_now_ns());
    if (silent)
        complain(&door->strangers, "%s ended that had said nothing of use for %d s or in %d bytes",
                 COUNTED((uint64_t)silent, "connection was", "connections were"), GUEST_SILENT_S, GUEST_BYTES);
}

bool door_admits(struct door *door, const struct peer *peer, bool leads)
{
    char address[64];
    if (door->zap && !key_list_find(&door->authorized, peer->key)) {
        guests_address(&door->guests, peer->fd, address, sizeof(address));
        if (guests_put_out(&door->guests, peer->fd))
            complain(&door->strangers, "%s: sent away, its key %s is no longer in %s", address, peer->key, door->list_path);
        return false;
    }
    if (!guests_said(&door->guests, peer->fd, true, leads ? 0 : COST_MESSAGE, clock_now_ns()))
        return true;
    guests_address(&door->guests, peer->fd, address, sizeof(address));
    complain(&door->strangers, "%s: sent away, it says more than any coordinator would", address);
    return false;
}

void door_garbage(struct door *door, const struct peer *peer, const char *reason)
{
    char address[64];
    guests_address(&door->guests, peer->fd, address, sizeof(address));
    if (door->garbage++ % 1000 == 0)
        log_warning("%s: a frame that is no message of this protocol was dropped (%s), %" PRIu64 " in all", address, reason, door->garbage);
    if (guests_said(&door->guests, peer->fd, false, COST_GARBAGE, clock_now_ns()))
        complain(&door->strangers, "%s: sent away, what it says is no protocol of ours", address);
}

/* ---- opening ---- */

static const char *shown(const char *given)
{
    return key_is_no_path(given) ? "(a key)" : given;
}

int door_check(const struct worker_options *options, struct why *why)
{
    int r = options->listen ? listen_check(options->listen, why) : 0;
    if (r < 0)
        return r;
    if (options->key && !options->authorized)
        return because(why, -EINVAL, "--key %s: needs --authorized PATH too, the public keys of the coordinators that may use this worker", shown(options->key));
    if (options->authorized && !options->key)
        return because(why, -EINVAL, "--authorized %s: needs --key FILE too, this worker's secret key; make one with sleddog-coordinator keygen",
                       shown(options->authorized));
    if (options->key && options->insecure)
        return because(why, -EINVAL, "--insecure and --key exclude each other");
    if (!options->key && !options->insecure && options->listen && !listen_is_local(options->listen))
        return because(why, -EPERM, "--listen %s: anybody who reaches this address could use the worker; give it keys (--key, --authorized), or add --insecure if the "
                       "network is trusted", options->listen);
    return 0;
}

static int open_keys(struct door *door, const struct worker_options *options, struct loop *loop, void *context, struct curve_pair *pair, struct why *why)
{
    int r = curve_pair_read(options->key, pair, why);
    memcpy(door->own, pair->public, sizeof(door->own));
    if (r == 0)
        r = read_list(door, &door->authorized, why);
    if (r == 0)
        r = zap_open(context, judge, door, &door->zap, why);
    if (r == 0 && loop_add_socket(loop, zap_socket(door->zap), on_zap, door) < 0)
        r = because(why, -ENOMEM, "out of memory");
    if (r < 0)
        return r;
    log_info("this worker's public key: %s", pair->public);
    tell_list(door);
    return 0;
}

static int bind_link(const struct door *door, const struct worker_options *options, const struct curve_pair *pair, void *context, struct link **ret, struct why *why)
{
    char endpoint[512];
    struct link_options link = { .keys = door->zap ? pair : NULL, .zap = door->zap, .largest = LIMIT_TO_WORKER };
    const char *listen = options->listen ? options->listen : door->zap ? "*:5571" : "127.0.0.1:5571";
    snprintf(endpoint, sizeof(endpoint), "%s%s", strstr(listen, "://") ? "" : "tcp://", listen);
    return link_bind_with(context, endpoint, &link, ret, why);
}

int door_open(struct door *door, const struct worker_options *options, struct loop *loop, void *context, struct link **ret, struct why *why)
{
    struct curve_pair pair = { "", "" };
    *door = (struct door){ .list_path = options->authorized, .failed = MONITOR_GREETED };
    int r = options->key ? open_keys(door, options, loop, context, &pair, why) : 0;
    if (r == 0)
        r = bind_link(door, options, &pair, context, ret, why);
    curve_pair_wipe(&pair);
    if (r < 0)
        return r;
    r = monitor_open(context, link_socket(*ret), true, &door->monitor, why);
    if (r == 0 && loop_add_socket(loop, monitor_socket(door->monitor), on_monitor, door) < 0)
        r = because(why, -ENOMEM, "out of memory");
    return r;
}

void door_close(struct door *door)
{
    monitor_close(door->monitor);
    zap_close(door->zap);
    key_list_free(&door->authorized);
    guests_done(&door->guests);
}
