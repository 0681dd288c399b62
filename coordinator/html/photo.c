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

void photos_open(struct photos *photos, struct s3_session *s3, uint64_t within_ns)
{
    *photos = (struct photos){ .s3 = s3, .end_ns = clock_now_ns() + within_ns };
}

void photos_close(struct photos *photos)
{
    s3_client_close(photos->client);
    photos->client = NULL;
}

static bool is_late(void *arg)
{
    return clock_now_ns() > ((const struct photos *)arg)->until_ns;
}

static int fetch(struct photos *photos, const char *uri, struct bytes *photo)
{
    struct why why;
    struct s3_uri object;
    uint64_t now = clock_now_ns();
    if (now >= photos->end_ns)
        return -ETIME;
    photos->until_ns = photos->end_ns - now < PATIENCE ? photos->end_ns : now + PATIENCE;
    int r = s3_uri_parse(uri, strlen(uri), &object, &why);
    if (r == 0 && !photos->client)
        r = s3_client_open(photos->s3, is_late, photos, &photos->client, &why);
    return r < 0 ? r : s3_client_get(photos->client, &object, photo, &why);
}

static int make_from_object(struct photos *photos, const char *uri, struct bytes *out)
{
    CLEANUP(bytes_done) struct bytes photo;
    bytes_init(&photo, PHOTO_CAP);
    int r = fetch(photos, uri, &photo);
    if (r < 0 || !photo.size)
        return r < 0 ? r : -EINVAL;
    CLEANUP(fclosep) FILE *file = fmemopen(photo.data, photo.size, "rb");
    return file ? thumbnail_make_from(file, out) : -errno;
}

int photos_make_small(struct photos *photos, const char *uri, struct bytes *out)
{
    if (*uri == '/')
        return thumbnail_make(uri, out);
    return photos->s3 && s3_uri_is(uri, strlen(uri)) ? make_from_object(photos, uri, out) : -ENOTSUP;
}
