/* sched.h: who gets what next. Pure: numbers in, a choice out.
 *
 * The next batch goes to the node that holds the fewest images among those with credit for it, so that nobody is given a second
 * batch while somebody has none. While a node is still loading its model, its fair share waits for it: ready nodes then get
 * one batch each. Towards the end likewise: the last batches are not dealt out in advance, but go to whoever has finished first, so that
 * nobody has two to do while others have none.
 *
 * When nothing is queued any more, a node without work runs a copy of a batch that is out elsewhere, if it would probably be the first to
 * finish it.
 *
 * Threads: no state. Errors: none. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct sched_node {
    bool ready;        /* takes batches */
    bool loading;      /* will take batches soon */
    uint64_t credit;   /* images it may still be sent */
    uint64_t held;     /* images sent and not committed */
    int avoid;         /* the higher, the later it is chosen to be alone with an image */
};

/* Index of the node for a batch of `images`, -1 if it must wait. `last`: how many batches are left to give out, this one included, if that
 * is known; 0: many. */
int sched_pick(const struct sched_node *nodes, int count, uint32_t images, uint64_t last);

/* Index of the node that should have an image alone, once it holds nothing else; -1 when there is none. One that has no work and
 * grants no credit is of no use. */
int sched_pick_alone(const struct sched_node *nodes, int count);

struct sched_copy {
    uint64_t waited_ns;       /* since the node that has the batch began to work, or finished something */
    uint64_t ahead;           /* images it must finish until it is through with this batch */
    uint64_t holder_ns_image; /* what an image takes it; 0: not known */
    uint64_t own_ns_image;    /* what an image takes the node without work; 0: not known */
    uint32_t images;          /* in the batch */
};

/* Whether a copy on the node without work would be finished clearly before the batch itself. */
bool sched_copy_helps(const struct sched_copy *copy);
