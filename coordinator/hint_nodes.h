/* hint_nodes.h: what to propose when nodes took no part: the command that looks at them, and the keys that they want.
 *
 * Threads: none runs any more. Ownership: `options` own the texts. Errors: negative errno of `out`. */
#pragma once

#include "coordinator/coordinator.h"
#include "coordinator/run_options.h"

/* `options` with "FILE" in place of the keys that are missing, where some node turned us away because it wants them. `c`: NULL for none. */
struct run_options hint_with_keys(const struct run_options *options, const struct coordinator *c);

/* "sleddog-coordinator check" for the nodes of these options, to be pasted into a shell. */
int hint_check(const struct run_options *options, struct bytes *out);
