/* photo.h: the small picture of an image wherever that is: a local file, or an object of the job's store.
 *
 * Threads:   one at a time.
 * Ownership: appends to `out`.
 * Errors:    negative errno; nothing is appended then. */
#pragma once

#include "common/bytes.h"

struct s3_session;

/* `s3` may be NULL: then objects have no picture. */
int photo_make_small(struct s3_session *s3, const char *uri, struct bytes *out);
