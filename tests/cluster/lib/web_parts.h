/* web_parts.h: what the two halves of the server share: web.c has its sockets, web_answer.c decides what is answered. For those two only.
 *
 * Threads:   the server's, with the lock held where it is said.
 * Ownership: connections belong to the server. Errors: fail the test. */
#pragma once

#include "common/thread.h"
#include "tests/cluster/lib/web.h"

#include <pthread.h>
#include <stdatomic.h>

#define REQUEST_MAX 16384

struct object {
    struct object *next;
    char *path;
    char *data;
    size_t size;
    uint64_t requests;
};

/* How one request is answered. */
struct answer {
    int status, delay_ms;
    bool cuts, stalls, silent, resets, infinite, chunked, unmarked, lies;
    size_t cut, length;
    char etag[64], location[1024];
};

enum connection_state { READING, WAITING, WRITING, MUTE };

struct connection {
    struct connection *next, **at;
    int fd;
    enum connection_state state;
    uint64_t due_ns;
    char request[REQUEST_MAX];
    size_t request_size;
    struct answer answer;
    char head[2048];
    size_t head_size, head_sent;
    const char *body;
    size_t body_size, body_sent;
    bool ends; /* when the answer is out */
};

struct web {
    struct web_spec spec;
    struct thread thread;
    int epoll, wake, listener, port;
    atomic_bool stopping, down, is_down;
    pthread_mutex_t lock; /* of objects and counts */
    struct object *objects;
    struct web_counts counts;
    struct connection *connections;
    unsigned random;
};

/* The lock is held. The object of this path, or the one for all others; NULL: none. */
struct object *web_find(struct web *web, const char *path, size_t size);

/* The lock is held. Decides on the request that has been read. */
void web_decide(struct web *web, struct connection *c);

/* Writes the head of the answer, and says how much of the body goes with it. */
void web_write_head(const struct web *web, struct connection *c);
