#include "coordinator/node.h"

#include "common/clock.h"

#include <string.h>

#define CHATTER_A_BATCH    4 /* messages that a worker says about it */
#define LOAD_AGAIN_NS      NS_PER_S /* after the first failure to load the model, then twice as long, and so on */
#define LOAD_AGAIN_MOST_NS (30 * NS_PER_S)

const char *node_state_name(enum node_state state)
{
    static const char *const names[] = {
        [NODE_CALLING] = "calling",
        [NODE_LOADING] = "loading",
        [NODE_READY] = "ready",
        [NODE_DRAINING] = "draining",
        [NODE_GONE] = "removed",
        [NODE_REFUSED] = "refused",
    };
    return names[state];
}

const char *node_state_shown(const struct node *node)
{
    return node->state == NODE_CALLING && node->left && !node->untrusted ? "left" : node_state_name(node->state);
}

uint64_t node_credit(const struct node *node)
{
    return node->state == NODE_READY && node->granted > node->sent ? node->granted - node->sent : 0;
}

bool node_serves(const struct node *node)
{
    return node->state == NODE_READY || node->state == NODE_DRAINING;
}

void node_hold(struct node *node, struct batch *batch, uint64_t now_ns)
{
    struct batch_hold *hold = batch_hold_of(batch, NULL);
    batch->state = BATCH_OUT;
    hold->node = node;
    hold->sent_ns = now_ns;
    hold->next = node->holds;
    if (!node->holds)
        node->busy_since_ns = now_ns;
    node->holds = hold;
    node->held += batch->count;
}

void node_unhold(struct node *node, struct batch *batch)
{
    struct batch_hold **at = &node->holds, *hold = batch_hold_of(batch, node);
    while (*at != hold)
        at = &(*at)->next;
    *at = hold->next;
    *hold = (struct batch_hold){ .batch = batch };
    node->held -= batch->count;
}

bool node_misses_batches(const struct node *node, const struct msg_heartbeat *beat)
{
    uint64_t out = 0;
    for (const struct batch_hold *hold = node->holds; hold; hold = hold->next)
        out++;
    return beat->received < beat->expected || beat->received > node->sent_batches || (beat->received == node->sent_batches && beat->held < out);
}

bool node_has_alone(const struct node *node)
{
    return node->holds && batch_is_alone(node->holds->batch);
}

void node_could_not_load(struct node *node, uint64_t now_ns)
{
    uint64_t pause = node->failures < 5 ? LOAD_AGAIN_NS << node->failures : LOAD_AGAIN_MOST_NS;
    node->failures++;
    node->call_from_ns = now_ns + pause;
}

/* ---- speed ---- */

void node_finished(struct node *node, uint32_t images, uint64_t now_ns)
{
    node->busy_ns += node_waited_ns(node, now_ns);
    node->busy_images += images;
    node->busy_since_ns = now_ns;
}

uint64_t node_ns_image(const struct node *node)
{
    return node->busy_images ? node->busy_ns / node->busy_images : 0;
}

void node_was_useful(struct node *node)
{
    node->chatter.spent -= CHATTER_A_BATCH; /* may be below nothing, for a moment: see allowance.c */
}

uint64_t node_waited_ns(const struct node *node, uint64_t now_ns)
{
    return now_ns > node->busy_since_ns ? now_ns - node->busy_since_ns : 0;
}

/* ---- counters ---- */

void node_restarted(struct node *node)
{
    memcpy(node->before, node->stages, sizeof(node->before));
}

/* The last of several, which keeps the others waiting. */
void node_keep_still(struct node *node, const struct rec_stage *stages, uint32_t count)
{
    node->still_ms = 0;
    for (uint32_t i = 0; i < count; i++)
        if (stages[i].still_ms && stages[i].still_ms >= node->still_ms) {
            node->still_ms = stages[i].still_ms;
            snprintf(node->still_stage, sizeof(node->still_stage), "%s", stages[i].name);
        }
}

uint64_t node_stalled_ns(const struct node *node)
{
    bool busy = (node_serves(node) && node->holds) || node->state == NODE_LOADING;
    return !busy ? 0 : node->still_ms < UINT64_MAX / NS_PER_MS ? node->still_ms * NS_PER_MS : UINT64_MAX;
}

bool node_waits_for_store(const struct node *node)
{
    uint32_t down = 0;
    for (uint32_t i = 0; i < node->stage_count; i++)
        down += node->stages[i].down;
    return down != 0;
}

void node_keep_stages(struct node *node, const struct rec_stage *stages, uint32_t count)
{
    node_keep_still(node, stages, count);
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
        stage->retries += before->retries;
        stage->copies += before->copies;
        snprintf(node->stage_names[i], sizeof(node->stage_names[i]), "%s", stages[i].name);
        stage->name = node->stage_names[i];
    }
}
