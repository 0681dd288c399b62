/* The client against real stores, which check signatures themselves. */
#include "common/s3/client.h"

#include "common/cleanup.h"
#include "tests/cluster/lib/hostile_keys.h"
#include "tests/cluster/lib/s3_server.h"
#include "tests/must.h"

DEFINE_FREEP(s3_session_close, struct s3_session)
DEFINE_FREEP(s3_client_close, struct s3_client)

static struct s3_server server;
static char bucket[64];

#define REFUSED(call, code, part) REFUSED_WITHOUT(server.secret, call, code, part)

static struct s3_session *open_session(const struct s3_options *options)
{
    struct s3_session *session = NULL;
    MUST(s3_session_open(options, &session, why));
    return session;
}

static struct s3_client *open_client(struct s3_session *session)
{
    struct s3_client *client = NULL;
    MUST(s3_client_open(session, NULL, NULL, &client, why));
    return client;
}

static struct s3_uri object(const void *key, size_t size)
{
    struct s3_uri uri = { .key = key, .key_size = size };
    snprintf(uri.bucket, sizeof(uri.bucket), "%s", bucket);
    return uri;
}

static struct s3_uri named(const char *key)
{
    return object(key, strlen(key));
}

/* A store, and a bucket of this test's own in it. */
static void use(const char *name)
{
    s3_server_start(&server, name);
    s3_server_environment(&server);
    s3_bucket_name(bucket, sizeof(bucket));
    CLEANUP(s3_session_closep) struct s3_session *session = open_session(&(struct s3_options){ 0 });
    CLEANUP(s3_client_closep) struct s3_client *client = open_client(session);
    struct s3_uri whole = named("");
    MUST(s3_client_put(client, &whole, "", 0, NULL, why)); /* PUT of no key makes a bucket */
}

/* ---- keys ------------------------------------------------------------------------------------------------------------------ */

static void check_content(struct s3_client *client, const struct s3_uri *uri, const char *text)
{
    struct bytes out;
    bytes_init(&out, 1000);
    MUST(s3_client_get(client, uri, &out, why));
    CHECK_STR(out.data, text);
    bytes_done(&out);
}

struct expected {
    const struct hostile_key *keys;
    size_t count, next;
};

static int expect(void *arg, const struct s3_item *item)
{
    struct expected *expected = arg;
    if (expected->next == expected->count)
        test_fail(__FILE__, __LINE__, "one key too many: %.*s", (int)item->key_size, item->key);
    const struct hostile_key *key = &expected->keys[expected->next++];
    if (item->key_size != key->size || memcmp(item->key, key->data, key->size))
        test_fail(__FILE__, __LINE__, "listed %.*s, expected %.*s", (int)item->key_size, item->key, (int)key->size, key->data);
    CHECK(!item->is_prefix && item->size > 0 && strlen(item->etag) == 32);
    return 0;
}

static void list_all(struct s3_client *client, struct expected *expected, const void *after, size_t after_size, int limit)
{
    char token[S3_TOKEN_MAX] = "";
    struct s3_page_call page = { .bucket = bucket, .token = token, .start_after = after, .start_after_size = after_size, .limit = limit };
    do
        MUST(s3_client_list(client, &page, expect, expected, token, why));
    while (*token);
    CHECK_INT(expected->next, expected->count);
}

static void check_hostile_keys(const struct s3_options *options)
{
    CLEANUP(s3_session_closep) struct s3_session *session = open_session(options);
    CLEANUP(s3_client_closep) struct s3_client *client = open_client(session);
    struct expected expected = { .next = 0 };
    char text[32];
    expected.keys = hostile_keys(&expected.count);
    for (size_t i = 0; i < expected.count; i++) {
        struct s3_uri uri = object(expected.keys[i].data, expected.keys[i].size);
        snprintf(text, sizeof(text), "content %zu", i);
        MUST(s3_client_put(client, &uri, text, strlen(text), NULL, why));
    }
    for (size_t i = 0; i < expected.count; i++) {
        struct s3_uri uri = object(expected.keys[i].data, expected.keys[i].size);
        struct s3_head head;
        snprintf(text, sizeof(text), "content %zu", i);
        check_content(client, &uri, text);
        MUST(s3_client_head(client, &uri, &head, why));
        CHECK_INT(head.size, strlen(text));
    }
    list_all(client, &expected, NULL, 0, 0);
    expected.next = 0;
    list_all(client, &expected, NULL, 0, 1); /* each key is once what the next page begins after */
    for (size_t i = 0; i < expected.count; i += 3) {
        expected.next = i + 1;
        list_all(client, &expected, expected.keys[i].data, expected.keys[i].size, 0);
    }
}

TEST(every_legal_key_works_on_ceph)
{
    use("rgw");
    check_hostile_keys(&(struct s3_options){ 0 });
}

