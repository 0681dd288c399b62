/* photo.h: the small pictures of images wherever those are: local files, or objects of the job's store.
 *
 *     photos_open(&photos, s3, 20 * NS_PER_S);     for all of them together: a report must not wait for a store that is slow or away
 *     photos_make_small(&photos, uri, &jpeg);
 *     photos_close(&photos);
 *
 * Threads:   one at a time.
 * Ownership: appends to `out`; the session is the caller's.
 * Errors:    negative errno, -ETIME when the time is over; nothing is appended then. */
#pragma once

#include "common/bytes.h"

#include <stdint.h>

struct s3_client;
struct s3_session;

struct photos {
    struct s3_session *s3;    /* NULL: objects have no picture */
    struct s3_client *client; /* made when the first is asked for */
    uint64_t end_ns;          /* of all */
    uint64_t until_ns;        /* of the one that is being fetched */
};

void photos_open(struct photos *photos, struct s3_session *s3, uint64_t within_ns);
void photos_close(struct photos *photos);

int photos_make_small(struct photos *photos, const char *uri, struct bytes *out);
