/* objectstore.h: the S3 store of a job: what its description keeps of it, and the session of a run.
 *
 * The description has no secrets: whoever goes on with a job has credentials of his own.
 *
 * Threads:   the main thread's.
 * Ownership: s3_session_close() for a session.
 * Errors:    negative errno with a sentence. */
#pragma once

#include "common/s3/session.h"
#include "coordinator/spec.h"
#include "proto/tuning.h"

/* Puts into the description what options, environment and profile say of the store. An environment that makes no sense matters only to a job that
 * reads or writes objects. */
int objectstore_describe(const struct s3_options *options, struct spec *spec, struct why *why);

/* Whether the coordinator itself reads or writes objects. */
bool objectstore_is_needed(const struct spec *spec);

/* Where the job's store is: as its description has it; `options` win over that. The texts belong to the two. */
struct s3_options objectstore_options(const struct spec *spec, const struct s3_options *options);

/* A session with the job's store, as the description has it; `options` win over that. */
int objectstore_session(const struct spec *spec, const struct s3_options *options, struct s3_session **ret, struct why *why);

/* The session that sources and output need, which waits for a store as long as --store-timeout says; NULL when they need none. */
int objectstore_open(const struct spec *spec, const struct tuning *tuning, struct s3_session **ret, struct why *why);
