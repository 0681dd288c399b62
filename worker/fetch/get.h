/* get.h: one item on its way through a fetch loop: waiting in a lane, under way once or twice, or waiting to be tried again.
 *
 * Threads:   the submitter's until it is posted, then its loop's.
 * Ownership: embedded in its task, so nothing can fail for want of memory.
 * Errors:    none of its own. */
#pragma once

#include "common/mailbox.h"
#include "common/s3/session.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct origin;
struct task;
struct transfer;

struct get {
    struct mail mail;            /* first: on its way to the loop */
    struct task *task;
    struct origin *origin;
    unsigned lane;               /* of its origin */
    struct get *next;            /* in its lane, or among those that wait for their time */
    struct transfer *running[2]; /* the GET and its copy; NULL: not under way */
    struct s3_try attempt;       /* of this round */
    int tired;                   /* by rounds of attempts that failed: see rounds.h */
    bool copied;                 /* it has had its copy */
    uint64_t due_ns;             /* not to be tried again before */
    size_t room;                 /* bytes to ask the budget for */
};
