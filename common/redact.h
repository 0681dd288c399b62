/* redact.h: addresses as they may be shown: without passwords and query strings, where presigned addresses keep their signature.
 *
 * Threads: no state. Ownership: `out` is the caller's. Errors: those of bytes.h. */
#pragma once

#include "common/bytes.h"

/* "https://me:pw@host/a?X-Amz-Signature=1#f" becomes "https://host/a?..."; what is not http:// or https:// stays as it is (a '?' is an ordinary
 * letter of an S3 key). */
int uri_redact(struct bytes *out, const char *uri, size_t size);

/* Length of the scheme of "SCHEME://..." (RFC 3986, 3.1); 0: it has none. */
size_t uri_scheme(const char *text);

/* uri_redact() for a sentence, cut off at `room` bytes; `otherwise`, where there is nothing to show or no memory. */
void uri_show(char *text, size_t room, const char *uri, size_t size, const char *otherwise);