TEST(every_legal_key_works_on_ceph_with_the_bucket_in_the_host_name)
{
    use("rgw");
    check_hostile_keys(&(struct s3_options){ .endpoint_url = server.host, .addressing_style = "virtual" });
}

TEST(every_legal_key_works_on_swift)
{
    use("swift");
    check_hostile_keys(&(struct s3_options){ 0 });
}

/* ---- refusals ------------------------------------------------------------------------------------------------------------------ */

static int get(struct s3_client *client, const char *key, struct why *why)
{
    struct bytes out;
    bytes_init(&out, 1000);
    struct s3_uri uri = named(key);
    int r = s3_client_get(client, &uri, &out, why);
    bytes_done(&out);
    return r;
}

static int list_once(struct s3_client *client, struct why *why)
{
    char token[S3_TOKEN_MAX];
    struct s3_page_call page = { .bucket = bucket };
    struct expected expected = { .next = 0 };
    return s3_client_list(client, &page, expect, &expected, token, why);
}

/* A client of its own, with the environment as it is now. */
#define WITH_CLIENT(...)                                                                                 \
    CLEANUP(s3_session_closep) struct s3_session *session = open_session(&(struct s3_options){ __VA_ARGS__ }); \
    CLEANUP(s3_client_closep) struct s3_client *client = open_client(session)

static void check_no_bucket(void)
{
    s3_server_environment(&server);
    WITH_CLIENT(0);
    snprintf(bucket, sizeof(bucket), "t-no-such-bucket");
    REFUSED(list_once(client, why), -ENOENT, "there is no bucket t-no-such-bucket");
    REFUSED(get(client, "x", why), -ENOENT, "there is no bucket t-no-such-bucket");
}

static void check_strangers(const char *unknown_key)
{
    struct s3_uri uri = named("mine");
    {
        WITH_CLIENT(0);
        MUST(s3_client_put(client, &uri, "text", 4, NULL, why));
        REFUSED(get(client, "missing", why), -ENOENT, "/missing: 127.0.0.1:");
        REFUSED(get(client, "missing", why), -ENOENT, "has no such object");
    }
    {
        setenv("AWS_SECRET_ACCESS_KEY", "wrong", 1);
        WITH_CLIENT(0);
        REFUSED(get(client, "mine", why), -EKEYREJECTED, "computes another signature: the secret key of the environment");
        setenv("AWS_ACCESS_KEY_ID", "nobody", 1);
    }
    {
        WITH_CLIENT(0);
        REFUSED(get(client, "mine", why), -EKEYREJECTED, unknown_key);
    }
}

TEST(each_refusal_of_ceph_has_its_own_sentence)
{
    use("rgw");
    check_strangers("does not know the access key");
    struct s3_server stranger = server;
    s3_server_stranger(&stranger);
    s3_server_environment(&stranger);
    {
        WITH_CLIENT(0);
        REFUSED(get(client, "mine", why), -EACCES, "access denied (AccessDenied) with the credentials of the environment");
        REFUSED(list_once(client, why), -EACCES, "access denied");
    }
    check_no_bucket();
}

TEST(each_refusal_of_swift_has_its_own_sentence)
{
    use("swift");
    check_strangers("computes another signature");
    check_no_bucket(); /* (each account has its own buckets: nobody else's can be forbidden) */
}

/* (Swift takes what is not signed for its own protocol.) */
TEST(a_public_bucket_of_ceph_is_read_without_a_signature)
{
    use("rgw");
    struct s3_uri uri = named("k");
    {
        WITH_CLIENT(0);
        MUST(s3_client_put(client, &uri, "text", 4, NULL, why));
    }
    unsetenv("AWS_ACCESS_KEY_ID");
    unsetenv("AWS_SECRET_ACCESS_KEY");
    WITH_CLIENT(.no_sign_request = true);
    REFUSED(list_once(client, why), -EACCES, "refuses whoever does not sign");
    CHECK_INT(test_shell(NULL, "curl -sf --noproxy '*' -X PUT -H 'Content-Length: 0' --aws-sigv4 aws:amz:us-east-1:s3 -u '%s:%s' -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "
                               "-H 'x-amz-acl: public-read' '%s/%s?acl='", server.access, server.secret, server.endpoint, bucket), 0);
    REFUSED(get(client, "k", why), -EACCES, "refuses whoever does not sign"); /* a bucket's rights are not its objects' */
    struct hostile_key key = { "k", 1 };
    struct expected expected = { &key, 1, 0 };
    list_all(client, &expected, NULL, 0, 0);
}

static void check_wrong_clock(void)
{
    WITH_CLIENT(0);
    struct s3_uri uri = named("k");
    s3_session_set_offset(session, -7200);
    MUST(s3_client_put(client, &uri, "text", 4, NULL, why));
    CHECK(labs((long)s3_session_offset(session)) < 60);
    s3_session_set_offset(session, 7200);
    check_content(client, &uri, "text");
}

