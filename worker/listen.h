/* listen.h: what --listen names: ADDRESS:PORT, perhaps with tcp:// before it, or ipc://PATH.
 *
 * Threads: no state. Ownership: none. Errors: -EINVAL with a sentence. */
#pragma once

#include "common/why.h"

#include <stdbool.h>

/* Its form alone: whether this machine has the address is seen when it is bound. */
int listen_check(const char *listen, struct why *why);

/* Whether only this machine reaches it. */
bool listen_is_local(const char *listen);
