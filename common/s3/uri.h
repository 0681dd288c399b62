/* uri.h: addresses of the kind s3://bucket/key.
 *
 * A key is any 1 to 1024 bytes, taken as they are: nothing is decoded, collapsed or normalised, so "s3://b//a/../%41?x" has the key
 * "/a/../%41?x". Bucket names are those that any store has ever allowed: 1 to 255 of A-Z a-z 0-9 . _ - (AWS today: 3 to 63, lower case).
 *
 * Threads:   no state.
 * Ownership: a parsed address points into the text it was read from.
 * Errors:    -EINVAL with a sentence that names the address. */
#pragma once

#include "common/why.h"

#include <stdbool.h>
#include <stddef.h>

#define S3_KEY_MAX    1024
#define S3_BUCKET_MAX 255

struct s3_uri {
    char bucket[S3_BUCKET_MAX + 1];
    const char *key; /* not followed by a NUL */
    size_t key_size; /* 0: the whole bucket */
};

bool s3_uri_is(const char *uri, size_t size); /* begins with s3:// */
int s3_uri_parse(const char *uri, size_t size, struct s3_uri *ret, struct why *why);

/* Whether the bucket may be the first label of a host name (3 to 63 of a-z 0-9 -, beginning and ending with no dash); dotted
 * names may not: no certificate covers them. */
bool s3_bucket_is_label(const char *bucket);
