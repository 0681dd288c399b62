/* locate.h: the file behind what --weights names: itself, or the cached copy of what is at an address.
 *
 * Threads:   any.
 * Ownership: the caller's buffers.
 * Errors:    those of cache_get(). A download is logged. */
#pragma once

#include "common/cache.h"
#include "common/s3/config.h"

/* `sha256`: of what an address must hold, "" for any; a local file is not read. `cache`: NULL for the usual folder. ret->sha256 is only set for an address. */
int locate_weights(const char *uri, const char *sha256, const char *cache, const struct s3_options *s3, struct cached *ret, struct why *why);
