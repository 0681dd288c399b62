/* nodes.c: calling the nodes, hearing from them, noticing that one is silent or hung. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/machine.h"
#include "coordinator/coordinator.h"
#include "coordinator/lender.h"
#include "coordinator/local.h"
#include "coordinator/missing.h"
#include "coordinator/resolver.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define CALL_AGAIN_NS (500 * NS_PER_MS)
#define RESOLVE_AGAIN_NS (5 * NS_PER_S)
#define MESSAGES_A_ROUND 64
#define GARBAGE_MAX      5 /* frames in a row after which a peer is no worker */
#define CHATTER_MAX      20000.0 /* messages at once that bring nothing on, */
#define CHATTER_REFILL   200.0   /* and a second; a worker says a few a batch and one a ping */

/* ---- receiving ---- */

static void dispatch(struct coordinator *c, struct node *node, const struct message *message)
{
    static void (*const handlers[MESSAGE_KINDS])(struct coordinator *, struct node *, const struct message *) = {
#define ON_to_worker(name)
#define ON_to_coordinator(name) [MESSAGE_##name] = coordinator_on_##name,
#define RECORD(name, ...)
#define MESSAGE(name, to, ...) ON_##to(name)
#include "proto/messages.def"
#undef MESSAGE
#undef RECORD
    };
    bool introduction = message->kind == MESSAGE_loading || message->kind == MESSAGE_welcome || message->kind == MESSAGE_refuse ||
                        message->kind == MESSAGE_heartbeat;
    if (!handlers[message->kind] || message->to != c->incarnation)
        return;
    if (!introduction && message->from != node->incarnation)
        return; /* of a process that is gone */
    node->heard_ns = clock_now_ns();
    handlers[message->kind](c, node, message);
}

static void on_socket(void *arg)
{
    struct node *node = arg;
    struct coordinator *c = node->coordinator;
    struct link *link = node->link;
    for (int i = 0; i < MESSAGES_A_ROUND && node->link == link && !c->stopping; i++) {
        struct message message;
        struct why why;
        int r = link_receive(link, NULL, &message, &why);
        if (r == -EBADMSG || r == -EMSGSIZE) {
            if (++node->garbage == GARBAGE_MAX)
                node_refused(node, "it does not speak this protocol; is it a sleddog-worker of this release?");
            continue; /* what was lost is noticed like other losses */
        }
        if (r < 0)
            return;
        node->garbage = 0;
        if (allowance_take(&node->chatter, 1, CHATTER_MAX, CHATTER_REFILL, clock_now_ns()))
            dispatch(c, node, &message);
        else if (node->state != NODE_REFUSED)
            node_refused(node, "it floods this coordinator with messages that bring nothing on");
        message_free(&message);
    }
}

/* ---- connecting ---- */

void node_disconnect(struct node *node)
{
    if (!node->link)
        return;
    loop_remove(node->coordinator->loop, node);
    monitor_close(take(node->monitor));
    link_free(node->link);
    node->link = NULL;
}

/* That a worker has reason to send in this job: a result with as much as it may hold, or a welcome with all suspects. */
static size_t largest_message(const struct spec *spec)
{
    size_t row = LIMIT_TEXT + 64 + (spec->emit == ROW_TOPK ? 16 * (size_t)spec->top : 4 * (size_t)LIMIT_CLASSES);
    size_t all = LIMIT_FRAME_REST + 64 * LIMIT_SUSPECTS + (size_t)spec->batch * row;
    return all < LIMIT_FRAME ? all : LIMIT_FRAME;
}

static int dial(struct node *node, struct why *why)
{
    struct coordinator *c = node->coordinator;
    node->dialled_ns = clock_now_ns();
    int r = trust_connect(c->plan->trust, c->context, node->address, node->key, largest_message(c->spec), &node->link, why);
    if (r == 0 && !node->local)
        r = monitor_open(c->context, link_socket(node->link), false, &node->monitor, why);
    if (r == 0)
        r = loop_add_socket(c->loop, link_socket(node->link), on_socket, node);
    return r;
}

/* Its name is looked up, now and from time to time until it answers: node_resolved(). */
static void resolve(struct node *node, uint64_t now)
{
    node->resolve_ns = now + RESOLVE_AGAIN_NS;
    if (resolver_ask(node->coordinator->resolver, node->endpoint, node->looked_up++, node, node->call) < 0)
        snprintf(node->why_not, sizeof(node->why_not), "there is no thread to look its name up");
}

/* Nothing came from where its name leads. */
static bool is_unheard(const struct node *node)
{
    return resolver_is_name(node->endpoint) && (!node->link || node->heard_ns < node->dialled_ns);
}

