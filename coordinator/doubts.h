/* doubts.h: is it the images, or the node? A mount that one node lacks, or credentials, or a route, would make error rows of most of a job, because
 * nobody is as fast as a node that reads nothing.
 *
 * A result that has no image, because none could be read, is a doubt. While there is another node to ask, the batch is taken away and goes to that
 * one. If that one reads it, the first is at fault: when that has happened DOUBTS_DISPROVED times in a row, it takes no part in the job. If all who
 * are asked say the same, or BATCH_DOUBTS of them, it is the images: their rows are taken.
 *
 * A node that has read nothing yet and is in doubt gets no more batches while there are others, and is not believed while another may soon be there:
 * one that loads its model, or looks at suspects, or was heard within --node-timeout and does not answer now.
 *
 * Pieces of batches (quarantine.h) are outside all this: each goes alone to one node after the other as it is.
 *
 * Threads:   the loop's.
 * Ownership: batches point to nodes, which live as long as the coordinator. Errors: none. */
#pragma once

#include "coordinator/coordinator.h"

#define DOUBTS_DISPROVED 3

/* Whether another node is asked for this batch; then the result is not to be taken. */
bool doubts_defer(struct coordinator *c, struct node *node, struct batch *batch, const struct msg_result *result);

/* The batch is not in doubt any more: its rows are taken, or its images are looked at one by one. */
void doubts_drop(struct batch *batch);

/* Who could say more about a batch than is known: ready nodes that have not said so of it, those that are not in doubt themselves first. While there are
 * such, no other is sent it. */
enum witness { WITNESS_NONE, WITNESS_ANY, WITNESS_UNDOUBTED };

/* Nodes that could be asked for a batch that nobody has had. */
struct witnesses {
    int any, undoubted;
};

void doubts_count(const struct coordinator *c, struct witnesses *ret);
enum witness doubts_who(const struct coordinator *c, const struct witnesses *witnesses, const struct batch *batch);
bool doubts_is_witness(const struct coordinator *c, const struct node *node, const struct batch *batch, enum witness who); /* WITNESS_NONE: nobody */

/* Another process, or the same after it was mended: nothing is held against it. */
void doubts_forget(struct node *node);
