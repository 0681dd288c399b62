#include "coordinator/jobfiles.h"

#include "common/cleanup.h"

#include <fnmatch.h>
#include <unistd.h>

bool jobfiles_are_in(int folder)
{
    return faccessat(folder, "job.db", F_OK, 0) == 0 && faccessat(folder, "job.lock", F_OK, 0) == 0;
}

bool jobfiles_have(const char *name)
{
    /* Tables have the ending of a file that is not whole yet behind theirs. */
    static const char *const patterns[] = { "job.db*", "job.lock", "private.db*", "*.json", "*.html", "predictions.jsonl*", "predictions.csv*",
                                            "features.npy*", "logits.npy*", "worker-*.log", "status.json*", "summary.json*", "truth.csv*" };
    for (size_t i = 0; i < ARRAY_SIZE(patterns); i++)
        if (!fnmatch(patterns[i], name, 0))
            return true;
    return false;
}
