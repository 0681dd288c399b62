/* torture_spec.h: the description of a job for scenarios of torture(): two sources, one of them no UTF-8, labels, truth and two formats.
 *
 * Threads:   no state.
 * Ownership: the description is the caller's: spec_free().
 * Errors:    as spec_from_options(), -ENOMEM among them. */
#pragma once

#include "coordinator/spec.h"

/* The working directory has a file "labels". */
int torture_spec(struct spec **ret, struct why *why);
