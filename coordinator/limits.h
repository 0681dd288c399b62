/* limits.h: what the system allows this process.
 *
 * Threads: the main thread's, before others are started. Errors: as said. */
#pragma once

#include "common/why.h"

/* A file that may not grow is an error of write(), not the end of the process; as many open files as are allowed. */
void limits_prepare(void);

/* -EMFILE with a sentence if so many nodes need more open files than are allowed. */
int limits_check_files(int nodes, struct why *why);
