/* destination.h: whether a job's tables can be written where they are to go, asked before the first image is worked on.
 *
 * A folder that is there is tried: the files are begun as they will be, and removed. One that is not is not made yet: the nearest folder above it must
 * let us. An object store is asked elsewhere (success_look()).
 *
 * Threads: any. Ownership: borrows. Errors: negative errno with a sentence that names the place and says what to do. */
#pragma once

#include "common/labels.h"
#include "coordinator/run_options.h"

/* `given` as tables can be written to it: a store's address ends with a slash, as a folder's prefix; a folder stands as it is. -EINVAL for an
 * address of anything else. To be freed. */
int destination_locate(const char *given, char **ret, struct why *why);

/* `is_new`: tables that are there are another job's, whose place this one's will take, which is told. */
int destination_check(const struct spec *spec, const struct labels *labels, bool is_new, struct why *why);

/* For a job that goes on: its rows are worth having all the same, and `export` can write them elsewhere. */
void destination_warn(const struct spec *spec, const struct labels *labels, const char *job_dir);

/* All is done but for the tables, for this reason: what to do. Returns the exit status. */
int destination_tell(const struct spec *spec, const char *job_dir, const struct run_options *options, const struct why *reason);
