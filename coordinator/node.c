#include "coordinator/node.h"

#include <string.h>

const char *node_state_name(enum node_state state)
{
    static const char *const names[] = {
        [NODE_CALLING] = "calling",
        [NODE_LOADING] = "loading",
        [NODE_READY] = "ready",
        [NODE_REFUSED] = "refused",
    };
    return names[state];
}

uint64_t node_credit(const struct node *node)
{
    return node->state == NODE_READY && node->granted > node->sent ? node->granted - node->sent : 0;
}

void node_hold(struct node *node, struct batch *batch)
{
    batch->state = BATCH_OUT;
    batch->node = node;
    batch->next = node->batches;
    node->batches = batch;
    node->held += batch->count;
}

void node_unhold(struct node *node, struct batch *batch)
{
    struct batch **at = &node->batches;
    while (*at != batch)
        at = &(*at)->next;
    *at = batch->next;
    batch->next = NULL;
    batch->node = NULL;
    node->held -= batch->count;
}

bool node_misses_batches(const struct node *node, const struct msg_heartbeat *beat)
{
    uint64_t out = 0;
    for (const struct batch *batch = node->batches; batch; batch = batch->next)
        out++;
    return beat->received < beat->expected || (beat->received == node->sent_batches && beat->held < out);
}

void node_restarted(struct node *node)
{
    memcpy(node->before, node->stages, sizeof(node->before));
}

void node_keep_stages(struct node *node, const struct rec_stage *stages, uint32_t count)
{
    node->stage_count = count < LIMIT_STAGES ? count : LIMIT_STAGES;
    for (uint32_t i = 0; i < node->stage_count; i++) {
        struct rec_stage *stage = &node->stages[i];
        const struct rec_stage *before = &node->before[i];
        *stage = stages[i];
        stage->items += before->items;
        stage->errors += before->errors;
        stage->bytes += before->bytes;
        stage->busy_ns += before->busy_ns;
        stage->wait_ns += before->wait_ns;
        snprintf(node->stage_names[i], sizeof(node->stage_names[i]), "%s", stages[i].name);
        stage->name = node->stage_names[i];
    }
}
