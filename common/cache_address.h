/* cache_address.h: the address of a file in the cache (cache.h), taken apart.
 *
 * Threads:   any. Ownership: the caller's buffers. Errors: -EINVAL with a sentence that shows no query and no password. */
#pragma once

#include "common/sha256.h"
#include "common/why.h"

#define CACHE_URL_MAX 4096

struct cache_address {
    char url[CACHE_URL_MAX];   /* without its #sha256= */
    char shown[CACHE_URL_MAX]; /* and as it may be shown */
    char sha256[SHA256_HEX];   /* in lower case; "": any content */
};

int cache_address_parse(const char *uri, struct cache_address *ret, struct why *why);
