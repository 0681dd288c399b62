/* doubts.h: is it the images, or the node? A mount that one node lacks, or credentials, or a route, would make error rows of most of a job, because
 * nobody is as fast as a node that reads nothing.
 *
 * A result that has no image, because none could be read, is a doubt. While there is another node to ask, the batch is taken away and goes to that
 * one: to one of which no other batch is in doubt, if there is any. If that one reads it, the first is at fault: when that has happened
 * DOUBTS_DISPROVED times in a row, it takes no part in the job. If all who are asked say the same, or BATCH_DOUBTS of them, it is the images: their rows
 * are taken.
 *
 * A node that may be blind, since it has read nothing yet and is in doubt, gets no more batches while there are others. It is not believed while
 * another may soon be there: one that loads its model, or looks at suspects, or does not answer, for --node-timeout after it was last heard and after
 * the first doubt. The rows of a node that has read something are taken when nobody is there to ask.
 *
 * A suspect that is looked at alone (quarantine.h) is outside all this; only, no node in doubt is its guard while there are others. What is read in pieces
 * is not overruled by a node that reads nothing of the whole.
 *
 * Threads:   the loop's.
 * Ownership: batches point to nodes, which live as long as the coordinator. Errors: none. */
#pragma once

#include "coordinator/coordinator.h"

#define DOUBTS_DISPROVED 3

/* Whether this result is not to be taken, because another node is asked for this batch. */
bool doubts_defer(struct coordinator *c, struct node *node, struct batch *batch, const struct msg_result *result);

/* The batch is not in doubt any more: its rows are taken, or its images are looked at one by one. */
void doubts_drop(struct batch *batch);

/* Of what use it is to send a node this batch. A batch goes to nodes of the best rank that there is. */
enum doubts_rank {
    RANK_NONE,     /* it could not say more than is known */
    RANK_IN_DOUBT, /* it is in doubt itself */
    RANK_BEST,
};

enum doubts_rank doubts_rank(const struct coordinator *c, const struct node *node, const struct batch *batch);

/* The nodes that could be asked, by numbers. */
struct crowd {
    int all, undoubted, sighted;       /* sighted: not maybe blind */
    uint64_t credit, undoubted_credit; /* the most that one of them has, images */
};

void doubts_look_around(const struct coordinator *c, struct crowd *ret);
enum doubts_rank doubts_best_rank(const struct coordinator *c, const struct crowd *crowd, const struct batch *batch);

/* No node of that rank has more credit, images. */
uint64_t doubts_most_credit(const struct crowd *crowd, const struct batch *batch, enum doubts_rank rank);

/* It has read nothing yet, and there is something that it could not read. */
bool doubts_may_be_blind(const struct node *node);

/* Another process, or the same after it was mended: nothing is held against it. */
void doubts_forget(struct node *node);
