#include "tests/s3_bed.h"

#include "common/cleanup.h"

struct s3_bed s3_bed;
const struct s3_uri s3_bed_object = { .bucket = "bucket", .key = "a key", .key_size = 5 };

static bool is_stopped(void *arg)
{
    (void)arg;
    return atomic_load(&s3_bed.stop);
}

void s3_bed_environment(const char *endpoint)
{
    static const char *const others[] = { "AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_S3", "AWS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE",
                                          "AWS_MAX_ATTEMPTS", "AWS_SESSION_TOKEN", "http_proxy", "all_proxy" };
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        unsetenv(others[i]);
    setenv("AWS_ACCESS_KEY_ID", "AKID", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "hush", 1);
    setenv("AWS_REGION", "us-east-1", 1);
    setenv("AWS_ENDPOINT_URL", endpoint, 1);
    setenv("AWS_CONFIG_FILE", "/dev/null", 1);
    setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null", 1);
}

void s3_bed_begin_with(origin_handler *handler, void *arg, const struct s3_options *options)
{
    struct why why = { "" };
    s3_bed.store = origin_start(handler, arg);
    s3_bed_environment(origin_url(s3_bed.store));
    if (s3_session_open(options, &s3_bed.session, &why) < 0 || s3_client_open(s3_bed.session, is_stopped, NULL, &s3_bed.client, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    s3_client_patience(s3_bed.client, 2000, 1);
}

void s3_bed_begin(origin_handler *handler, void *arg)
{
    s3_bed_begin_with(handler, arg, &(struct s3_options){ 0 });
}

void s3_bed_end(void)
{
    s3_client_close(s3_bed.client);
    s3_session_close(s3_bed.session);
    origin_stop(s3_bed.store);
}

int s3_bed_get(const char *expected, struct why *why)
{
    struct bytes out;
    bytes_init(&out, 1000);
    bytes_append_text(&out, "before:");
    int r = s3_client_get(s3_bed.client, &s3_bed_object, &out, why);
    if (r == 0 && strcmp(out.data + 7, expected))
        test_fail(__FILE__, __LINE__, "got %s", out.data);
    bytes_done(&out);
    return r;
}
