/* cache.h: files from the web or an object store, downloaded once.
 *
 * An address is http://, https:// or s3://, and may end in #sha256=<64 hex digits>: then only that content is taken. A file in the cache is called
 * <digits of the address's hash>_<last part of the address>; it is there whole or not at all, and deleting it makes the next use fetch
 * it again. Digits of a hash in a file's name (sha256_in_name()) are checked too. Over http:// only a file whose hash or digits are known is taken,
 * except from this machine itself. What a killed process left half fetched is removed by the next one that fetches.
 *
 * Threads:   any, also of several processes on one cache: the worst is that a file is fetched twice.
 * Ownership: the caller's buffers.
 * Errors:    those of download() and of the file system; -EBADMSG when the content is not the one that was wanted, -EINVAL for an
 *            impossible address. */
#pragma once

#include "common/s3/config.h"
#include "common/sha256.h"

#include <limits.h>
#include <stdbool.h>

struct cached {
    char path[PATH_MAX];
    char sha256[SHA256_HEX];
};

bool cache_is_url(const char *uri);

/* Whether what a person gave is a path, or an address that a file will be taken from: by its form alone. */
int cache_check_given(const char *given, struct why *why);

/* Whether the address is one that can be used. No sentence shows a query or a password. */
int cache_check_url(const char *uri, struct why *why);

/* `folder`: NULL for $XDG_CACHE_HOME/sleddog or ~/.cache/sleddog; made when missing. */
int cache_folder(const char *folder, char path[PATH_MAX], struct why *why);

/* Where the file of an address is, if it is in the cache with this content; -ENOENT. Downloads nothing. `s3` as below. */
int cache_find(const char *folder, const char *uri, const char *sha256, const struct s3_options *s3, char path[PATH_MAX]);

/* `folder` as above. `sha256`: "" for any. `s3`: which store s3:// means; NULL: as environment and profile say. `tell` is called before a download, with the
 * address as it may be shown; may be NULL. */
int cache_get(const char *folder, const char *uri, const char *sha256, const struct s3_options *s3, void (*tell)(const char *url), struct cached *ret,
              struct why *why);
