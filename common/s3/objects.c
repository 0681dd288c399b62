/* objects.c: whole objects, and parts of them: one exchange each. A body without a known end is never taken for a whole one. */
#include "common/s3/exchange.h"

#include "common/write.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static struct s3_call call_for(const char *method, const struct s3_uri *uri)
{
    return (struct s3_call){ .method = method, .bucket = uri->bucket, .key = uri->key, .key_size = uri->key_size };
}

int s3_client_head(struct s3_client *client, const struct s3_uri *uri, struct s3_head *ret, struct why *why)
{
    struct exchange exchange = { .call = call_for("HEAD", uri) };
    curl_off_t size = 0;
    int r = s3_client_exchange(client, &exchange, why);
    if (r < 0)
        return r;
    curl_easy_getinfo(s3_client_handle(client), CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &size);
    *ret = (struct s3_head){ .size = size > 0 ? (uint64_t)size : 0 };
    s3_client_etag(client, ret->etag);
    return 0;
}

/* What comes goes behind what was there; an attempt that fails is forgotten. */
struct getting {
    const struct s3_client *client;
    struct bytes *out;
    size_t start;
    uint64_t wanted; /* bytes of a range; 0: all there are */
};

static int begin_get(void *arg)
{
    struct getting *getting = arg;
    if (getting->out->size > getting->start) {
        getting->out->size = getting->start;
        getting->out->data[getting->start] = '\0';
    }
    return bytes_error(getting->out);
}

static int take_get(void *arg, const char *data, size_t size)
{
    return bytes_append(((struct getting *)arg)->out, data, size);
}

static void spoil(struct s3_error *error, const char *message)
{
    error->fault = S3_CONNECTION;
    snprintf(error->message, sizeof(error->message), "%s", message);
}

static void check_whole(const struct s3_client *client, struct s3_error *error)
{
    if (!s3_answer_has_end(s3_client_handle(client)))
        spoil(error, "the answer does not say how long it is");
}

/* A part is no success. */
static void check_got(void *arg, struct s3_error *error)
{
    const struct getting *getting = arg;
    if (!getting->wanted)
        check_whole(getting->client, error);
    else if (getting->out->size - getting->start != getting->wanted)
        spoil(error, "other bytes came than were asked for");
}

int s3_client_get(struct s3_client *client, const struct s3_uri *uri, struct bytes *out, struct why *why)
{
    struct getting getting = { client, out, out->size, 0 };
    struct exchange exchange = { .call = call_for("GET", uri), .begin = begin_get, .receive = take_get, .check = check_got, .arg = &getting };
    return s3_client_exchange(client, &exchange, why);
}

/* Into a file: each attempt begins it anew. */
struct saving {
    const struct s3_client *client;
    int fd, error; /* of the file */
    uint64_t size, max;
};

static int begin_save(void *arg)
{
    struct saving *saving = arg;
    saving->size = 0;
    saving->error = ftruncate(saving->fd, 0) < 0 || lseek(saving->fd, 0, SEEK_SET) < 0 ? -errno : 0;
    return saving->error;
}

static int take_save(void *arg, const char *data, size_t size)
{
    struct saving *saving = arg;
    if (size > saving->max - saving->size)
        return saving->error = -EFBIG;
    saving->error = write_all(saving->fd, data, size);
    saving->size += size;
    return saving->error;
}

static void check_saved(void *arg, struct s3_error *error)
{
    const struct saving *saving = arg;
    check_whole(saving->client, error);
}

int s3_client_save(struct s3_client *client, const struct s3_uri *uri, int fd, uint64_t max, struct why *why)
{
    struct saving saving = { .client = client, .fd = fd, .max = max };
    struct exchange exchange = { .call = call_for("GET", uri), .begin = begin_save, .receive = take_save, .check = check_saved, .arg = &saving };
    char object[512];
    int r = s3_client_exchange(client, &exchange, why);
    s3_call_name(&exchange.call, object, sizeof(object));
    if (r < 0 && saving.error == -EFBIG)
        return because(why, -EFBIG, "%s: larger than the %llu bytes that are taken", object, (unsigned long long)max);
    return r < 0 && saving.error ? because(why, saving.error, "%s: cannot write what comes: %s", object, strerror(-saving.error)) : r;
}

int s3_client_get_range(struct s3_client *client, const struct s3_uri *uri, uint64_t first, uint64_t size, const char *etag, struct bytes *out,
                        struct why *why)
{
    struct getting getting = { client, out, out->size, size };
    struct exchange exchange = { .call = call_for("GET", uri), .begin = begin_get, .receive = take_get, .check = check_got, .arg = &getting };
    exchange.call.ranged = true;
    exchange.call.first = first;
    exchange.call.last = first + size - 1;
    exchange.call.if_match = etag;
    return s3_client_exchange(client, &exchange, why);
}

int s3_client_delete(struct s3_client *client, const struct s3_uri *uri, struct why *why)
{
    struct exchange exchange = { .call = call_for("DELETE", uri) };
    return s3_client_exchange(client, &exchange, why);
}
