/* client.h: one request after another, each waited for: what the coordinator needs of a store [curl.h].
 *
 * Retries, the region a bucket turns out to be in, clock differences and renewed credentials are dealt with inside. An object is written whole
 * or not at all: up to 8 MiB in one PUT, more in parts that become an object at the end, or are given up.
 *
 * Threads:   a client belongs to one thread at a time (it keeps one connection); several may share a session.
 * Ownership: s3_client_open() to s3_client_close(); the session is the caller's.
 * Errors:    those of s3_error_errno(), -ECANCELED when `stopped` said so, -EFBIG above a limit; the sentence names the object. */
#pragma once

#include "common/bytes.h"
#include "common/s3/list.h"
#include "common/s3/request.h"

struct s3_client;

/* `stopped`: asked now and then while waiting; true ends the call. May be NULL. */
int s3_client_open(struct s3_session *session, bool (*stopped)(void *arg), void *arg, struct s3_client **ret, struct why *why);
void s3_client_close(struct s3_client *client); /* accepts NULL */

/* How long a connection may take, and how long a transfer may stand still: 10 s and 60 s unless told otherwise. */
void s3_client_patience(struct s3_client *client, long connect_ms, long stall_s);

/* Items are handed over when the page is whole. `token`: where the next one begins; "" at the end. It may be the array that page->token
 * points to. */
int s3_client_list(struct s3_client *client, struct s3_page_call *page, s3_on_item *on_item, void *arg, char token[S3_TOKEN_MAX], struct why *why);

struct s3_head {
    uint64_t size;
    char etag[S3_ETAG_MAX];
};

int s3_client_head(struct s3_client *client, const struct s3_uri *uri, struct s3_head *ret, struct why *why);

/* The whole object, appended to `out`, whose cap is the limit. After an error `out` is not to be used. */
int s3_client_get(struct s3_client *client, const struct s3_uri *uri, struct bytes *out, struct why *why);

/* The same into a file, from its beginning. */
int s3_client_save(struct s3_client *client, const struct s3_uri *uri, int fd, uint64_t max, struct why *why);

/* Bytes first..first+size-1 of an object that still has this ETag (NULL: any), appended likewise. -ESTALE when it has another. */
int s3_client_get_range(struct s3_client *client, const struct s3_uri *uri, uint64_t first, uint64_t size, const char *etag, struct bytes *out,
                        struct why *why);

int s3_client_put(struct s3_client *client, const struct s3_uri *uri, const void *data, size_t size, const char *content_type, struct why *why);
/* Whether an object may be written there, without writing one: begins an upload in parts and gives it up. -EACCES: it may not. Other errors say nothing
 * about that: not every store takes uploads in parts. */
int s3_client_try_put(struct s3_client *client, const struct s3_uri *uri, struct why *why);
int s3_client_delete(struct s3_client *client, const struct s3_uri *uri, struct why *why);

/* An object written piece by piece, at most 80 GB. finish or abort ends it; after a failed write nothing more is sent, and finish fails as the
 * write did. Whatever fails, the parts that the store has are given up. */
struct s3_upload;

int s3_upload_open(struct s3_client *client, const struct s3_uri *uri, const char *content_type, struct s3_upload **ret, struct why *why);
int s3_upload_write(struct s3_upload *upload, const void *data, size_t size, struct why *why);
int s3_upload_finish(struct s3_upload *upload, struct why *why); /* frees it, also after an error */
void s3_upload_abort(struct s3_upload *upload);                  /* frees it; accepts NULL */
