/* handshake.c: a node that is called and does not answer: was it the handshake? Then it is said, once, and the node is called again: its administrator may be mending
 * it. */
#include "coordinator/handshake.h"

#include "common/clock.h"
#include "common/log.h"
#include "coordinator/coordinator.h"

#include <string.h>

#define REDIAL_NS    (2 * NS_PER_S)
#define BROKEN_OFTEN 3 /* in a row: a worker that was only just started, or that has too many guests, may end one */

static void tell(struct node *node, enum monitor_kind kind, const char *text)
{
    node->untrusted = true;
    node->wants_keys = kind != MONITOR_DENIED && !*node->key;
    if (!strcmp(node->why_not, text))
        return;
    snprintf(node->why_not, sizeof(node->why_not), "%s", text);
    log_warning("%s: %s; it is called again", node->name, text);
}

bool handshake_problem(enum monitor_kind kind, const struct trust *trust, const char *key, char *text, size_t size)
{
    if (kind == MONITOR_DENIED)
        snprintf(text, size, "does not accept the key of this coordinator; its list (--authorized) needs %s", trust->pair.public);
    else if (kind == MONITOR_MECHANISM)
        snprintf(text, size, *key ? "has no keys, and here is one for it: give that worker --key and --authorized"
                                  : "wants keys: give --key and the node's public key");
    else if (kind == MONITOR_BROKEN && *key)
        snprintf(text, size, "breaks off the handshake: its key is not %s, or it has no keys, or it is no sleddog-worker", key);
    else if (kind == MONITOR_BROKEN)
        snprintf(text, size, "breaks off the handshake: it wants keys (--key and the node's public key), or it is no sleddog-worker");
    else
        return false;
    return true;
}

static void greeted(struct node *node)
{
    if (node->untrusted)
        node->why_not[0] = '\0';
    node->untrusted = node->wants_keys = false;
    node->broken = 0;
}

/* True: it has a new socket. */
static bool redial(struct node *node, uint64_t now_ns)
{
    struct why why;
    if (!node->redial_ns || now_ns < node->redial_ns)
        return false;
    node->redial_ns = 0;
    if (node_connect(node, &why) < 0)
        node_refused(node, why.text);
    return true;
}

void node_watch(struct node *node)
{
    struct monitor_event event;
    char text[LIMIT_TEXT];
    uint64_t now = clock_now_ns();
    if (redial(node, now))
        return;
    while (node->monitor && monitor_next(node->monitor, &event)) {
        node->redial_ns = event.kind == MONITOR_GREETED ? 0 : node->redial_ns ? node->redial_ns : now + REDIAL_NS;
        if (event.kind == MONITOR_GREETED)
            greeted(node);
        else if ((event.kind != MONITOR_BROKEN || (!node->untrusted && ++node->broken >= BROKEN_OFTEN)) &&
                 handshake_problem(event.kind, node->coordinator->plan->trust, node->key, text, sizeof(text)))
            tell(node, event.kind, text);
    }
}
