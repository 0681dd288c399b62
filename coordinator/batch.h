/* batch.h: the batches that are in memory: waiting to be sent, or sent and not yet safe.
 *
 *                 load                 send                 first valid result               commit
 *     (job.db) ---------> BATCH_QUEUED ----> BATCH_OUT ---------------------> BATCH_STORING ---------> (job.db)
 *                              ^                |
 *                              +----------------+  returned, its node lost
 *
 * Threads:   the loop's.
 * Ownership: the table owns batches from batches_add() to batches_remove(). */
#pragma once

#include "coordinator/store.h"

struct node;

enum batch_state { BATCH_QUEUED, BATCH_OUT, BATCH_STORING };

struct batch {
    enum batch_state state;
    uint64_t id;
    uint32_t count;     /* images */
    uint32_t attempt;   /* raised by every send */
    struct node *node;  /* BATCH_OUT: who has it */
    uint64_t sent_ns;
    struct store_batch *stored; /* its items, encoded */
    struct batch *bucket_next;  /* in the table */
    struct batch *next;         /* in the queue, or among its node's */
};

#define BATCH_BUCKETS 4096

struct batches {
    struct batch *buckets[BATCH_BUCKETS];
    struct batch *first, **last; /* queued, by id but for those that came back, which go first */
    uint64_t queued;
};

void batches_init(struct batches *batches);
void batches_done(struct batches *batches); /* frees all */

/* Takes over `stored` also when it fails. */
int batches_add(struct batches *batches, struct store_batch *stored);
struct batch *batches_find(struct batches *batches, uint64_t id);
void batches_remove(struct batches *batches, struct batch *batch); /* not queued; frees it */

struct batch *batches_pop(struct batches *batches);  /* NULL when none is queued */
void batches_requeue(struct batches *batches, struct batch *batch); /* to the front */
void batches_unqueue(struct batches *batches, struct batch *batch); /* takes one out of the middle */
