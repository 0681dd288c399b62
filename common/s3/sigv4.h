/* sigv4.h: AWS Signature Version 4, by hand [OpenSSL].
 *
 * libcurl's own CURLOPT_AWS_SIGV4 signs some keys and queries wrongly, differently in each version. Here the steps have the names of the
 * specification: canonical request, string to sign, signing key, signature
 * (AWS: "Create a signed AWS API request"; S3: "Signature Calculations for the Authorization Header"). S3 wants paths encoded once and not normalised.
 *
 * Threads:   a struct sigv4_key belongs to one thread at a time; the rest has no state.
 * Ownership: the caller's buffers.
 * Errors:    those of bytes.h; -ENOMEM when OpenSSL has no memory. */
#pragma once

#include "common/bytes.h"

#include <time.h>

#define SIGV4_EMPTY_HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SIGV4_TIME       17 /* "20150830T123600Z" with its NUL */

/* The key of a day, a region and a service: made anew only when one of them, or the secret, has changed. Zeroed at first. */
struct sigv4_key {
    char secret[256], date[9], region[64], service[16];
    unsigned char key[32];
};

/* Who signs, when, for what place. */
struct sigv4_scope {
    const char *id, *secret;
    const char *region, *service;
    char time[SIGV4_TIME];
};

struct sigv4_header {
    const char *name, *value; /* name in lower case, value without blanks around it */
};

/* A request in its canonical parts. */
struct sigv4_request {
    const char *method;
    const char *path;  /* encoded by sigv4_encode_path() */
    const char *query; /* written by sigv4_query(); "" if there is none */
    const struct sigv4_header *headers; /* those that are signed, sorted by name */
    int header_count;
    const char *payload_hash; /* 64 hex digits of the body, or UNSIGNED-PAYLOAD */
};

struct sigv4_parameter {
    const char *name;
    const char *value; /* raw bytes */
    size_t size;
};

/* Seconds since 1970 as "20150830T123600Z". */
void sigv4_time(time_t seconds, char text[SIGV4_TIME]);

/* Every byte outside A-Z a-z 0-9 - . _ ~ becomes %XX; a path keeps its slashes as well. */
int sigv4_encode(struct bytes *out, const char *data, size_t size);
int sigv4_encode_path(struct bytes *out, const char *data, size_t size);

/* "a=1&b=": encoded and sorted by name. At most 16 parameters. */
int sigv4_query(struct bytes *out, const struct sigv4_parameter *parameters, int count);

int sigv4_canonical_request(struct bytes *out, const struct sigv4_request *request);
int sigv4_string_to_sign(struct bytes *out, const struct sigv4_scope *scope, const char *canonical, size_t size);

/* The value of the Authorization header. */
int sigv4_authorization(struct bytes *out, struct sigv4_key *key, const struct sigv4_scope *scope, const struct sigv4_request *request);
