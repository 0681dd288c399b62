/* jobfiles.h: what a job writes into its folder, so that a folder of photos that jobs were run in, or below, can be listed again.
 *
 * Threads: no state. Ownership: none. Errors: none. */
#pragma once

#include <stdbool.h>

/* An open folder that jobs have been run in. */
bool jobfiles_are_in(int folder);

/* The name of a file in such a folder, or of one file an image below it, is that of a job's own. */
bool jobfiles_have(const char *name);
