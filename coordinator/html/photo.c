#include "coordinator/html/photo.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/s3/client.h"
#include "coordinator/html/thumbnail.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* It is only a picture in a report: larger photos, and slower stores, go without. */
#define PHOTO_CAP (16u << 20)
#define PATIENCE  (10 * NS_PER_S)

DEFINE_FREEP(s3_client_close, struct s3_client)

static bool is_late(void *arg)
{
    return clock_now_ns() > *(const uint64_t *)arg;
}

static int fetch(struct s3_session *s3, const char *uri, struct bytes *photo)
{
    struct why why;
    struct s3_uri object;
    uint64_t deadline = clock_now_ns() + PATIENCE;
    CLEANUP(s3_client_closep) struct s3_client *client = NULL;
    int r = s3_uri_parse(uri, strlen(uri), &object, &why);
    if (r == 0)
        r = s3_client_open(s3, is_late, &deadline, &client, &why);
    return r < 0 ? r : s3_client_get(client, &object, photo, &why);
}

static int make_from_object(struct s3_session *s3, const char *uri, struct bytes *out)
{
    CLEANUP(bytes_done) struct bytes photo;
    bytes_init(&photo, PHOTO_CAP);
    int r = fetch(s3, uri, &photo);
    if (r < 0 || !photo.size)
        return r < 0 ? r : -EINVAL;
    CLEANUP(fclosep) FILE *file = fmemopen(photo.data, photo.size, "rb");
    return file ? thumbnail_make_from(file, out) : -errno;
}

int photo_make_small(struct s3_session *s3, const char *uri, struct bytes *out)
{
    if (*uri == '/')
        return thumbnail_make(uri, out);
    return s3 && s3_uri_is(uri, strlen(uri)) ? make_from_object(s3, uri, out) : -ENOTSUP;
}
