/* handshake.h: what to say about a node whose handshake fails.
 *
 * Threads: no state. Ownership: none. Errors: none. */
#pragma once

#include "coordinator/trust.h"
#include "proto/monitor.h"

/* Writes what this event means for a node that must have this key ("": none). False: nothing. */
bool handshake_problem(enum monitor_kind kind, const struct trust *trust, const char *key, char *text, size_t size);
