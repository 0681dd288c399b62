/* dispatch.c: the way of a batch from the queue to a node. First the suspects, whose guard then gets nothing else; then what is
 * queued; and when that is empty, copies of what slow nodes have. */
#include "common/clock.h"
#include "common/counted.h"
#include "common/log.h"
#include "coordinator/coordinator.h"
#include "coordinator/doubts.h"
#include "coordinator/quarantine.h"
#include "coordinator/sched.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define QUEUE_LOW    128 /* batches in memory below which more are loaded */
#define LOAD_AT_ONCE 256
#define DOUBT_MOST   512
#define FAIR_NS      (3 * NS_PER_S) /* how long ready nodes leave the share of loading ones alone */

/* ---- sending ---- */

static int send_items(struct coordinator *c, struct node *node, struct batch *batch)
{
    struct message message = { .kind = MESSAGE_batch, .batch = { .epoch = c->plan->epoch, .batch = batch->id, .attempt = batch->attempt,
                                                                 .alone = batch_is_alone(batch), .call = node->call,
                                                                 .number = node->sent_batches } };
    struct arena arena;
    arena_init(&arena, SIZE_MAX / 2);
    int r = items_decode(batch->stored->items, batch->stored->size, &arena, &message.batch.items, &message.batch.items_count);
    if (r == 0)
        r = coordinator_send(c, node, &message);
    arena_done(&arena);
    return r;
}

/* The batch is not queued, and has a free hold. */
static void send_batch(struct coordinator *c, struct node *node, struct batch *batch)
{
    uint64_t now = clock_now_ns();
    batch->attempt++;
    if (!c->first_dispatch_ns)
        c->first_dispatch_ns = now;
    node->sent += batch->count;
    node->sent_batches++;
    node->alone = batch_is_alone(batch) ? batch->id : 0;
    node_hold(node, batch, now);
    int r = send_items(c, node, batch);
    if (r == -EBADMSG || r == -ENOMEM)
        coordinator_fail(c, r, "batch %" PRIu64 " cannot be read back from job.db: %s", batch->id, strerror(-r));
    else if (r < 0)
        node_lost(node, "it takes no messages");
}

/* ---- who gets it ---- */

/* All nodes, as numbers. */
static int describe_nodes(const struct coordinator *c, struct node **nodes, struct sched_node *choice)
{
    bool early = clock_now_ns() - c->started_ns < FAIR_NS;
    int count = 0;
    for (struct node *node = c->nodes; node; node = node->next) {
        nodes[count] = node;
        choice[count++] = (struct sched_node){ .ready = node->state == NODE_READY && node != c->guard,
                                               .loading = early && node->state == NODE_LOADING,
                                               .credit = node_credit(node), .held = node->held };
    }
    return count;
}

static bool all_is_loaded(const struct coordinator *c)
{
    return c->listed && c->load_next >= c->counts.batches;
}

static struct node *pick_node(struct coordinator *c, const struct batch *batch, enum doubts_rank rank)
{
    struct sched_node choice[c->node_count];
    struct node *nodes[c->node_count];
    int count = describe_nodes(c, nodes, choice);
    for (int i = 0; i < count && rank != RANK_NONE; i++)
        choice[i].ready &= doubts_rank(c, nodes[i], batch) == rank;
    int picked = sched_pick(choice, count, batch->count, all_is_loaded(c) ? c->batches.queue.count : 0);
    return picked < 0 ? NULL : nodes[picked];
}

/* Not the one that it was blamed for: should that worker be at fault, another one will show it. Nor one that may not be able to read it. */
static struct node *pick_guard(struct coordinator *c, const struct batch *piece)
{
    struct sched_node choice[c->node_count];
    struct node *nodes[c->node_count];
    c->guard = NULL;
    int count = describe_nodes(c, nodes, choice);
    for (int i = 0; i < count; i++)
        choice[i].avoid = nodes[i] == piece->piece->killed ? 2 : nodes[i]->doubted || nodes[i]->disproved;
    int picked = sched_pick_alone(choice, count);
    return picked < 0 ? NULL : nodes[picked];
}

/* ---- suspects ---- */

static struct batch *next_suspect(const struct coordinator *c)
{
    uint64_t now = clock_now_ns();
    struct batch *piece = c->batches.alone.first;
    while (piece && piece->piece->not_before_ns > now)
        piece = piece->next;
    return piece;
}

static void dispatch_suspect(struct coordinator *c)
{
    if (c->guard && node_has_alone(c->guard))
        return;
    struct batch *piece = next_suspect(c);
    c->guard = piece ? pick_guard(c, piece) : NULL;
    if (!c->guard || c->guard->holds || c->guard->storing || node_credit(c->guard) < 1)
        return;
    if (quarantine_is_hopeless(piece)) {
        coordinator_convict(c, c->guard, piece);
        return;
    }
    batches_unqueue(&c->batches, piece);
    send_batch(c, c->guard, piece);
}

