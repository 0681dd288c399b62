/* What is sent to which place, without sending it. */
#include "common/s3/request.h"

#include "common/cleanup.h"
#include "tests/test.h"

static struct s3_session *session;
static struct s3_request request;
static struct sigv4_key day_key;

static void open_session(const struct s3_options *options)
{
    static const char *const names[] = { "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN",
                                         "AWS_MAX_ATTEMPTS", "AWS_CA_BUNDLE" };
    struct why why = { "" };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        unsetenv(names[i]);
    setenv("AWS_ACCESS_KEY_ID", "AKID", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "hush", 1);
    setenv("AWS_CONFIG_FILE", "/dev/null", 1);
    setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null", 1);
    s3_session_close(session);
    session = NULL;
    if (s3_session_open(options, &session, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
}

static void build(const struct s3_call *call)
{
    struct why why = { "" };
    s3_request_done(&request);
    if (s3_request_build(&request, session, &day_key, call, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
}

static void check_url(const char *bucket, const char *key, const char *url)
{
    struct s3_call call = { .method = "GET", .bucket = bucket, .key = key, .key_size = strlen(key) };
    build(&call);
    CHECK_STR(request.url, url);
}

/* The value of a header that is sent; NULL: it is not. */
static const char *header(const char *name)
{
    size_t size = strlen(name);
    for (struct curl_slist *item = request.headers; item; item = item->next)
        if (!strncmp(item->data, name, size) && item->data[size] == ':')
            return item->data[size + 1] ? item->data + size + 2 : NULL;
    return NULL;
}

TEST(on_aws_the_bucket_is_in_the_host_name_where_it_can_be)
{
    open_session(&(struct s3_options){ 0 });
    check_url("my-bucket", "a b/\xc3\xa9?.jpg", "https://my-bucket.s3.us-east-1.amazonaws.com/a%20b/%C3%A9%3F.jpg");
    CHECK_STR(header("Host"), "my-bucket.s3.us-east-1.amazonaws.com");
    check_url("my-bucket", "/../", "https://my-bucket.s3.us-east-1.amazonaws.com//../");
    check_url("my-bucket", "", "https://my-bucket.s3.us-east-1.amazonaws.com/");
    check_url("my.bucket", "k", "https://s3.us-east-1.amazonaws.com/my.bucket/k");
    check_url("Old_Bucket", "", "https://s3.us-east-1.amazonaws.com/Old_Bucket");
    open_session(&(struct s3_options){ .region = "cn-north-1", .addressing_style = "path" });
    check_url("my-bucket", "k", "https://s3.cn-north-1.amazonaws.com.cn/my-bucket/k");
}

TEST(elsewhere_it_is_in_the_path_unless_that_is_asked_for)
{
    open_session(&(struct s3_options){ .endpoint_url = "http://store:9000/" });
    check_url("bucket", "k", "http://store:9000/bucket/k");
    CHECK_STR(header("Host"), "store:9000");
    open_session(&(struct s3_options){ .endpoint_url = "https://store:443/behind/a/proxy" });
    check_url("bucket", "/k", "https://store/behind/a/proxy/bucket//k");
    CHECK_STR(header("Host"), "store");
    open_session(&(struct s3_options){ .endpoint_url = "http://store:80", .addressing_style = "virtual" });
    check_url("bucket", "k", "http://bucket.store/k");
    check_url("my.bucket", "k", "http://store/my.bucket/k");
}

TEST(conditions_and_signature_are_headers)
{
    struct s3_call call = { .method = "GET", .bucket = "bucket", .key = "k", .key_size = 1, .ranged = true, .first = 5, .last = 1ull << 40, .if_match = "abc" };
    open_session(&(struct s3_options){ 0 });
    build(&call);
    CHECK_STR(header("Range"), "bytes=5-1099511627776");
    CHECK_STR(header("If-Match"), "\"abc\"");
    CHECK_STR(header("x-amz-content-sha256"), SIGV4_EMPTY_HASH);
    CHECK_CONTAINS(header("Authorization"), "Credential=AKID/");
    CHECK(!header("Content-Type") && !header("Expect") && !header("x-amz-security-token"));
    call.if_match = "\"abc\"";
    call.body = "abc";
    call.body_size = 3;
    call.content_type = "text/plain";
    build(&call);
    CHECK_STR(header("If-Match"), "\"abc\"");
    CHECK_STR(header("Content-Type"), "text/plain");
    CHECK_STR(header("x-amz-content-sha256"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    open_session(&(struct s3_options){ .no_sign_request = true });
    build(&call);
    CHECK(!header("Authorization") && !header("x-amz-date") && !header("x-amz-content-sha256"));
}

TEST(a_listing_asks_for_what_its_page_says)
{
    struct s3_call call;
    struct s3_page_call page = { .bucket = "bucket", .prefix = "a b/", .prefix_size = 4, .delimiter = "/", .start_after = "x+", .start_after_size = 2, .limit = 7 };
    open_session(&(struct s3_options){ 0 });
    s3_call_list(&call, &page);
    build(&call);
    CHECK_CONTAINS(request.url, "com/?delimiter=%2F&encoding-type=url&list-type=2&max-keys=7&prefix=a%20b%2F&start-after=x%2B");
    page.token = "to/ken=";
    s3_call_list(&call, &page);
    build(&call);
    CHECK_CONTAINS(request.url, "?continuation-token=to%2Fken%3D&delimiter=");
    CHECK(!strstr(request.url, "start-after"));
    page.token = "\1k%2B";
    s3_call_list(&call, &page);
    build(&call);
    CHECK_CONTAINS(request.url, "&start-after=k%2B");
    CHECK(!strstr(request.url, "token"));
}

TEST(what_cannot_be_asked_for_is_refused)
{
    struct why why;
    static char longer[S3_KEY_MAX + 1];
    const struct s3_call calls[] = { { .method = "GET", .bucket = "a/b", .key = "k", .key_size = 1 }, { .method = "GET", .bucket = "", .key = "k", .key_size = 1 },
                                     { .method = "GET", .bucket = "..", .key = "k", .key_size = 1 }, { .method = "GET", .bucket = "a\r\nX: y", .key = "k", .key_size = 1 },
                                     { .method = "GET", .bucket = "bucket", .key = longer, .key_size = sizeof(longer) },
                                     { .method = "GET", .bucket = "bucket", .key = "k", .key_size = 1, .if_match = "a\r\nX: y" } };
    open_session(&(struct s3_options){ 0 });
    for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
        struct s3_request refused;
        CHECK_INT(s3_request_build(&refused, session, &day_key, &calls[i], &why), -EINVAL);
    }
}

TEST(what_a_refusal_teaches_changes_the_next_request)
{
    struct s3_call call = { .method = "GET", .bucket = "my-bucket", .key = "k", .key_size = 1 }, other = call;
    struct s3_try attempt = { .moved = false };
    struct s3_error moved = { .fault = S3_REGION, .region = "eu-west-9" };
    uint64_t delay_ns;
    other.bucket = "other-bucket";
    open_session(&(struct s3_options){ 0 });
    build(&call);
    CHECK(s3_session_again(session, &attempt, &request, &moved, &delay_ns) && delay_ns == 0);
    build(&call);
    CHECK_STR(request.url, "https://my-bucket.s3.eu-west-9.amazonaws.com/k");
    CHECK_CONTAINS(header("Authorization"), "/eu-west-9/s3/aws4_request");
    snprintf(moved.region, sizeof(moved.region), "us-west-9");
    CHECK(!s3_session_again(session, &attempt, &request, &moved, &delay_ns)); /* once is enough for one request */
    build(&other);
    CHECK_STR(request.url, "https://other-bucket.s3.us-east-1.amazonaws.com/k");
}

TEST(a_call_has_a_printable_name)
{
    char text[64], shorter[24];
    struct s3_call call = { .method = "GET", .bucket = "b", .key = "a\nb?", .key_size = 4 }, list;
    s3_call_name(&call, text, sizeof(text));
    CHECK_STR(text, "s3://b/a?b?");
    call.key = "a key that is too long";
    call.key_size = strlen(call.key);
    s3_call_name(&call, shorter, sizeof(shorter));
    CHECK_STR(shorter, "s3://b/a key that is...");
    struct s3_page_call page = { .bucket = "b", .prefix = "dogs/", .prefix_size = 5 };
    s3_call_list(&list, &page);
    s3_call_name(&list, text, sizeof(text));
    CHECK_STR(text, "s3://b/dogs/");
}
