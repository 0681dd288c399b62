#include "coordinator/batch.h"

#include "coordinator/quarantine.h"

#include <errno.h>

static void queue_init(struct batch_queue *queue)
{
    *queue = (struct batch_queue){ .last = &queue->first };
}

void batches_init(struct batches *batches)
{
    *batches = (struct batches){ .next_piece = PIECE_ID };
    queue_init(&batches->queue);
    queue_init(&batches->alone);
}

static void free_batch(struct batch *batch)
{
    split_free(batch->split);
    free(batch->piece);
    free(batch->suspects);
    free(batch->stored);
    free(batch);
}

void batches_done(struct batches *batches)
{
    for (int i = 0; i < BATCH_BUCKETS; i++)
        while (batches->buckets[i]) {
            struct batch *batch = batches->buckets[i];
            batches->buckets[i] = batch->bucket_next;
            free_batch(batch);
        }
    batches_init(batches);
}

static struct batch *add(struct batches *batches, struct store_batch *stored)
{
    struct batch *batch = calloc(1, sizeof(*batch));
    if (!batch) {
        free(stored);
        return NULL;
    }
    batch->id = stored->id;
    batch->count = stored->count;
    batch->stored = stored;
    for (int i = 0; i < BATCH_HOLDS; i++)
        batch->holds[i].batch = batch;
    struct batch **bucket = &batches->buckets[batch->id % BATCH_BUCKETS];
    batch->bucket_next = *bucket;
    *bucket = batch;
    return batch;
}

static void queue_push(struct batch_queue *queue, struct batch *batch)
{
    batch->next = NULL;
    *queue->last = batch;
    queue->last = &batch->next;
    queue->count++;
}

int batches_add(struct batches *batches, struct store_batch *stored)
{
    struct batch *batch = add(batches, stored);
    if (!batch)
        return -ENOMEM;
    queue_push(&batches->queue, batch);
    return 0;
}

int batches_add_piece(struct batches *batches, struct store_batch *stored, struct piece *piece, struct batch **ret)
{
    struct batch *batch = add(batches, stored);
    if (!batch) {
        free(piece);
        return -ENOMEM;
    }
    batch->piece = piece;
    *ret = batch;
    return 0;
}

struct batch *batches_find(struct batches *batches, uint64_t id)
{
    struct batch *batch = batches->buckets[id % BATCH_BUCKETS];
    while (batch && batch->id != id)
        batch = batch->bucket_next;
    return batch;
}

void batches_remove(struct batches *batches, struct batch *batch)
{
    struct batch **at = &batches->buckets[batch->id % BATCH_BUCKETS];
    while (*at != batch)
        at = &(*at)->bucket_next;
    *at = batch->bucket_next;
    free_batch(batch);
}

struct batch *batches_pop(struct batches *batches)
{
    struct batch *batch = batches->queue.first;
    if (batch)
        batches_unqueue(batches, batch);
    return batch;
}

void batches_requeue(struct batches *batches, struct batch *batch)
{
    struct batch_queue *queue = &batches->queue;
    batch->state = BATCH_QUEUED;
    if (batch_is_alone(batch)) {
        queue_push(&batches->alone, batch);
        return;
    }
    batch->next = queue->first;
    if (!queue->first)
        queue->last = &batch->next;
    queue->first = batch;
    queue->count++;
}

void batches_unqueue(struct batches *batches, struct batch *batch)
{
    struct batch_queue *queue = batch_is_alone(batch) ? &batches->alone : &batches->queue;
    struct batch **at = &queue->first;
    while (*at != batch)
        at = &(*at)->next;
    *at = batch->next;
    if (queue->last == &batch->next)
        queue->last = at;
    batch->next = NULL;
    queue->count--;
}

int batch_holders(const struct batch *batch)
{
    int count = 0;
    for (int i = 0; i < BATCH_HOLDS; i++)
        count += batch->holds[i].node != NULL;
    return count;
}

struct batch_hold *batch_hold_of(struct batch *batch, const struct node *node)
{
    for (int i = 0; i < BATCH_HOLDS; i++)
        if (batch->holds[i].node == node)
            return &batch->holds[i];
    return NULL;
}

int batch_suspect(struct batch *batch, uint32_t item)
{
    if (!batch->suspects)
        batch->suspects = calloc(batch->count, sizeof(bool));
    if (!batch->suspects)
        return -ENOMEM;
    batch->suspects[item] = true;
    return 0;
}
