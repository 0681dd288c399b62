/* check_table.h: what the nodes of a list answered to a probe, judged and printed, a line a node.
 *
 * Threads: the main thread's. Ownership: borrows answers and names. Errors: none. */
#pragma once

#include "proto/messages.h"

#include <stdbool.h>
#include <stdio.h>

struct check_answer {
    const char *name;                /* host:port */
    const struct msg_status *status; /* NULL: it did not answer */
    const char *problem;             /* why not; "": not known */
};

struct check_wishes {
    bool require_gpu; /* a node without one is bad */
    bool mixed;       /* numbers may differ from node to node */
};

/* Returns how many nodes are not as they should be. */
int check_table_print(const struct check_answer *answers, int count, const struct check_wishes *wishes, FILE *out);