static void isolate(struct coordinator *c, struct batch *batch)
{
    uint64_t id = batch->piece ? batch->piece->whole->id : batch->id, before = c->batches.alone.count;
    doubts_drop(batch);
    int r = quarantine_split(&c->batches, batch);
    if (r < 0)
        coordinator_fail(c, r, "batch %" PRIu64 " cannot be split: %s", id, strerror(-r));
    else
        log_info("batch %" PRIu64 ": workers died that had it, %s looked at one by one", id,
                 COUNTED(c->batches.alone.count - before, "of its images is", "of its images are"));
}

/* ---- copies ---- */

static uint64_t images_ahead(const struct batch_hold *hold)
{
    uint64_t images = 0;
    for (; hold; hold = hold->next)
        images += hold->batch->count; /* the newest come first */
    return images;
}

static bool may_be_copied(const struct batch *batch)
{
    return !batch->piece && !batch->deaths && !batch->suspects && !batch->doubts && batch_holders(batch) == 1;
}

static bool copy_helps(const struct batch_hold *hold, const struct node *idle, uint64_t now)
{
    struct sched_copy copy = { .waited_ns = node_waited_ns(hold->node, now), .ahead = images_ahead(hold),
                               .holder_ns_image = node_ns_image(hold->node), .own_ns_image = node_ns_image(idle), .images = hold->batch->count };
    return node_credit(idle) >= hold->batch->count && sched_copy_helps(&copy);
}

/* The oldest batch that is worth a copy on this node. */
static struct batch *find_copy(const struct coordinator *c, const struct node *idle, uint64_t now)
{
    const struct batch_hold *oldest = NULL;
    for (const struct node *node = c->nodes; node; node = node->next)
        for (const struct batch_hold *hold = node->holds; hold && node != idle; hold = hold->next)
            if ((!oldest || hold->sent_ns < oldest->sent_ns) && may_be_copied(hold->batch) && copy_helps(hold, idle, now))
                oldest = hold;
    return oldest ? oldest->batch : NULL;
}

/* Something is queued that waits for a node like this. */
static bool is_wanted(const struct coordinator *c, const struct node *node)
{
    struct crowd crowd;
    doubts_look_around(c, &crowd);
    for (const struct batch *batch = c->batches.queue.first; batch; batch = batch->next)
        if (doubts_rank(c, node, batch) == doubts_best_rank(c, &crowd, batch))
            return true;
    return false;
}

void coordinator_copy(struct coordinator *c, struct node *node)
{
    if (!c->started || c->stopping || !all_is_loaded(c) || node->state != NODE_READY || node->holds || node == c->guard ||
        doubts_may_be_blind(node) || is_wanted(c, node))
        return;
    struct batch *batch = find_copy(c, node, clock_now_ns());
    if (!batch)
        return;
    log_debug("batch %" PRIu64 ": a copy runs on %s", batch->id, node->name);
    send_batch(c, node, batch);
}

/* ---- all of it ---- */

/* How many wait for a second node: those keep nothing else from being loaded, as long as they are not too many. They are before all that was never sent. */
static uint64_t count_in_doubt(const struct coordinator *c)
{
    uint64_t count = 0;
    for (const struct batch *batch = c->batches.queue.first; batch && batch->attempt && count < DOUBT_MOST; batch = batch->next)
        count += batch->doubts != 0;
    return count;
}

static void load_more(struct coordinator *c)
{
    if (c->load_asked || c->load_next >= c->counts.batches)
        return;
    if (c->batches.queue.count >= QUEUE_LOW && c->batches.queue.count - count_in_doubt(c) >= QUEUE_LOW)
        return;
    struct store_request *request = store_request_new(STORE_LOAD, 0);
    if (!request)
        return; /* asked again at the next tick */
    request->id = c->load_next;
    request->limit = LOAD_AT_ONCE;
    request->first = c->counts.batches;
    c->load_asked = true;
    store_post(c->store, request);
}

/* A batch in doubt waits for a node that may say more; those behind it do not. */
static bool dispatch_one(struct coordinator *c)
{
    struct batch *batch = c->batches.queue.first;
    struct node *node = NULL;
    struct crowd crowd;
    doubts_look_around(c, &crowd);
    for (; batch && !quarantine_wants(batch); batch = batch->next) {
        enum doubts_rank rank = doubts_best_rank(c, &crowd, batch);
        if (doubts_most_credit(&crowd, batch, rank) >= batch->count && (node = pick_node(c, batch, rank)))
            break;
        if (!batch->doubts)
            return false;
    }
    if (!batch)
        return false;
    batches_unqueue(&c->batches, batch);
    if (node)
        send_batch(c, node, batch);
    else {
        isolate(c, batch);
        dispatch_suspect(c);
    }
    return true;
}

void coordinator_dispatch(struct coordinator *c)
{
    if (c->started && !c->stopping)
        dispatch_suspect(c);
    while (c->started && !c->stopping && dispatch_one(c))
        ;
    load_more(c);
}
