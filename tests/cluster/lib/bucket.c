#include "tests/cluster/lib/bucket.h"

#include "common/s3/client.h"

#define MUST(call)                                                             \
    do {                                                                       \
        struct why why_ = { "" }, *const why = &why_;                          \
        int r_ = (call);                                                       \
        if (r_ < 0)                                                            \
            test_fail(__FILE__, __LINE__, "%s: %d: %s", #call, r_, why_.text); \
    } while (0)

static struct s3_uri object(const struct bucket *bucket, const void *key, size_t size)
{
    struct s3_uri uri = { .key = key, .key_size = size };
    snprintf(uri.bucket, sizeof(uri.bucket), "%s", bucket->name);
    return uri;
}

struct bucket *bucket_open(const char *server)
{
    struct bucket *bucket = calloc(1, sizeof(*bucket));
    s3_server_start(&bucket->server, server);
    s3_server_environment(&bucket->server);
    s3_bucket_name(bucket->name, sizeof(bucket->name));
    MUST(s3_session_open(&(struct s3_options){ 0 }, &bucket->session, why));
    MUST(s3_client_open(bucket->session, NULL, NULL, &bucket->client, why));
    bucket_put(bucket, "", 0, "", 0); /* PUT of no key makes the bucket */
    return bucket;
}

void bucket_close(struct bucket *bucket)
{
    if (!bucket)
        return;
    s3_client_close(bucket->client);
    s3_session_close(bucket->session);
    free(bucket);
}

void bucket_put(struct bucket *bucket, const void *key, size_t key_size, const void *data, size_t size)
{
    struct s3_uri uri = object(bucket, key, key_size);
    MUST(s3_client_put(bucket->client, &uri, data, size, NULL, why));
}

void bucket_put_text(struct bucket *bucket, const char *key, const char *text)
{
    bucket_put(bucket, key, strlen(key), text, strlen(text));
}

char *bucket_get(struct bucket *bucket, const char *key, size_t *ret_size)
{
    struct s3_uri uri = object(bucket, key, strlen(key));
    struct bytes out;
    struct why why;
    bytes_init(&out, 1 << 30);
    int r = s3_client_get(bucket->client, &uri, &out, &why);
    if (r == -ENOENT) {
        bytes_done(&out);
        return NULL;
    }
    if (r < 0)
        test_fail(__FILE__, __LINE__, "%s: %s", key, why.text);
    if (ret_size)
        *ret_size = out.size;
    bytes_append_text(&out, "");
    return bytes_take(&out);
}