void node_resolved(const struct resolved *resolved)
{
    struct node *node = resolved->user;
    struct why why;
    if (node->state != NODE_CALLING || resolved->number != node->call)
        return;
    if (resolved->r < 0) {
        if (!node->link && strcmp(node->why_not, resolved->why.text))
            log_warning("%s: %s; it is tried again", node->name, resolved->why.text);
        if (!node->link)
            snprintf(node->why_not, sizeof(node->why_not), "%s", resolved->why.text);
        return;
    }
    if (node->link && (!is_unheard(node) || !strcmp(node->address, resolved->endpoint)))
        return;
    if (!node->link)
        node->why_not[0] = '\0';
    node_disconnect(node);
    snprintf(node->address, sizeof(node->address), "%s", resolved->endpoint);
    if (dial(node, &why) < 0)
        node_refused(node, why.text);
}

int node_connect(struct node *node, struct why *why)
{
    int r = 0;
    node_disconnect(node);
    node->redial_ns = 0;
    bool named = resolver_is_name(node->endpoint);
    if (!named) {
        snprintf(node->address, sizeof(node->address), "%s", node->endpoint);
        r = dial(node, why);
    }
    node->state = r < 0 ? NODE_REFUSED : NODE_CALLING;
    node->incarnation = 0;
    node->leaving = node->removed = false;
    node->called_ns = node->call_from_ns = node->still_ms = 0;
    node->call++;
    if (named)
        resolve(node, clock_now_ns());
    return r;
}

static void call_node(struct coordinator *c, struct node *node)
{
    const struct spec *spec = c->spec;
    struct message message = {
        .kind = MESSAGE_hello,
        .hello = { .protocol = PROTOCOL_VERSION, .version = SLEDDOG_VERSION, .job = spec->job, .epoch = c->plan->epoch, .owner = machine_owner(),
                   .model_uri = { spec->weights, (uint32_t)strlen(spec->weights) }, .model_sha256 = spec->weights_sha256,
                   .preset = spec->preset, .resize = (uint32_t)spec->resize, .crop = (uint32_t)spec->crop, .mean_r = spec->mean[0],
                   .mean_g = spec->mean[1], .mean_b = spec->mean[2], .std_r = spec->std[0], .std_g = spec->std[1], .std_b = spec->std[2],
                   .emit = spec->emit, .top = (uint32_t)spec->top, .batch = (uint32_t)spec->batch,
                   .expiry_ms = (uint32_t)(c->plan->expiry_s * 1000), .call = node->call, .interpolation = spec->interpolation,
                   .exif_orient = spec->exif_orient, .endpoint_url = spec->endpoint_url, .region = spec->region,
                   .addressing_style = spec->addressing_style, .no_sign_request = spec->no_sign_request,
                   .stall_ms = (uint32_t)(c->plan->stall_s * 1000),
                   .model_size = lender_model_size(c->lender), .precision = spec->precision, .recheck = (uint32_t)spec->recheck },
    };
    message.hello.ranges_sha256 = lender_ranges(c->lender, &message.hello.ranges_size);
    /* Nobody there yet: try again at the next tick. */
    node->called_ns = coordinator_send(c, node, &message) < 0 ? 0 : clock_now_ns();
}

/* One that has not answered yet, too: it may have taken the job all the same. */
void node_dismiss(struct node *node)
{
    struct coordinator *c = node->coordinator;
    coordinator_send(c, node, &(struct message){ .kind = MESSAGE_bye, .bye = { c->plan->epoch } });
}

struct node *node_add(struct coordinator *c, const char *name, const char *endpoint, const char *key, struct why *why)
{
    struct node *node = calloc(1, sizeof(*node)), **last = &c->nodes;
    if (!node) {
        because(why, -ENOMEM, "out of memory");
        return NULL;
    }
    node->coordinator = c;
    snprintf(node->name, sizeof(node->name), "%s", name);
    snprintf(node->endpoint, sizeof(node->endpoint), "%s", endpoint);
    snprintf(node->key, sizeof(node->key), "%s", key);
    while (*last)
        last = &(*last)->next;
    *last = node;
    c->node_count++;
    return node_connect(node, why) < 0 ? NULL : node;
}

struct node *node_find(struct coordinator *c, const char *name)
{
    struct node *node = c->nodes;
    while (node && strcasecmp(node->name, name))
        node = node->next;
    return node;
}

int nodes_open(struct coordinator *c, struct why *why)
{
    int r = resolver_open(&c->box, MAIL_RESOLVED, &c->resolver, why);
    if (r < 0)
        return r;
    for (int i = 0; i < c->plan->node_count; i++) {
        char endpoint[512];
        const char *name = c->plan->nodes[i].name;
        snprintf(endpoint, sizeof(endpoint), "tcp://%s", name);
        if (!node_add(c, name, endpoint, c->plan->nodes[i].key, why))
            return -EINVAL;
    }
    return c->plan->local ? local_start(c, &c->local, why) : 0;
}

