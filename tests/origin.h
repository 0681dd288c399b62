/* origin.h: a small HTTP server inside a test: a function answers each request, well or badly.
 *
 *     static void answer(void *arg, int fd, const struct origin_request *request) { origin_answer(fd, 200, "X: y\r\n", "text", 4); }
 *     struct origin *origin = origin_start(answer, arg);      ... origin_url(origin) is "http://127.0.0.1:PORT"
 *
 * Threads:   one for each connection; the function is called by one of them at a time, and all it did is seen after origin_count().
 * Ownership: origin_stop() ends all connections; the request is valid during the call only.
 * Errors:    fail the test. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct origin;

struct origin_request {
    const char *method, *target; /* "GET", "/path?query" */
    const char *headers;         /* "Name: value\r\n..." */
    const char *body;
    size_t body_size;
    int number;                  /* of all requests to this server, from 0 */
};

typedef void origin_handler(void *arg, int fd, const struct origin_request *request);

struct origin *origin_start(origin_handler *handler, void *arg);
void origin_stop(struct origin *origin);
const char *origin_url(const struct origin *origin);
int origin_count(struct origin *origin); /* requests so far */

/* The value of a header; false when it is not there. */
bool origin_header(const struct origin_request *request, const char *name, char *value, size_t size);

/* A whole answer with a Content-Length; `headers` are lines that end in \r\n. */
void origin_answer(int fd, int status, const char *headers, const void *body, size_t size);
void origin_send(int fd, const void *data, size_t size);
