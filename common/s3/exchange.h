/* exchange.h: what the files of the client share: one request, its answer, and all that is tried until there is one.
 *
 * Threads:   the client's.
 * Ownership: the caller's; texts of the call must live as long.
 * Errors:    those of client.h. */
#pragma once

#include "common/s3/client.h"

struct exchange {
    struct s3_call call;
    int (*begin)(void *arg);                                /* before each attempt; NULL: nothing to do */
    int (*receive)(void *arg, const char *data, size_t size);  /* the body of a success; NULL: not wanted */
    void (*check)(void *arg, struct s3_error *error);       /* a success may be none after all; NULL: it is */
    void *arg;
    bool last_wish;        /* is done although the client was stopped */
    struct s3_error error; /* of the last attempt */
    int attempts;          /* that were made */
    int rounds;            /* of attempts, that failed */
    uint64_t failing_ns;   /* when the first one did; 0: none */
};

int s3_client_exchange(struct s3_client *client, struct exchange *exchange, struct why *why);

/* Of the last answer; "" if it had none. */
void s3_client_etag(struct s3_client *client, char etag[S3_ETAG_MAX]);

/* As the last exchange left it. */
CURL *s3_client_handle(const struct s3_client *client);
