/* The client against real stores, which check signatures themselves. */
#include "common/s3/client.h"

#include "common/cleanup.h"
#include "tests/cluster/lib/hostile_keys.h"
#include "tests/cluster/lib/s3_server.h"

DEFINE_FREEP(s3_session_close, struct s3_session)
DEFINE_FREEP(s3_client_close, struct s3_client)

static struct s3_server server;
static char bucket[64];

#define MUST(call)                                                         \
    do {                                                                   \
        struct why why_ = { "" }, *const why = &why_;                      \
        int r_ = (call);                                                   \
        if (r_ < 0)                                                        \
            test_fail(__FILE__, __LINE__, "%s: %d: %s", #call, r_, why_.text); \
    } while (0)

#define REFUSED(call, code, part)                                          \
    do {                                                                   \
        struct why why_ = { "" }, *const why = &why_;                      \
        CHECK_INT((call), (code));                                         \
        CHECK_CONTAINS(why_.text, (part));                                 \
        CHECK(!strstr(why_.text, server.secret));                          \
    } while (0)

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

TEST_WITHIN(180, every_legal_key_works_on_ceph)
{
    use("rgw");
    check_hostile_keys(&(struct s3_options){ 0 });
}

TEST_WITHIN(180, every_legal_key_works_on_ceph_with_the_bucket_in_the_host_name)
{
    use("rgw");
    check_hostile_keys(&(struct s3_options){ .endpoint_url = server.host, .addressing_style = "virtual" });
}

TEST_WITHIN(180, every_legal_key_works_on_swift)
{
    use("swift");
    check_hostile_keys(&(struct s3_options){ 0 });
}
