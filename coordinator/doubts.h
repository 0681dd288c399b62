/* doubts.h: is it the images, or the node? A mount that one node lacks, or credentials, or a route, would make error rows of most of a job, because
 * nobody is as fast as a node that reads nothing.
 *
 * A result that has no image, because none could be read, is a doubt. While there is another node to ask, the batch is taken away and goes to that
 * one. If that one reads it, the first is at fault: it takes no part in the job if it has never read anything, or when that happens
 * DOUBTS_DISPROVED times in a row. If all who are asked say the same, it is the images: their rows are taken.
 *
 * A node that has read nothing yet and is in doubt gets no more batches while there are others.
 *
 * Threads:   the loop's.
 * Ownership: none. Errors: none. */
#pragma once

#include "coordinator/coordinator.h"

#define DOUBTS_DISPROVED 3

/* Whether another node is asked for this batch; then the result is not to be taken. */
bool doubts_defer(struct coordinator *c, struct node *node, struct batch *batch, const struct msg_result *result);

/* This node could say more about this batch than is known. While there is such a one, no other is sent it. */
bool doubts_is_witness(const struct coordinator *c, const struct node *node, const struct batch *batch);
bool doubts_has_witness(const struct coordinator *c, const struct batch *batch);

/* Another process, or the same after it was mended: nothing is held against it. */
void doubts_forget(struct node *node);
