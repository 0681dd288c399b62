/* lost.c: a node is lost: what it had goes to others, and its next welcome tells what had become of it.
 *
 * When it is lost nobody knows whether its process died or could only not be heard, so its batches count a death, and are remembered. The next
 * welcome of that node says. The same process: no death after all. Another one that names suspects: the death is
 * explained, and only the suspects have to do with it. Another one that names none: the death stays with each of the batches. */
#include "common/clock.h"
#include "common/counted.h"
#include "common/log.h"
#include "coordinator/coordinator.h"
#include "coordinator/local.h"
#include "coordinator/quarantine.h"

#include <inttypes.h>
#include <string.h>

/* How long a suspect that was alone with a lost node waits for word of it, at most. */
#define VERDICT_EXPIRIES 3

#define STAGE_OF_FILES    "fetch" /* as workers call them */
#define STAGE_OF_DECODERS "decode"

#define MOST_DEATHS_ALONE 30 /* of a node's processes in a row: then it is not the images */

uint64_t node_give_back(struct node *node)
{
    struct batches *batches = &node->coordinator->batches;
    uint64_t count = 0;
    for (; node->holds; count++) {
        struct batch *batch = node->holds->batch;
        node_unhold(node, batch);
        if (!batch_holders(batch))
            batches_requeue(batches, batch);
    }
    node->granted = node->sent = 0;
    return count;
}

/* ---- losing ---- */

static void remember(struct node *node)
{
    struct coordinator *c = node->coordinator;
    uint32_t count = 0;
    if (!node->holds)
        return; /* an earlier loss may still wait for its verdict */
    for (const struct batch_hold *hold = node->holds; hold; hold = hold->next)
        count++;
    free(node->lost);
    node->lost = calloc(count, sizeof(*node->lost)); /* without: the deaths stay */
    node->lost_count = 0;
    for (const struct batch_hold *hold = node->holds; hold; hold = hold->next) {
        hold->batch->deaths++;
        if (hold->batch->piece)
            hold->batch->piece->not_before_ns = clock_now_ns() + VERDICT_EXPIRIES * (uint64_t)c->plan->expiry_s * NS_PER_S;
        if (node->lost)
            node->lost[node->lost_count++] = hold->batch->id;
    }
}

static void lose(struct node *node, const char *reason)
{
    struct coordinator *c = node->coordinator;
    struct why why;
    enum node_state state = node->state;
    uint64_t count = node_give_back(node);
    if (c->stopping)
        return;
    node->failures += state == NODE_LOADING;
    if (state != NODE_CALLING && (count || !node->leaving))
        log_warning("%s: %s; %s to others", node->name, reason, COUNTED(count, "batch goes", "batches go"));
    snprintf(node->why_not, sizeof(node->why_not), "%s", reason);
    node->left = node->turned_away = false;
    if (node->removed)
        node_gone(node);
    else if (node_connect(node, &why) < 0)
        log_error("%s", why.text);
}

void node_lost(struct node *node, const char *reason)
{
    remember(node);
    lose(node, reason);
}

/* Files that give nothing are the mount's fault: no image's, and a new process would fare no better. */
static void reads_nothing(struct node *node, uint64_t seconds)
{
    char text[160];
    snprintf(text, sizeof(text), "says it is alive, but its files have given nothing for %" PRIu64 " s; is a mount dead there? It is asked again", seconds);
    node->alone = 0;
    lose(node, text);
    node->reads_nothing = true;
}

/* The stages say where it stands still, better than any successor could. The worker takes nothing more before that moves. */
void node_hung(struct node *node)
{
    struct coordinator *c = node->coordinator;
    uint64_t seconds = node_stalled_ns(node) / NS_PER_S;
    const char *stage = node->still_stage;
    char text[160];
    struct batch *piece = node_has_alone(node) ? node->holds->batch : NULL;
    if (!strcmp(stage, STAGE_OF_FILES)) {
        reads_nothing(node, seconds);
        return;
    }
    snprintf(text, sizeof(text), "says it is alive, but stage \"%s\" has stood still for %" PRIu64 " s", stage, seconds);
    for (const struct batch_hold *hold = node->holds; hold; hold = hold->next)
        hold->batch->deaths += !piece;
    bool convicted = piece && quarantine_blame(&c->batches, piece, strcmp(stage, STAGE_OF_DECODERS) ? stage : SUSPECT_ENDLESS, node);
    node->alone = 0;
    node->hung = piece != NULL;
    node->starts -= piece != NULL;
    lose(node, text);
    if (convicted)
        coordinator_convict(c, node, piece);
    local_kill(node);
}

/* ---- judging ---- */

/* What it had may be sent again; if it did not die of that, the death does not count. */
static void settle(struct node *node, bool explained)
{
    for (uint32_t i = 0; i < node->lost_count; i++) {
        struct batch *batch = batches_find(&node->coordinator->batches, node->lost[i]);
        if (batch && explained && batch->deaths)
            batch->deaths--;
        if (batch && batch->piece)
            batch->piece->not_before_ns = 0;
    }
    free(node->lost);
    node->lost = NULL;
    node->lost_count = 0;
}

static void take_suspects(struct node *node, const struct msg_welcome *welcome)
{
    struct coordinator *c = node->coordinator;
    for (uint32_t i = 0; i < welcome->suspects_count && !c->stopping; i++) {
        const struct rec_suspect *suspect = &welcome->suspects[i];
        bool alone = node->alone && node->alone == suspect->batch;
        struct batch *guilty = quarantine_suspect(&c->batches, suspect->batch, suspect->item, suspect->stage, node, alone);
        if (alone)
            node->alone = 0; /* it may be named twice, for two stages: one death all the same */
        if (guilty)
            coordinator_convict(c, node, guilty);
    }
}

void node_judge(struct node *node, const struct message *message)
{
    const struct msg_welcome *welcome = &message->welcome;
    bool same = message->from == node->served;
    if (node->lost)
        settle(node, same || welcome->suspects_count);
    if (same)
        return;
    node->coordinator->batches.deaths_amidst += node->served && !node->alone && !node->hung;
    node->hung = false;
    node->deaths_alone += node->alone != 0;
    if (welcome->suspects_count)
        node->starts = 1; /* it is the images, at first */
    take_suspects(node, welcome);
    node->alone = 0;
    if (node->deaths_alone < MOST_DEATHS_ALONE)
        return;
    node->deaths_alone = 0;
    node_refused(node, "its processes die one after the other, each with another image; something is wrong there");
}