TEST(a_wrong_clock_is_corrected_by_what_ceph_answers)
{
    use("rgw");
    check_wrong_clock();
}

TEST(a_wrong_clock_is_corrected_by_what_swift_answers)
{
    use("swift");
    check_wrong_clock();
}

TEST(swift_names_the_region_that_it_wants)
{
    use("swift");
    struct s3_uri uri = named("k");
    char region[S3_REGION_MAX];
    WITH_CLIENT(.region = "eu-west-9");
    MUST(s3_client_put(client, &uri, "text", 4, NULL, why));
    s3_session_region(session, bucket, region);
    CHECK_STR(region, server.region);
}

/* ---- large objects ------------------------------------------------------------------------------------------------------------------ */

static void check_parts(void)
{
    WITH_CLIENT(0);
    struct s3_uri uri = named("a large+object %");
    size_t size = (17u << 20) + 3;
    CLEANUP(freep) char *data = malloc(size);
    for (size_t i = 0; i < size; i++)
        data[i] = (char)(i * 2654435761u >> 13);
    struct s3_upload *upload = NULL;
    MUST(s3_upload_open(client, &uri, "application/x-ndjson", &upload, why));
    for (size_t at = 0, piece; at < size; at += piece) {
        piece = size - at < 1000000 ? size - at : 1000000;
        MUST(s3_upload_write(upload, data + at, piece, why));
    }
    MUST(s3_upload_finish(upload, why));
    struct s3_head head;
    MUST(s3_client_head(client, &uri, &head, why));
    CHECK_INT(head.size, size);
    CHECK_CONTAINS(head.etag, "-3");
    struct bytes out;
    bytes_init(&out, size);
    MUST(s3_client_get(client, &uri, &out, why));
    CHECK(out.size == size && !memcmp(out.data, data, size));
    bytes_done(&out);
    bytes_init(&out, size - 1);
    REFUSED(s3_client_get(client, &uri, &out, why), -EFBIG, "larger than what is taken");
    bytes_done(&out);
    MUST(s3_upload_open(client, &uri, NULL, &upload, why));
    MUST(s3_upload_write(upload, data, (9u << 20), why));
    s3_upload_abort(upload); /* the object is still the other one */
    MUST(s3_client_head(client, &uri, &head, why));
    CHECK_INT(head.size, size);
    MUST(s3_client_delete(client, &uri, why));
    REFUSED(get(client, "a large+object %", why), -ENOENT, "has no such object");
}

TEST(ceph_takes_an_object_in_parts)
{
    use("rgw");
    check_parts();
}

TEST(swift_takes_an_object_in_parts)
{
    use("swift");
    check_parts();
}

/* ---- session tokens ---------------------------------------------------------------------------------------------------------------------- */

#define POLICY "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":[\"arn:aws:iam:::user/sleddog\"]},\"Action\":[\"sts:AssumeRole\"]}]}"
#define RIGHTS "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":[\"s3:*\"],\"Resource\":\"arn:aws:s3:::*\"}]}"

TEST(a_role_of_ceph_is_assumed_and_its_token_signs)
{
    use("rgw-sts");
    char *said, config[512];
    int status = test_shell(&said, "c='radosgw-admin -c %s/servers/rgw-sts/ceph.conf -n client.rgw'; $c role get --role-name=reader || "
                            "{ $c role create --role-name=reader --assume-role-policy-doc='%s' && "
                            "$c role-policy put --role-name=reader --policy-name=all --policy-doc='%s'; }", test_build(), POLICY, RIGHTS);
    if (status)
        test_fail(__FILE__, __LINE__, "%s", said);
    free(said);
    snprintf(config, sizeof(config), "[profile base]\naws_access_key_id = %s\naws_secret_access_key = %s\n[profile reader]\nrole_arn = arn:aws:iam:::role/reader\n"
             "source_profile = base\nregion = us-east-1\n", server.access, server.secret);
    test_write_file("config", config, strlen(config));
    setenv("AWS_CONFIG_FILE", "config", 1);
    WITH_CLIENT(.profile = "reader");
    struct credentials *who = s3_session_credentials(session);
    CHECK_STR(who->source, "the role of profile reader");
    CHECK(who->token && strlen(who->token) > 20 && who->expires_s < 1e11);
    credentials_release(who);
    s3_bucket_name(bucket, sizeof(bucket));
    struct s3_uri whole = named(""), uri = named("k");
    MUST(s3_client_put(client, &whole, "", 0, NULL, why));
    MUST(s3_client_put(client, &uri, "text", 4, NULL, why));
    check_content(client, &uri, "text");
}
