/* hidden.h: a folder that is another one for this process and its children than for some workers: a mount that they do not have.
 *
 * Threads: one. Ownership: ends with the test. Errors: fail the test. */
#pragma once

#include "tests/cluster/lib/cluster.h"

/* Makes `name`: an empty disk for this process and what it starts, an empty folder for those that hidden_start_outside() starts. */
void hidden_open(const char *name);

/* To where those are, and back. */
void hidden_leave(void);
void hidden_enter(void);

void hidden_start_outside(struct daemon *daemon, const char *name, const char *const *arguments);
