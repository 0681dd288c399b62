#include "coordinator/doubts.h"

#include "common/clock.h"
#include "common/counted.h"
#include "common/log.h"

#include <inttypes.h>
#include <string.h>

#define LOADS_AWAITED 3 /* that fail, of a node, in a row */

static bool reads_nothing(const struct msg_result *result)
{
    for (uint32_t i = 0; i < result->rows_count; i++) {
        uint32_t error = result->rows[i].error;
        if (error != ROW_NOT_FOUND && error != ROW_DENIED && error != ROW_FETCH && error != ROW_TIMEOUT)
            return false;
    }
    return true;
}

static bool is_of_this_process(const struct doubt *doubt)
{
    return doubt->process == doubt->node->served;
}

static bool has_doubted(const struct node *node, const struct batch *batch)
{
    for (int i = 0; i < batch->doubts; i++)
        if (batch->doubt[i].node == node && is_of_this_process(&batch->doubt[i]))
            return true;
    return false;
}

bool doubts_may_be_blind(const struct node *node)
{
    return node->doubted && !node->reads;
}

/* ---- who is asked ---- */

static bool may_be_asked(const struct coordinator *c, const struct node *node)
{
    return node->state == NODE_READY && node != c->guard;
}

enum doubts_rank doubts_rank(const struct coordinator *c, const struct node *node, const struct batch *batch)
{
    if (!may_be_asked(c, node) || batch->doubts == BATCH_DOUBTS || has_doubted(node, batch))
        return RANK_NONE;
    return (batch->doubts ? node->doubted : doubts_may_be_blind(node)) ? RANK_IN_DOUBT : RANK_BEST;
}

void doubts_look_around(const struct coordinator *c, struct crowd *ret)
{
    *ret = (struct crowd){ 0 };
    for (const struct node *node = c->nodes; node; node = node->next) {
        if (!may_be_asked(c, node))
            continue;
        uint64_t credit = node_credit(node);
        ret->all++;
        ret->undoubted += !node->doubted;
        ret->sighted += !doubts_may_be_blind(node);
        ret->credit = credit > ret->credit ? credit : ret->credit;
        if (!node->doubted && credit > ret->undoubted_credit)
            ret->undoubted_credit = credit;
    }
}

/* As if each node were asked: but there may be a thousand nodes, and hundreds of batches in doubt. */
enum doubts_rank doubts_best_rank(const struct coordinator *c, const struct crowd *crowd, const struct batch *batch)
{
    int all = crowd->all, best = batch->doubts ? crowd->undoubted : crowd->sighted;
    for (int i = 0; i < batch->doubts; i++)
        if (may_be_asked(c, batch->doubt[i].node) && is_of_this_process(&batch->doubt[i])) {
            all--;
            best -= !batch->doubt[i].node->doubted;
        }
    if (all <= 0 || batch->doubts == BATCH_DOUBTS)
        return RANK_NONE;
    return best > 0 ? RANK_BEST : RANK_IN_DOUBT;
}

uint64_t doubts_most_credit(const struct crowd *crowd, const struct batch *batch, enum doubts_rank rank)
{
    return batch->doubts && rank == RANK_BEST ? crowd->undoubted_credit : crowd->credit;
}

/* One that could not be asked so far. That it is busy with another job may last, and so may that it cannot load its model. */
static bool may_come(const struct coordinator *c, const struct node *node, const struct batch *batch, uint64_t now)
{
    if (has_doubted(node, batch) || node->turned_away || node->failures >= LOADS_AWAITED)
        return false;
    uint64_t heard = node->heard_ns > c->start_ns ? node->heard_ns : c->start_ns, patience = (uint64_t)c->plan->node_timeout_s * NS_PER_S;
    if (node->state == NODE_CALLING)
        return now - heard < patience && now - batch->doubted_ns < patience;
    return node->state == NODE_LOADING || node == c->guard;
}

static bool somebody_may_come(const struct coordinator *c, const struct batch *batch)
{
    uint64_t now = clock_now_ns();
    const struct node *node = c->nodes;
    while (node && !may_come(c, node, batch, now))
        node = node->next;
    return node;
}

/* A copy that runs, with one that leaves, maybe, or the guard. */
static bool is_at_another(const struct node *node, const struct batch *batch)
{
    for (int i = 0; i < BATCH_HOLDS; i++) {
        const struct node *holder = batch->holds[i].node;
        if (holder && holder != node && !has_doubted(holder, batch))
            return true;
    }
    return false;
}

static bool is_believed(const struct coordinator *c, const struct node *node, const struct batch *batch)
{
    return batch->doubts == BATCH_DOUBTS || node->reads || !somebody_may_come(c, batch);
}

/* ---- what becomes of doubts ---- */

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
        log_info("%s: could not read batch %" PRIu64 ", which %s has read; it said lately: %s", node->name, batch->id, reader->name, node->doubt);
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
    log_debug("%s: reads none of %s of batch %" PRIu64, node->name, COUNTED(batch->count, "image", "images"), batch->id);
    if (batch->doubts == BATCH_DOUBTS)
        return;
    if (!batch->doubts)
        batch->doubted_ns = clock_now_ns();
    int at = 0;
    while (at < batch->doubts && batch->doubt[at].node != node)
        at++; /* or where a former process of it stands */
    batch->doubts += at == batch->doubts;
    batch->doubt[at] = (struct doubt){ .node = node, .era = node->doubt_era, .process = node->served };
    node->doubted++;
    node_was_useful(node);
    snprintf(node->doubt, sizeof(node->doubt), "%.60s: %.420s", row_error_name(row->error), row->detail ? row->detail : "");
}

/* Also what it brings back from before it was lost: it would keep that for ever, and its credit with it. */
static void take_away(struct coordinator *c, struct node *node, struct batch *batch)
{
    coordinator_cancel(c, node, batch->id);
    if (!batch_hold_of(batch, node))
        return;
    node_unhold(node, batch);
    node->busy_since_ns = clock_now_ns(); /* it got on, but how fast it is nobody knows by that */
    if (!batch_holders(batch))
        batches_requeue(&c->batches, batch);
}

/* ---- the result ---- */

bool doubts_defer(struct coordinator *c, struct node *node, struct batch *batch, const struct msg_result *result)
{
    struct crowd crowd;
    if (!reads_nothing(result)) {
        has_read(node, batch);
        return false;
    }
    if (batch->state == BATCH_SPLIT) {
        coordinator_cancel(c, node, batch->id);
        return true;
    }
    if (batch_is_alone(batch))
        return false;
    if (!has_doubted(node, batch))
        keep_doubt(node, batch, &result->rows[0]);
    doubts_look_around(c, &crowd);
    if (doubts_best_rank(c, &crowd, batch) == RANK_NONE && !is_at_another(node, batch))
        return !is_believed(c, node, batch); /* it offers it again */
    take_away(c, node, batch);
    coordinator_dispatch(c);
    return true;
}
