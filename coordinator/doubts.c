#include "coordinator/doubts.h"

#include "common/clock.h"
#include "common/counted.h"
#include "common/log.h"

#include <inttypes.h>
#include <string.h>

static bool reads_nothing(const struct msg_result *result)
{
    for (uint32_t i = 0; i < result->rows_count; i++) {
        uint32_t error = result->rows[i].error;
        if (error != ROW_NOT_FOUND && error != ROW_DENIED && error != ROW_FETCH && error != ROW_TIMEOUT)
            return false;
    }
    return true;
}

static bool has_doubted(const struct node *node, const struct batch *batch)
{
    for (int i = 0; i < batch->doubts; i++)
        if (batch->doubt[i].node == node)
            return true;
    return false;
}

static bool may_be_asked(const struct coordinator *c, const struct node *node)
{
    return node->state == NODE_READY && node != c->guard;
}

void doubts_count(const struct coordinator *c, struct witnesses *ret)
{
    *ret = (struct witnesses){ 0 };
    for (const struct node *node = c->nodes; node; node = node->next)
        if (may_be_asked(c, node)) {
            ret->any++;
            ret->undoubted += !node->doubted;
        }
}

enum witness doubts_who(const struct coordinator *c, const struct witnesses *witnesses, const struct batch *batch)
{
    int any = witnesses->any, undoubted = witnesses->undoubted;
    for (int i = 0; i < batch->doubts; i++)
        if (may_be_asked(c, batch->doubt[i].node)) {
            any--;
            undoubted -= !batch->doubt[i].node->doubted;
        }
    if (batch->doubts == BATCH_DOUBTS || any <= 0)
        return WITNESS_NONE;
    return undoubted > 0 ? WITNESS_UNDOUBTED : WITNESS_ANY;
}

bool doubts_is_witness(const struct coordinator *c, const struct node *node, const struct batch *batch, enum witness who)
{
    return who != WITNESS_NONE && may_be_asked(c, node) && !(node->doubted && who == WITNESS_UNDOUBTED) && !has_doubted(node, batch);
}

/* One that could not be asked so far. That it is busy with another job may last. */
static bool may_come(const struct coordinator *c, const struct node *node, const struct batch *batch, uint64_t now)
{
    if (has_doubted(node, batch))
        return false;
    uint64_t heard = node->heard_ns > c->start_ns ? node->heard_ns : c->start_ns;
    if (node->state == NODE_CALLING)
        return !node->turned_away && now - heard < (uint64_t)c->plan->node_timeout_s * NS_PER_S;
    return node->state == NODE_LOADING || node == c->guard;
}

static bool witness_may_come(const struct coordinator *c, const struct batch *batch)
{
    uint64_t now = clock_now_ns();
    const struct node *node = c->nodes;
    while (node && !may_come(c, node, batch, now))
        node = node->next;
    return node;
}

void doubts_forget(struct node *node)
{
    node->reads = false;
    node->doubted = node->disproved = 0;
    node->doubt_era++;
}

/* Another one has read what this one could not. */
static void disprove(struct node *node, const struct node *reader, const struct batch *batch)
{
    char text[LIMIT_TEXT];
    node->disproved++;
    if (!node_serves(node))
        return;
    if (node->disproved < DOUBTS_DISPROVED) {
        log_info("%s: could not read batch %" PRIu64 ", which %s has read: %s", node->name, batch->id, reader->name, node->doubt);
        return;
    }
    snprintf(text, sizeof(text), "it cannot read what %.300s reads: %s", reader->name, node->doubt);
    node_refused(node, text);
}

/* It was raised by the node as it still is. */
static bool is_of_today(const struct doubt *doubt)
{
    return doubt->era == doubt->node->doubt_era;
}

void doubts_drop(struct batch *batch)
{
    for (int i = 0; i < batch->doubts; i++)
        if (is_of_today(&batch->doubt[i]) && batch->doubt[i].node->doubted)
            batch->doubt[i].node->doubted--;
    batch->doubts = 0;
}

static void has_read(struct node *node, struct batch *batch)
{
    struct doubt doubt[BATCH_DOUBTS];
    int doubts = batch->doubts;
    memcpy(doubt, batch->doubt, sizeof(doubt));
    doubts_forget(node);
    node->reads = true;
    doubts_drop(batch);
    for (int i = 0; i < doubts; i++)
        if (doubt[i].node != node && is_of_today(&doubt[i]))
            disprove(doubt[i].node, node, batch);
}

static void keep_doubt(struct node *node, struct batch *batch, const struct rec_row *row)
{
    if (batch->doubts == BATCH_DOUBTS)
        return;
    batch->doubt[batch->doubts++] = (struct doubt){ node, node->doubt_era };
    node->doubted += !node->reads;
    snprintf(node->doubt, sizeof(node->doubt), "%.60s: %.420s", row_error_name(row->error), row->detail ? row->detail : "");
}

static void take_away(struct coordinator *c, struct node *node, struct batch *batch)
{
    if (!batch_hold_of(batch, node))
        return;
    coordinator_cancel(c, node, batch->id);
    node_unhold(node, batch);
    if (!batch_holders(batch))
        batches_requeue(&c->batches, batch);
}

bool doubts_defer(struct coordinator *c, struct node *node, struct batch *batch, const struct msg_result *result)
{
    if (batch->piece || batch->state == BATCH_SPLIT)
        return false;
    if (!reads_nothing(result)) {
        has_read(node, batch);
        return false;
    }
    if (!has_doubted(node, batch)) {
        log_debug("%s: reads none of %s of batch %" PRIu64, node->name, COUNTED(batch->count, "image", "images"), batch->id);
        keep_doubt(node, batch, &result->rows[0]);
    }
    struct witnesses witnesses;
    doubts_count(c, &witnesses);
    if (doubts_who(c, &witnesses, batch) == WITNESS_NONE)
        return batch->doubts < BATCH_DOUBTS && !node->reads && witness_may_come(c, batch); /* it offers it again */
    take_away(c, node, batch);
    coordinator_dispatch(c);
    return true;
}
