/* download.h: one file over http:// or https:// into a descriptor [curl.h].
 *
 * Follows redirects, never from https to http. Certificates are checked against the system's authorities, or those in the file that
 * SSL_CERT_FILE or CURL_CA_BUNDLE names. A web page (text/html) is refused: it is never the file. Proxies are taken from the environment, as by curl.
 *
 * Threads:   any, and several at once; it waits until the file is there, has failed, or has stood still for a minute.
 * Ownership: the descriptor stays the caller's; after an error its content is worth nothing.
 * Errors:    -ENOENT (404), -EACCES (401, 403), -EFBIG above `max` bytes, -ECANCELED after download_stop(), -EIO for the rest of what networks
 *            do, or the file system's own; the sentence names the address, without its query. */
#pragma once

#include "common/why.h"

#include <stdbool.h>
#include <stdint.h>

int download(const char *url, int fd, uint64_t max, struct why *why);

/* Ends all downloads of this process, present and future, soon. */
void download_stop(void);
bool download_is_stopped(void);