void nodes_close(struct coordinator *c)
{
    for (struct node *node = c->nodes; node; node = node->next) {
        if (!node->link)
            continue;
        if (node->state != NODE_REFUSED)
            node_dismiss(node);
        node_disconnect(node);
        node->holds = NULL;
    }
    local_stop(c->local);
    c->local = NULL;
}

/* ---- refusing ---- */

static void fail_if_nobody_is_left(struct coordinator *c, const struct node *last)
{
    for (const struct node *node = c->nodes; node; node = node->next)
        if (node->state != NODE_REFUSED && node->state != NODE_GONE)
            return;
    coordinator_fail(c, -ENODEV, "%s%s: %s", c->node_count > 1 ? "no worker takes this job; " : "", last->name, last->why_not);
}

void node_refused(struct node *node, const char *reason)
{
    struct coordinator *c = node->coordinator;
    node_give_back(node);
    node_dismiss(node);
    node->state = NODE_REFUSED;
    node->removed = false;
    snprintf(node->why_not, sizeof(node->why_not), "%s", reason);
    if (c->node_count > 1)
        log_warning("%s takes no part in this job: %s", node->name, reason);
    fail_if_nobody_is_left(c, node);
}

/* ---- time ---- */

/* What it said may long be over. */
static void forget_word(struct node *node)
{
    node->turned_away = false;
    snprintf(node->why_not, sizeof(node->why_not), "does not answer any more");
    log_info("%s: %s; it is called again", node->name, node->why_not);
}

static void tick_node(struct coordinator *c, struct node *node, uint64_t now)
{
    uint64_t expiry = (uint64_t)c->plan->expiry_s * NS_PER_S;
    if (node->state == NODE_CALLING) {
        node_watch(node);
        if (node->turned_away && !node->untrusted && now > node->heard_ns && now - node->heard_ns > expiry && now > node->call_from_ns && now - node->call_from_ns > expiry)
            forget_word(node);
        if (now >= node->resolve_ns && is_unheard(node))
            resolve(node, now);
        if (node->link && now >= node->call_from_ns && now - node->called_ns > CALL_AGAIN_NS)
            call_node(c, node);
        return;
    }
    if (node->state == NODE_REFUSED || node->state == NODE_GONE)
        return;
    if (now > node->heard_ns && now - node->heard_ns > expiry) {
        node_lost(node, "silent for too long");
        return;
    }
    uint64_t stall = (uint64_t)c->plan->stall_s * NS_PER_S * (node->state == NODE_LOADING ? LOAD_STALLS : 1);
    if (node_stalled_ns(node) >= stall) {
        node_hung(node);
        return;
    }
    if (node->state == NODE_DRAINING && node_drained(node))
        return;
    if (now - node->called_ns > expiry / 10) {
        struct message ping = { .kind = MESSAGE_ping, .ping = { c->plan->epoch, node->sent_batches } };
        node->called_ns = now;
        coordinator_send(c, node, &ping);
    }
}

int nodes_count(const struct coordinator *c, enum node_state state)
{
    int count = 0;
    for (const struct node *node = c->nodes; node; node = node->next)
        count += node->state == state;
    return count;
}

void nodes_start_if_enough(struct coordinator *c)
{
    if (nodes_count(c, NODE_READY) >= c->plan->min_nodes)
        c->started = true;
    if (c->started && !c->started_ns)
        c->started_ns = clock_now_ns();
}

/* A mount that does not answer is waited for like another store. */
static uint64_t patience_s(const struct coordinator *c)
{
    bool waits = false;
    for (const struct node *node = c->nodes; node; node = node->next)
        waits |= node->reads_nothing;
    return (uint64_t)(c->plan->node_timeout_s + (waits ? c->plan->tuning->store_timeout : 0));
}

static void give_up(struct coordinator *c, int wanted, uint64_t patience)
{
    char missing[MISSING_TEXT];
    missing_describe(c, missing);
    if (wanted == 1)
        coordinator_fail(c, -ETIMEDOUT, "no worker was ready for %" PRIu64 " s (%s)", patience, missing);
    else
        coordinator_fail(c, -ETIMEDOUT, "fewer than %d workers were ready for %" PRIu64 " s (%s); a smaller --min-nodes begins without them", wanted, patience, missing);
}

/* Fewer than it began with do no harm: what one does not do, another does. */
static void check_enough(struct coordinator *c, uint64_t now)
{
    int wanted = c->started ? 1 : c->plan->min_nodes;
    uint64_t patience = patience_s(c);
    if (nodes_count(c, NODE_READY) + nodes_count(c, NODE_LOADING) >= wanted)
        c->enough_ns = now;
    else if (now - c->enough_ns > patience * NS_PER_S)
        give_up(c, wanted, patience);
}

void nodes_tick(struct coordinator *c)
{
    uint64_t now = clock_now_ns();
    for (struct node *node = c->nodes; node && !c->stopping; node = node->next)
        tick_node(c, node, now);
    if (!c->stopping)
        check_enough(c, now);
}
