#include "coordinator/batch.h"

#include <errno.h>

void batches_init(struct batches *batches)
{
    *batches = (struct batches){ 0 };
    batches->last = &batches->first;
}

static void free_batch(struct batch *batch)
{
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

int batches_add(struct batches *batches, struct store_batch *stored)
{
    struct batch *batch = calloc(1, sizeof(*batch));
    if (!batch) {
        free(stored);
        return -ENOMEM;
    }
    batch->id = stored->id;
    batch->count = stored->count;
    batch->stored = stored;
    struct batch **bucket = &batches->buckets[batch->id % BATCH_BUCKETS];
    batch->bucket_next = *bucket;
    *bucket = batch;
    *batches->last = batch;
    batches->last = &batch->next;
    batches->queued++;
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
    struct batch *batch = batches->first;
    if (!batch)
        return NULL;
    batches->first = batch->next;
    if (!batches->first)
        batches->last = &batches->first;
    batch->next = NULL;
    batches->queued--;
    return batch;
}

void batches_requeue(struct batches *batches, struct batch *batch)
{
    batch->state = BATCH_QUEUED;
    batch->node = NULL;
    batch->next = batches->first;
    if (!batches->first)
        batches->last = &batch->next;
    batches->first = batch;
    batches->queued++;
}

void batches_unqueue(struct batches *batches, struct batch *batch)
{
    struct batch **at = &batches->first;
    while (*at != batch)
        at = &(*at)->next;
    *at = batch->next;
    if (batches->last == &batch->next)
        batches->last = at;
    batch->next = NULL;
    batches->queued--;
}
