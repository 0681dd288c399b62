/* shared_session.h: the S3 session that all loops of a worker share, opened when the first s3:// item comes.
 *
 * Finding credentials may take seconds where a service on the network is asked, and so does renewing them; it happens on a thread of its own, and
 * items wait meanwhile.
 *
 * Threads:   any, apart from shared_session_new() and shared_session_free(), which joins.
 * Ownership: the session is the shared session's, and lives as long.
 * Errors:    shared_session_state() says that it could not be opened; asked again after a while, it tries again. */
#pragma once

#include "common/s3/session.h"

struct shared_session;

enum shared_state { SHARED_OPENING, SHARED_OPEN, SHARED_FAILED };

int shared_session_new(const struct s3_options *options, struct shared_session **ret);
void shared_session_free(struct shared_session *shared); /* accepts NULL */

/* Begins to open the session if nobody has. `why`, of SHARED_FAILED, with its code in `ret_r`. */
enum shared_state shared_session_state(struct shared_session *shared, int *ret_r, struct why *why);

/* Only when SHARED_OPEN. */
struct s3_session *shared_session_get(struct shared_session *shared);
