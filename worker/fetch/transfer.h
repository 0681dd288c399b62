/* transfer.h: one GET under way: its easy handle, the bytes that have come, and the part of the budget they stand for [curl.h].
 *
 * A body is taken in only within what was reserved for it, so that memory is taken once, whole, and before it comes: a body that turns out larger
 * asks for more in passing; if that is not to be had at once, the transfer ends (TRANSFER_LARGER), holds nothing, and begins again when its turn
 * in the budget's line has come. So transfers never wait for each other with half a file in their hands.
 *
 * Threads:   one, its loop's.
 * Ownership: a transfer owns what it reserved and read until transfer_take(). Handles, with their options, are kept from GET to GET.
 * Errors:    negative errno; what the store says is in struct s3_error. */
#pragma once

#include "common/s3/request.h"
#include "worker/blocks.h"
#include "worker/budget.h"
#include "worker/fetch/get.h"

#include <curl/curl.h>
#include <stdbool.h>

/* How it ended. */
enum transfer_end {
    TRANSFER_WHOLE,     /* the body is there, and as long as it should be */
    TRANSFER_REFUSED,   /* the store, or the way to it, says no: see the struct s3_error */
    TRANSFER_LARGER,    /* needs `wanted` bytes */
    TRANSFER_TOO_LARGE, /* has `wanted` bytes or more */
    TRANSFER_CHANGED,   /* is not what was listed */
    TRANSFER_UNMEASURED, /* neither the server nor the list says how long it is: it could be a part */
    TRANSFER_NO_MEMORY,
    TRANSFER_STALLED,   /* no answer, or far too slowly */
};

struct transfer_limits {
    size_t file_bytes;      /* of one file */
    long connect_ms;
    const char *ca_bundle;  /* of plain addresses; NULL: libcurl's own */
    struct blocks *blocks;  /* where the memory comes from */
};

struct transfer {
    struct transfer *next, **at; /* among the loop's */
    const struct transfer_limits *limits;
    struct budget *budget;
    CURL *curl;
    bool dressed_for_s3;   /* whose options the handle has */
    bool secure;           /* an https:// address: it may not lead to http:// */
    struct get *get;
    int place;             /* in get->running */
    uint64_t start_ns;
    uint64_t looked_ns;    /* when the loop last saw it move */
    size_t looked_size;
    /* the answer */
    bool begun;            /* its first bytes have come */
    bool is_body;          /* and they are of the item */
    enum transfer_end stop; /* why the body was not taken; TRANSFER_WHOLE: it was */
    size_t wanted;
    size_t reserved;
    char *data;
    size_t size, capacity;
    struct bytes refusal;  /* the body of a refusal */
    struct s3_call call;
    struct s3_uri uri;
    struct s3_request request;
    char detail[CURL_ERROR_SIZE];
};

int transfer_new(const struct transfer_limits *limits, struct budget *budget, struct transfer **ret);
void transfer_free(struct transfer *transfer); /* accepts NULL */

/* Makes ready for `get`, with `reserved` bytes of the budget. `session` is for s3://. */
int transfer_prepare(struct transfer *transfer, struct get *get, size_t reserved, bool fresh, struct s3_session *session, struct sigv4_key *key,
                     struct why *why);

enum transfer_end transfer_end(struct transfer *transfer, CURLcode code, struct s3_error *ret);

/* Hands over the body, a block: `ret_size` bytes of the budget go with it. */
char *transfer_take(struct transfer *transfer, size_t *ret_size); /* NULL: no memory */

/* Gives back all that the last GET took. */
void transfer_clear(struct transfer *transfer);
