#include "coordinator/doubts.h"

#include "common/counted.h"
#include "common/log.h"

#include <inttypes.h>

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

bool doubts_is_witness(const struct coordinator *c, const struct node *node, const struct batch *batch)
{
    return batch->doubts < BATCH_DOUBTS && node->state == NODE_READY && node != c->guard && !node->doubted && !has_doubted(node, batch);
}

bool doubts_has_witness(const struct coordinator *c, const struct batch *batch)
{
    const struct node *node = c->nodes;
    while (node && !doubts_is_witness(c, node, batch))
        node = node->next;
    return node;
}

void doubts_forget(struct node *node)
{
    node->reads = node->doubted = false;
    node->disproved = 0;
    node->doubt_era++;
}

/* Another one has read what this one could not. */
static void disprove(struct node *node, const struct node *reader, const struct batch *batch)
{
    char text[LIMIT_TEXT];
    node->disproved++;
    if (!node_serves(node))
        return;
    if (node->reads && node->disproved < DOUBTS_DISPROVED) {
        log_info("%s: could not read batch %" PRIu64 ", which %s has read: %s", node->name, batch->id, reader->name, node->doubt);
        return;
    }
    snprintf(text, sizeof(text), "it cannot read what %.300s reads: %s", reader->name, node->doubt);
    node_refused(node, text);
}

static void has_read(struct node *node, struct batch *batch)
{
    doubts_forget(node);
    node->reads = true;
    for (int i = 0; i < batch->doubts; i++)
        if (batch->doubt[i].node != node && batch->doubt[i].era == batch->doubt[i].node->doubt_era)
            disprove(batch->doubt[i].node, node, batch);
    batch->doubts = 0;
}

/* They all say the same, so it is the images. */
static void agree(struct batch *batch)
{
    for (int i = 0; i < batch->doubts; i++)
        batch->doubt[i].node->doubted = false;
    batch->doubts = 0;
}

static void keep_doubt(struct node *node, struct batch *batch, const struct rec_row *row)
{
    if (batch->doubts < BATCH_DOUBTS)
        batch->doubt[batch->doubts++] = (struct doubt){ node, node->doubt_era };
    node->doubted = !node->reads;
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
    if (!doubts_has_witness(c, batch)) {
        if (nodes_count(c, NODE_LOADING) && !node->reads)
            return true; /* it offers it again */
        if (c->trusted)
            agree(batch);
        return false;
    }
    take_away(c, node, batch);
    coordinator_dispatch(c);
    return true;
}
