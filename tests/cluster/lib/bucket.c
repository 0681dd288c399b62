#include "tests/cluster/lib/bucket.h"

#include "common/s3/client.h"
#include "common/s3/sigv4.h"
#include "tests/must.h"

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

/* AWS: "Authenticating Requests: Using Query Parameters". */
void bucket_presign(const struct bucket *bucket, const char *key, char *address, size_t size)
{
    const struct s3_server *server = &bucket->server;
    struct sigv4_key day = { .date = "" };
    struct sigv4_scope scope = { server->access, server->secret, server->region, "s3", "" };
    struct sigv4_header host = { "host", server->endpoint + strlen("http://") };
    char credential[256], path[2048];
    struct bytes encoded, query, authorization;
    bytes_init(&encoded, 4096);
    bytes_init(&query, 4096);
    bytes_init(&authorization, 4096);
    sigv4_time(time(NULL), scope.time);
    snprintf(credential, sizeof(credential), "%s/%.8s/%s/s3/aws4_request", server->access, scope.time, server->region);
    const struct sigv4_parameter parameters[] = {
        { "X-Amz-Algorithm", "AWS4-HMAC-SHA256", 16 }, { "X-Amz-Credential", credential, strlen(credential) },
        { "X-Amz-Date", scope.time, strlen(scope.time) }, { "X-Amz-Expires", "3600", 4 }, { "X-Amz-SignedHeaders", "host", 4 },
    };
    sigv4_encode_path(&encoded, key, strlen(key));
    snprintf(path, sizeof(path), "/%s/%s", bucket->name, encoded.data);
    CHECK_INT(sigv4_query(&query, parameters, ARRAY_SIZE(parameters)), 0);
    const struct sigv4_request request = { "GET", path, query.data, &host, 1, "UNSIGNED-PAYLOAD" };
    CHECK_INT(sigv4_authorization(&authorization, &day, &scope, &request), 0);
    snprintf(address, size, "%s%s?%s&X-Amz-Signature=%s", server->endpoint, path, query.data, strstr(authorization.data, "Signature=") + 10);
    bytes_done(&encoded);
    bytes_done(&query);
    bytes_done(&authorization);
}
