/* batch.h: the batches that are in memory: waiting to be sent, or sent and not yet safe.
 *
 *                load                 send                 first valid result               commit
 *     (job.db) ---------> BATCH_QUEUED ----> BATCH_OUT ---------------------> BATCH_STORING ---------> (job.db)
 *                          | |  ^               |                                 ^ ^
 *                          | |  +---------------+  returned by, lost with, or     | |
 *                          | |                     in doubt of the last node      | |
 *                          | |                     that had it                    | |
 *                          | +--late result of a node given up for lost-----------+ |
 *                          +--suspects--> BATCH_SPLIT --every piece has rows, or----+
 *                                                       such a late result of all
 *
 * A batch is at two nodes when a copy of it runs. A split one is handed out in pieces (quarantine.h), batches with ids of their own,
 * which are queued and out like others, and gone once they have rows. A piece that is one suspect image alone waits in a queue of its own.
 *
 * Threads:   the loop's.
 * Ownership: the table owns batches from batches_add() to batches_remove(). */
#pragma once

#include "coordinator/store.h"

struct node;
struct split;

enum batch_state { BATCH_QUEUED, BATCH_OUT, BATCH_STORING, BATCH_SPLIT };

#define BATCH_HOLDS 2         /* nodes that may have it at a time: one, and one with a copy */
#define BATCH_DOUBTS 8        /* nodes that are remembered */
#define PIECE_ID    (1ull << 63) /* ids from here on are pieces */

/* That a node has it. */
struct batch_hold {
    struct batch *batch;
    struct node *node;        /* NULL: this one is free */
    uint64_t sent_ns;
    struct batch_hold *next;  /* among its node's */
};

/* That a node could read none of it: doubts.h. */
struct doubt {
    struct node *node;
    uint64_t era;     /* of the node, then */
    uint64_t process; /* its incarnation, then */
};

/* What a piece is besides a batch. */
struct piece {
    struct batch *whole;
    struct batch *next;       /* of the same whole */
    bool alone;               /* one suspect: its worker must have nothing else */
    uint32_t blames;          /* alone: how often it ended a worker, or held one up */
    uint64_t first_blame;     /* batches.deaths_amidst by then */
    char stage[33];           /* at which stage, the last time */
    uint64_t not_before_ns;   /* what became of the worker that had it last is not known before */
    const struct node *killed; /* the node that it was blamed for last */
    uint32_t places[];        /* (count) of its items in the whole */
};

struct batch {
    enum batch_state state;
    uint64_t id;
    uint32_t count;     /* images */
    uint32_t attempt;   /* raised by every send */
    uint32_t deaths;    /* of workers that had it, not explained by others' suspects */
    bool *suspects;     /* (count) items that were being worked on when a worker died; NULL: none */
    bool refused;       /* its result was held back: see refusals.h */
    struct doubt doubt[BATCH_DOUBTS];
    int doubts;
    uint64_t doubted_ns; /* since when, if there are any */
    struct batch_hold holds[BATCH_HOLDS];
    struct store_batch *stored; /* its items, encoded */
    struct piece *piece;        /* NULL: a batch of job.db */
    struct split *split;        /* BATCH_SPLIT */
    struct batch *bucket_next;  /* in the table */
    struct batch *next;         /* in its queue */
};

struct batch_queue {
    struct batch *first, **last;
    uint64_t count;
};

#define BATCH_BUCKETS 4096

struct batches {
    struct batch *buckets[BATCH_BUCKETS];
    struct batch_queue queue; /* by id but for those that came back, which go first */
    struct batch_queue alone; /* pieces that are alone; those that came back go last */
    uint64_t next_piece;      /* id */
    uint64_t deaths_amidst;   /* of workers that had no suspect alone */
};

void batches_init(struct batches *batches);
void batches_done(struct batches *batches); /* frees all */

/* Takes over `stored` also when it fails. */
int batches_add(struct batches *batches, struct store_batch *stored);

/* Takes over both, also when it fails. Its id is that of `stored`. Not queued: batches_requeue(). */
int batches_add_piece(struct batches *batches, struct store_batch *stored, struct piece *piece, struct batch **ret);

struct batch *batches_find(struct batches *batches, uint64_t id);
void batches_remove(struct batches *batches, struct batch *batch); /* not queued; frees it */

struct batch *batches_pop(struct batches *batches);  /* NULL when none is queued */
void batches_requeue(struct batches *batches, struct batch *batch); /* to the front; one that is alone to the end of its queue */
void batches_unqueue(struct batches *batches, struct batch *batch); /* takes one out of the middle */

static inline bool batch_is_alone(const struct batch *batch)
{
    return batch->piece && batch->piece->alone;
}

/* How many nodes have it. */
int batch_holders(const struct batch *batch);

/* NULL when this node does not have it. With `node` NULL: a free one. */
struct batch_hold *batch_hold_of(struct batch *batch, const struct node *node);

/* The item was being worked on when a worker died. */
int batch_suspect(struct batch *batch, uint32_t item);
