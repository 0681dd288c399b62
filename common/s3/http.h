/* http.h: one small HTTP request to a service that gives out credentials [curl.h].
 *
 * Threads:   any; it waits, at most `total_ms`.
 * Ownership: the caller's.
 * Errors:    -EIO when there was no answer, -EFBIG above the cap of `answer`, -ENOMEM. Any status is an answer. The sentence names host and
 *            path, never a query or a header. */
#pragma once

#include "common/bytes.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#define HTTP_HEADERS_MAX 8

struct http_call {
    const char *method, *url;
    const char *headers[HTTP_HEADERS_MAX]; /* "Name: value"; the first NULL ends them */
    const char *body;                      /* NULL: none */
    size_t body_size;
    const char *ca_bundle;                 /* NULL: the system's */
    bool direct;                           /* never through a proxy: for services of this machine */
    long connect_ms, total_ms;
    time_t *date;                          /* where the answer's Date goes, 0 if it has none; NULL: not wanted */
    const atomic_bool *stop;               /* true ends it soon, with -EIO; NULL: never */
};

/* The host that would be asked, as libcurl understands the address ("[::1]" with its brackets), and whether it is over TLS. -EINVAL for what is no
 * http:// or https:// address, or has a password in it. */
int http_host(const char *url, char *host, size_t size, bool *ret_secure);

int http_ask(const struct http_call *call, struct bytes *answer, long *ret_status, struct why *why);
