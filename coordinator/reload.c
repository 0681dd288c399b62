/* reload.c: nodes that join and leave in the middle of a job: the node list is read again, or a worker is asked to stop. */
#include "common/clock.h"
#include "common/log.h"
#include "coordinator/coordinator.h"

#include <string.h>
#include <strings.h>

#define DRAIN_EXPIRIES 6 /* what a node has not finished by then goes to others */

/* ---- leaving ---- */

void node_gone(struct node *node)
{
    if (node->holds)
        log_warning("%s: is off the node list, and takes too long with what it has; that goes to others", node->name);
    node_give_back(node);
    node_dismiss(node);
    node_disconnect(node);
    node->state = NODE_GONE;
    node->incarnation = 0;
    node->leaving = node->removed = false;
    log_info("%s: has left this job", node->name);
}

bool node_drained(struct node *node)
{
    char text[LIMIT_TEXT];
    bool empty = !node->holds && !node->storing;
    if (!empty && (!node->removed || clock_now_ns() < node->drain_until_ns))
        return false;
    if (node->removed) {
        node_gone(node);
        return true;
    }
    log_info("%s: it left: %s", node->name, node->why_not);
    snprintf(text, sizeof(text), "%s", node->why_not);
    node_dismiss(node);
    node_lost(node, text); /* a successor of it may come */
    node->left = node->state == NODE_CALLING;
    return true;
}

void node_drain(struct node *node)
{
    node->state = NODE_DRAINING;
    node_drained(node);
}

/* ---- the list ---- */

static void remove_node(struct node *node)
{
    if (!node_serves(node)) {
        node_gone(node);
        return;
    }
    node->removed = true;
    node->drain_until_ns = clock_now_ns() + DRAIN_EXPIRIES * (uint64_t)node->coordinator->plan->expiry_s * NS_PER_S;
    log_info("%s: is off the node list, finishes what it has", node->name);
    node_drain(node);
}

static bool is_listed(const struct nodelist *list, const struct node *node)
{
    for (int i = 0; i < list->count; i++)
        if (!strcasecmp(list->nodes[i].name, node->name))
            return true;
    return false;
}

/* From its next connection on. */
static int take_key(struct node *node, const char *key, struct why *why)
{
    if (!strcmp(node->key, key))
        return 0;
    memcpy(node->key, key, KEY_TEXT);
    return node->state == NODE_CALLING ? node_connect(node, why) : 0;
}

static int join(struct coordinator *c, struct nodelist_node *listed)
{
    char endpoint[512];
    struct why why;
    const char *name = listed->name;
    struct node *node = node_find(c, name);
    int r = trust_node(c->plan->trust, listed, &why);
    if (r == 0 && node)
        r = take_key(node, listed->key, &why);
    if (r < 0) {
        log_error("%s", why.text);
        return r;
    }
    snprintf(endpoint, sizeof(endpoint), "tcp://%s", name);
    if (node && node->removed) {
        node->removed = false;
        node->state = node->leaving ? NODE_DRAINING : NODE_READY;
    } else if (node && (node->state == NODE_GONE || node->state == NODE_REFUSED))
        r = node_connect(node, &why);
    else if (!node)
        r = node_add(c, name, endpoint, listed->key, &why) ? 0 : -1;
    else
        return 0;
    if (r < 0)
        log_error("%s", why.text);
    else
        log_info("%s: joins", name);
    return r;
}

void nodes_reload(struct coordinator *c)
{
    struct nodelist list;
    struct why why;
    if (nodelist_read(c->plan->node_list, c->plan->groups, &list, &why) < 0) {
        log_error("%s; the nodes stay as they were", why.text);
        return;
    }
    log_info("%s is read again", c->plan->node_list);
    for (int i = 0; i < list.count; i++)
        join(c, &list.nodes[i]);
    for (struct node *node = c->nodes; node; node = node->next)
        if (!node->local && node->state != NODE_GONE && !node->removed && !is_listed(&list, node))
            remove_node(node);
    nodelist_free(&list);
    coordinator_dispatch(c);
}
