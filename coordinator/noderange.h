/* noderange.h: a name with ranges of numbers in it, as the names that it stands for: gpu[01-04].example, rack[1,3,5-7]-[0-9].
 *
 * Zeros in front are kept: [08-10] is 08, 09, 10. What comes in brackets at the beginning and has a colon in it is an IPv6 address and no range.
 *
 * Threads: no state. Ownership: `take` gets a text that lives for the call. Errors: -EINVAL with what is wrong; those of `take`, which end it. */
#pragma once

#include "common/why.h"

#include <stddef.h>

typedef int noderange_take(void *arg, const char *name, struct why *why);

/* Calls `take` for each name, in order. A range has at most `max` numbers. */
int noderange_expand(const char *text, size_t size, int max, noderange_take *take, void *arg, struct why *why);
