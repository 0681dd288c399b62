/* sched.h: who gets what next. Pure: numbers in, a choice out.
 *
 * The next batch goes to the node that holds the fewest images among those with credit for it, so that nobody is given a second
 * batch while somebody has none. While a node is still loading its model, its fair share waits for it: ready nodes then get
 * one batch each. Towards the end likewise: the last batches are not dealt out in advance, but go to whoever has finished first, so that
 * nobody has two to do while others have none.
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
};

/* Index of the node for a batch of `images`, -1 if it must wait. `last`: how many batches are left to give out, this one included, if that
 * is known; 0: many. */
int sched_pick(const struct sched_node *nodes, int count, uint32_t images, uint64_t last);
