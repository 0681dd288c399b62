/* web.h: an HTTP/1.1 server in a thread of the test, which answers well, late, or badly, as it is told, and counts.
 *
 *     struct web *web = web_start(&(struct web_spec){ .delay_ms = 30, .bad = 0.2, .kinds = "reset,503", .seed = 1 });
 *     web_put(web, "/a.jpg", data, size);              what is there; "*": whatever else is asked for
 *     web_url(web, "/a.jpg?status=503&times=2")        the address of it; this one fails twice, then is well
 *     web_down(web); ... web_up(web);                  nobody listens meanwhile
 *     web_stop(web);
 *
 * A path may say in its query how it wants to be answered (`times=N`: only the first N requests of it; without it, all):
 *
 *   delay=MS          later than the others           stall            half the body, then nothing more
 *   status=N          with this status, no body       silent           nothing at all
 *   cut=N             N bytes, then the end           reset            the connection is reset
 *   length=N          a Content-Length that lies      infinite         a body without end
 *   chunked           no Content-Length               etag=X           this ETag
 *   unmarked         neither: it ends with the connection
 *   redirect=URL      302 to URL (to the end of the query)
 *
 * `bad` and `kinds` do such things to a share of all requests: reset, truncate, stall, silent, or a status.
 *
 * Threads:   the test's one; the server's is inside. Counters may be read at any time.
 * Ownership: web_put() copies. web_stop() frees.
 * Errors:    fail the test. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct web_spec {
    int delay_ms;      /* before every answer */
    double bad;        /* 0 to 1 */
    const char *kinds; /* separated by commas */
    unsigned seed;
    bool closes;       /* no keep-alive: one answer a connection */
    int port;          /* 0: a free one */
    const char *wants; /* a request without this text is answered with 403; NULL: none */
};

struct web_counts {
    uint64_t requests, bad;     /* those answered badly by chance */
    uint64_t connections;       /* ever accepted */
    uint64_t bytes;             /* of bodies sent */
    int open, most_open;        /* connections */
    int waiting, most_waiting;  /* requests that are being answered */
};

struct web;

struct web *web_start(const struct web_spec *spec);
void web_stop(struct web *web);
int web_port(const struct web *web);

/* "http://127.0.0.1:PORT/path": valid until the next but seven calls. */
const char *web_url(const struct web *web, const char *path);

void web_put(struct web *web, const char *path, const void *data, size_t size);
struct web_counts web_counts(struct web *web);
uint64_t web_requests_of(struct web *web, const char *path); /* without its query */

void web_misbehave(struct web *web, double bad, const char *kinds); /* from now on */
void web_down(struct web *web); /* closes everything; connections are refused */
void web_up(struct web *web);
