/* session.h: one store as a program sees it: where it is, who we are, and what its answers have taught us since.
 *
 * A session is shared by everybody who speaks with the store: the regions of buckets, the difference of clocks, credentials and the retry
 * budget are learnt once.
 *
 * Threads:   any, apart from open and close; no call waits for the network but those two.
 * Ownership: s3_session_open() to s3_session_close(); requests must be done by then.
 * Errors:    those of config.h and credentials.h. */
#pragma once

#include "common/s3/config.h"
#include "common/s3/credentials.h"
#include "common/s3/error.h"
#include "common/s3/retry.h"

struct s3_session;

/* Also finds the first credentials. */
int s3_session_open(const struct s3_options *options, struct s3_session **ret, struct why *why);
void s3_session_close(struct s3_session *session); /* accepts NULL */

const struct s3_config *s3_session_config(const struct s3_session *session);
struct retry_budget *s3_session_budget(struct s3_session *session);

/* To be released; NULL when requests are not signed. */
struct credentials *s3_session_credentials(struct s3_session *session);

/* What the store's clock shows less what ours does, in seconds, as far as it has told. */
time_t s3_session_offset(const struct s3_session *session);
void s3_session_set_offset(struct s3_session *session, time_t offset_s); /* for tests */

/* Where the bucket is, as far as is known. */
void s3_session_region(struct s3_session *session, const char *bucket, char region[S3_REGION_MAX]);

/* What one request has been through: attempts, and what was learnt from its failures (region and clock at most once). Zeroed at first; kept over rebuilds. */
struct s3_try {
    struct retry retry;
    bool moved, clocked;
    int renewals;
};

struct s3_request;

/* After a failure of `request`: learns from it, and says whether to build and send it again, and after how long. */
bool s3_session_again(struct s3_session *session, struct s3_try *attempt, const struct s3_request *request, const struct s3_error *error,
                      uint64_t *ret_delay_ns);
void s3_session_succeeded(struct s3_session *session, struct s3_try *attempt);

/* How long requests wait for a store that answered before and now is in trouble, beyond their attempts; 0, as it is at first: not at all. */
void s3_session_set_wait(struct s3_session *session, uint64_t wait_ns);

/* Whether a request goes on that has used up its attempts, the first of which failed at `failing_ns` [clock.h]. */
bool s3_session_waits(struct s3_session *session, const struct s3_error *error, uint64_t failing_ns);

/* Says once that the store is waited for, and once that it answers again. */
void s3_session_tell_waiting(struct s3_session *session, const struct why *why);

/* The sentence: what was asked for, what the store says to it, what to do. Returns s3_error_errno(). */
int s3_session_because(struct s3_session *session, const struct s3_request *request, const struct s3_error *error, struct why *why);
