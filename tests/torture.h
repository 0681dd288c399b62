/* torture.h: runs a scenario again and again with its 1st, 2nd, 3rd ... allocation refused, until none is.
 *
 * Twice over: once with that one refused, once with it and all after it, as on a machine that has run out. A refused run must answer
 * -ENOMEM with a sentence, and no run may leave memory of ours or a descriptor behind. What counts as an allocation: malloc, calloc,
 * realloc, strdup, strndup, asprintf, and the calls that take memory or a descriptor for us (fopen, opendir, regcomp, pthread_create, eventfd,
 * zmq_ctx_new, zmq_socket), wherever our own objects call them. The Makefile wraps those (ld --wrap) in tests/unit/test_torture*.
 *
 * Threads:   allocations of all threads count; torture() itself belongs to one.
 * Errors:    fails the test, and prints where the refused call and what is left over came from. */
#pragma once

#include "common/why.h"

/* Must clean up after itself in any case. 0, or negative errno and a sentence. */
typedef int scenario(struct why *why);

void torture(scenario *run);

/* The same where 0 is right as well: SQLite gets by without some of its memory. */
void torture_lenient(scenario *run);
