/* outlook.h: is there what the options name: weights, ranges, a profile, certificates, a GPU? Looked at when the worker starts, and at every SIGHUP: who is told by the
 * first job that is refused is told late.
 *
 * Only warnings: all of it may come later. A mount may not answer, so a thread of its own looks; it is not waited for.
 *
 * Threads:   the loop's; the thread has copies, of texts that do not change only the struct, and logs what it finds.
 * Ownership: embedded in struct worker. Ended with outlook_done(), once outlook_is_over(): else the process must end without. */
#pragma once

#include "common/thread.h"
#include "proto/tuning.h"

#include <limits.h>
#include <stdatomic.h>

struct outlook {
    struct thread thread;
    atomic_bool over;
    char weights[PATH_MAX];
    struct tuning tuning;
};

/* `weights`: "" for none; is copied. The texts of `tuning` must live as long as the process. Does nothing while an earlier look is not over. */
void outlook_start(struct outlook *outlook, const char *weights, const struct tuning *tuning);
bool outlook_is_over(const struct outlook *outlook);
void outlook_done(struct outlook *outlook);
