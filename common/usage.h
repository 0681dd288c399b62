/* usage.h: how a command ends that was called wrongly, or fails.
 *
 * Threads: the main thread's. Ownership: none taken. Errors: none of its own. */
#pragma once

#include "common/why.h"

/* Says why, and where a command's help is; "": the program has none, or this is its own. Returns the exit status. */
int usage_error(const char *command, const struct why *why);

/* The exit status of a command with this result, which is told: 2 for -EINVAL, 1 for other errors. */
int usage_status(int r, const char *command, const struct why *why);
