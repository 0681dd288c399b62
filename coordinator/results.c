/* results.c: the way of a result to the store: is it one, whom else must it be told, and what became of it. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/redact.h"
#include "coordinator/coordinator.h"
#include "coordinator/doubts.h"
#include "coordinator/quarantine.h"
#include "coordinator/refusals.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- is it one? ---- */

static bool is_valid_row(const struct coordinator *c, const struct rec_row *row)
{
    if (row->error >= ROW_ERRORS)
        return false;
    if (row->error)
        return !row->predictions_count && !row->values.size;
    bool topk = c->spec->emit != ROW_FEATURES;
    if (topk != (row->predictions_count > 0) || row->predictions_count > (uint32_t)c->spec->top ||
        row->values.size != c->values * sizeof(float))
        return false;
    for (uint32_t i = 0; i < row->predictions_count; i++)
        if (row->predictions[i].index >= c->classes || !isfinite(row->predictions[i].probability))
            return false;
    return true;
}

static bool is_valid_result(const struct coordinator *c, const struct batch *batch, const struct msg_result *result)
{
    if (result->rows_count != batch->count)
        return false;
    for (uint32_t i = 0; i < result->rows_count; i++)
        if (!is_valid_row(c, &result->rows[i]))
            return false;
    return true;
}

/* Its rows are safe, or are part of a batch whose rows are being gathered. */
static bool is_settled(const struct coordinator *c, uint64_t id)
{
    return id >= PIECE_ID ? id < c->batches.next_piece : id < c->load_next;
}

/* ---- telling others ---- */

void coordinator_commit(struct coordinator *c, struct node *node, uint64_t batch)
{
    struct message message = { .kind = MESSAGE_commit, .commit = { c->plan->epoch, batch } };
    if (node_serves(node))
        coordinator_send(c, node, &message);
}

void coordinator_cancel(struct coordinator *c, struct node *node, uint64_t batch)
{
    struct message message = { .kind = MESSAGE_cancel, .cancel = { c->plan->epoch, batch } };
    coordinator_send(c, node, &message);
}

/* Whoever has it besides `winner` need not finish it. Afterwards it is neither out nor queued. */
static void withdraw(struct coordinator *c, struct batch *batch, const struct node *winner)
{
    doubts_drop(batch);
    if (batch->state == BATCH_QUEUED)
        batches_unqueue(&c->batches, batch);
    for (int i = 0; i < BATCH_HOLDS; i++) {
        struct node *node = batch->holds[i].node;
        if (node && node != winner)
            coordinator_cancel(c, node, batch->id);
        if (node)
            node_unhold(node, batch);
    }
}

/* ---- storing ---- */

static uint32_t count_errors(const struct rec_row *rows, uint32_t count)
{
    uint32_t errors = 0;
    for (uint32_t i = 0; i < count; i++)
        errors += rows[i].error != ROW_OK;
    return errors;
}

static int store_rows(struct coordinator *c, struct node *node, struct batch *batch, const struct rec_row *rows)
{
    struct store_request *request = store_request_new(STORE_RESULT, SIZE_MAX / 2);
    if (!request || rows_encode(rows, batch->count, &request->data) < 0) {
        store_request_free(request);
        return -ENOMEM;
    }
    if (provenance_label(&c->provenance, c->store, node, request->node, sizeof(request->node)) < 0) {
        store_request_free(request);
        return -ENOMEM;
    }
    uint64_t now = clock_now_ns();
    request->id = batch->id;
    request->attempt = batch->attempt;
    request->errors = count_errors(rows, batch->count);
    request->user = node;
    node->storing++;
    request->elapsed_ms = coordinator_elapsed_ms(c, now);
    request->working_ms = coordinator_working_ms(c, now);
    store_post(c->store, request);
    return 0;
}

/* A result of the whole came after all, from one who was given up for lost. */
static void withdraw_pieces(struct coordinator *c, struct batch *whole, const struct node *winner)
{
    while (whole->split && whole->split->pieces) {
        struct batch *piece = whole->split->pieces;
        withdraw(c, piece, winner);
        whole->split->pieces = piece->piece->next;
        batches_remove(&c->batches, piece);
    }
}

static int take_whole(struct coordinator *c, struct node *node, struct batch *batch, const struct rec_row *rows)
{
    int r = store_rows(c, node, batch, rows);
    if (r < 0)
        return r;
    withdraw(c, batch, node);
    withdraw_pieces(c, batch, NULL);
    batch->state = BATCH_STORING;
    return 0;
}

static int take_piece(struct coordinator *c, struct node *node, struct batch *batch, const struct rec_row *rows)
{
    struct batch *whole = batch->piece->whole;
    withdraw(c, batch, node);
    int r = quarantine_answer(&c->batches, batch, rows);
    if (r > 0) {
        r = store_rows(c, node, whole, whole->split->rows);
        whole->state = BATCH_STORING;
    }
    if (r < 0)
        coordinator_fail(c, r, "batch %" PRIu64 " cannot be put together: %s", whole->id, strerror(-r));
    return r;
}

/* For the log: without what may be a signature. */
static void name_image(const struct batch *piece, struct bytes *name)
{
    struct rec_item *items;
    struct arena arena;
    uint32_t count;
    arena_init(&arena, SIZE_MAX / 2);
    if (items_decode(piece->stored->items, piece->stored->size, &arena, &items, &count) == 0 && count)
        (void)uri_redact(name, items[0].uri.data, items[0].uri.size);
    arena_done(&arena);
}

void coordinator_convict(struct coordinator *c, struct node *node, struct batch *piece)
{
    CLEANUP(bytes_done) struct bytes name;
    char text[LIMIT_TEXT];
    bytes_init(&name, (size_t)2 * LIMIT_URI);
    enum row_error error = quarantine_verdict(piece, text, sizeof(text));
    name_image(piece, &name);
    log_warning("%s: given up, its row says %s: %s", name.size ? name.data : "an image", row_error_name(error), text);
    struct rec_row row = { .error = error, .detail = text };
    take_piece(c, node, piece, &row);
}

/* ---- the message ---- */

void coordinator_on_result(struct coordinator *c, struct node *node, const struct message *message)
{
    const struct msg_result *result = &message->result;
    uint64_t now = clock_now_ns();
    if (result->epoch != c->plan->epoch || !node_serves(node))
        return;
    node_keep_stages(node, result->stages, result->stages_count);
    struct batch *batch = batches_find(&c->batches, result->batch);
    if (!batch && is_settled(c, result->batch)) {
        coordinator_commit(c, node, result->batch); /* from here or from another */
        return;
    }
    if (batch && batch->state == BATCH_STORING)
        return; /* it offers again if the commit is lost */
    if (!batch || !is_valid_result(c, batch, result)) {
        node_refused(node, "it sent a result that does not fit its batch; is it of the same release?");
        return;
    }
    if (doubts_defer(c, node, batch, result) || refusals_hold(c, batch, result))
        return;
    if (batch_hold_of(batch, node))
        node_finished(node, batch->count, now);
    if (!batch->piece) {
        (void)take_whole(c, node, batch, result->rows); /* out of memory: it offers it again */
        return;
    }
    if (take_piece(c, node, batch, result->rows) < 0)
        return;
    node->starts = 1;
    node->deaths_alone = 0;
    if (node->alone == result->batch)
        node->alone = 0;
    coordinator_commit(c, node, result->batch);
    coordinator_dispatch(c);
}
