/* request.h: one signed request, ready for an easy handle: on its own or in a multi loop [curl.h].
 *
 *     struct s3_call call = { .method = "GET", .bucket = "b", .key = key, .key_size = size, .if_match = etag };
 *     s3_request_build(&request, session, &day_key, &call, &why);
 *     s3_request_apply(&request, curl);
 *     ... write function, curl_multi_add_handle(), and when it is done:
 *     s3_error_read(&error, curl, code, detail, body, size);
 *     if (error.fault && s3_session_again(session, &attempt, &request, &error, &delay_ns)) ... s3_request_done(), wait, build again
 *     s3_request_done(&request);
 *
 * Building neither waits nor holds a lock. A signature is good for 15 minutes; sign anew for each attempt.
 *
 * Threads:   a request, and the day's key, belong to one thread at a time.
 * Ownership: s3_request_done() after the transfer has ended: the handle points to the headers. The call's texts, bucket and key must
 *            outlive the request.
 * Errors:    -EINVAL for an impossible bucket or key, -ENOMEM. */
#pragma once

#include "common/s3/list.h"
#include "common/s3/session.h"
#include "common/s3/sigv4.h"
#include "common/s3/uri.h"

#include <curl/curl.h>

#define S3_CALL_PARAMETERS 8

/* What is wanted. */
struct s3_call {
    const char *method;   /* GET, HEAD, PUT, POST, DELETE */
    const char *bucket;
    const char *key;      /* raw bytes */
    size_t key_size;      /* 0: the bucket itself */
    struct sigv4_parameter parameters[S3_CALL_PARAMETERS];
    int parameter_count;
    const char *if_match; /* an ETag, with its quotes or without; NULL: any */
    bool ranged;          /* bytes first..last, both included */
    uint64_t first, last;
    const void *body;
    size_t body_size;
    const char *content_type; /* NULL: none sent */
};

struct s3_request {
    const struct s3_call *call;
    const struct s3_config *config;
    char *url;
    char host[S3_BUCKET_MAX + 256];  /* with its port */
    struct curl_slist *headers;
    struct credentials *credentials; /* that it is signed with; NULL: unsigned */
    char region[S3_REGION_MAX];
    time_t offset_s;                 /* of the store's clock that was assumed */
};

/* `key`: the caller's day key, used again and again (sigv4.h). */
int s3_request_build(struct s3_request *ret, struct s3_session *session, struct sigv4_key *key, const struct s3_call *call, struct why *why);
void s3_request_done(struct s3_request *request);

/* Sets URL, method, headers, body, authorities and what is the same for all requests (PATH_AS_IS, HTTP/1.1, NOSIGNAL, http and https only, no
 * redirects). Where the answer goes, and all times, are the caller's to set. */
void s3_request_apply(const struct s3_request *request, CURL *curl);

/* Of a finished transfer: whether the answer said where its body ends. One without length or chunks ends when the connection does, for whatever reason. */
bool s3_answer_has_end(CURL *curl);

/* A page of at most `limit` keys (0: the store's 1000) that begin with `prefix`. With `delimiter` ("/" or NULL) what lies deeper is folded
 * into common prefixes. `token`: of the page before; NULL with start_after, or both NULL. */
struct s3_page_call {
    const char *bucket;
    const char *prefix;
    size_t prefix_size;
    const char *delimiter;
    const char *token;
    const char *start_after;
    size_t start_after_size;
    int limit;
    char limit_text[12], after_text[S3_KEY_MAX + 8]; /* scratch */
};

void s3_call_list(struct s3_call *ret, struct s3_page_call *page);

/* "s3://bucket/key" for messages; printable. */
void s3_call_name(const struct s3_call *call, char *text, size_t size);
