/* outlook.h: are the weights of --weights there? Looked at when the worker starts, and at every SIGHUP: who is told by the first job that is refused is told late.
 *
 * Only a warning: the file may come later. Its mount may not answer, so a thread of its own looks; it is not waited for.
 *
 * Threads:   the loop's; the thread has a copy of the path and logs what it finds.
 * Ownership: embedded in struct worker. Ended with outlook_done(), once outlook_is_over(): else the process must end without. */
#pragma once

#include "common/thread.h"

#include <limits.h>
#include <stdatomic.h>

struct outlook {
    struct thread thread;
    atomic_bool over;
    char weights[PATH_MAX];
};

/* "": there are none to look for. Does nothing while an earlier look is not over. */
void outlook_start(struct outlook *outlook, const char *weights);
bool outlook_is_over(const struct outlook *outlook);
void outlook_done(struct outlook *outlook);
