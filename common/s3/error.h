/* error.h: what a store's refusal means, in one word for the program and one sentence for a person.
 *
 * Threads:   no state.
 * Ownership: plain memory.
 * Errors:    none: what cannot be understood is S3_SERVER or S3_OTHER by its status. */
#pragma once

#include "common/s3/retry.h"
#include "common/why.h"

#include <curl/curl.h>
#include <stddef.h>
#include <time.h>

#define S3_ERROR_BODY_MAX 65536 /* bytes of an answer that are worth keeping to explain it */

enum s3_fault {
    S3_OK,
    S3_NOT_FOUND,   /* no such key; a HEAD cannot tell it from S3_NO_BUCKET */
    S3_NO_BUCKET,
    S3_DENIED,
    S3_EXPIRED,     /* the session token has ended */
    S3_BAD_ID,      /* the store does not know the access key */
    S3_BAD_SECRET,  /* it computes another signature */
    S3_SKEW,        /* clocks differ too much */
    S3_REGION,      /* the bucket is elsewhere: `region` */
    S3_CHANGED,     /* If-Match did not */
    S3_RANGE,       /* no such bytes */
    S3_ARCHIVED,    /* in cold storage */
    S3_THROTTLED,
    S3_SERVER,
    S3_TIMEOUT,
    S3_CONNECTION,  /* refused, reset, cut off, not resolved */
    S3_CERTIFICATE,
    S3_STOPPED,     /* by us */
    S3_NO_MEMORY,
    S3_OTHER,
};

struct s3_error {
    enum s3_fault fault;
    long status;          /* of HTTP; 0: there was none */
    CURLcode curl;
    char code[64];        /* "NoSuchKey" */
    char message[256];    /* the store's own words, or libcurl's; printable */
    char region[64];
    time_t date;          /* of the answer; 0: not told */
};

/* What a finished transfer says. `detail`: CURLOPT_ERRORBUFFER's text; may be NULL. `body` is looked at only when the status is no success. */
void s3_error_read(struct s3_error *ret, CURL *curl, CURLcode code, const char *detail, const char *body, size_t size);

/* The same from its parts: the status, and the body of an answer. */
void s3_error_parse(struct s3_error *ret, long status, const char *body, size_t size);

enum retry_kind s3_error_retry(const struct s3_error *error);

/* Negative errno: -ENOENT; -EACCES, -EKEYEXPIRED, -EKEYREJECTED; -EREMOTE (another region); -ESTALE (changed); -ERANGE; -EBUSY (throttled);
 * -ETIMEDOUT; -EPROTO (certificate); -ECANCELED; -ENOMEM; -EIO for the rest. */
int s3_error_errno(const struct s3_error *error);

/* What a sentence is about. */
struct s3_subject {
    const char *object;  /* "s3://bucket/key" */
    const char *bucket;
    const char *host;    /* "s3.eu-west-1.amazonaws.com" */
    const char *region;  /* that the request was signed for */
    const char *who;     /* where the credentials came from; NULL: the request was not signed */
    const char *trouble; /* why they could not be renewed; "" if they could */
};

/* Writes the sentence and returns s3_error_errno(). */
int s3_error_because(const struct s3_error *error, const struct s3_subject *on, struct why *why);
