/* wire.h: many transfers in one thread: curl_multi with epoll below it [curl.h], so a round costs what happened in it and not what is open.
 *
 *     wire_open(&wire, 128); wire_add_fd(&wire, mailbox.fd);
 *     wire_begin(&wire, curl);          wire_wait(&wire, 20);          while ((curl = wire_ended(&wire, &code))) ...
 *
 * Threads:   one.
 * Ownership: easy handles are the caller's; wire_remove() before one is freed or used again.
 * Errors:    negative errno. */
#pragma once

#include <curl/curl.h>
#include <stdint.h>

struct wire {
    CURLM *multi;
    int epoll;
    uint64_t timer_ns; /* when libcurl wants to be called; UINT64_MAX: not */
    int error;         /* of epoll, at a moment when libcurl could not be told */
};

int wire_open(struct wire *wire, int connections); /* so many are kept at most, idle ones included */
void wire_close(struct wire *wire); /* all handles removed; accepts one that was not opened, if zeroed */

/* Something readable there ends wire_wait(). */
int wire_add_fd(struct wire *wire, int fd);

int wire_begin(struct wire *wire, CURL *curl);
void wire_remove(struct wire *wire, CURL *curl);

/* Lets transfers go on; returns after `timeout_ms` at the latest (negative: any time). */
int wire_wait(struct wire *wire, int timeout_ms);

/* A transfer that has ended and is not removed yet; NULL if there is none. */
CURL *wire_ended(struct wire *wire, CURLcode *ret_code);
