#include "common/redact.h"
#include "common/s3/uri.h"

#include "tests/test.h"

static void check_parses(const char *text, const char *bucket, const char *key)
{
    struct s3_uri uri;
    CHECK_INT(s3_uri_parse(text, strlen(text), &uri, NULL), 0);
    CHECK_STR(uri.bucket, bucket);
    CHECK_INT(uri.key_size, strlen(key));
    CHECK(!memcmp(uri.key, key, uri.key_size));
}

static void check_refused(const char *text, const char *part)
{
    struct s3_uri uri;
    struct why why = { "" };
    CHECK_INT(s3_uri_parse(text, strlen(text), &uri, &why), -EINVAL);
    CHECK_CONTAINS(why.text, part);
}

TEST(a_key_is_taken_byte_by_byte)
{
    check_parses("s3://b", "b", "");
    check_parses("s3://b/", "b", "");
    check_parses("s3://my-Bucket_1.x/a/b.jpg", "my-Bucket_1.x", "a/b.jpg");
    check_parses("s3://b//a/./../%41?x=1#y", "b", "/a/./../%41?x=1#y");
    check_parses("s3://b/ +=&%*'\"\x01\x7f\xc3\xa9\xff", "b", " +=&%*'\"\x01\x7f\xc3\xa9\xff");
    struct s3_uri uri;
    CHECK_INT(s3_uri_parse("s3://b/a\0c", 10, &uri, NULL), 0);
    CHECK_INT(uri.key_size, 3);
}

TEST(a_key_of_1024_bytes_is_the_longest)
{
    char text[2000] = "s3://b/";
    memset(text + 7, 'k', 1025);
    struct s3_uri uri;
    CHECK_INT(s3_uri_parse(text, 7 + 1024, &uri, NULL), 0);
    CHECK_INT(uri.key_size, 1024);
    check_refused(text, "the key has 1025 bytes");
}

TEST(what_is_no_address_is_refused_with_a_sentence)
{
    check_refused("http://b/k", "http://b/k: an address in a store begins with s3://");
    check_refused("s3:/b", "begins with s3://");
    check_refused("s3:///key", "the bucket's name is missing");
    check_refused("s3://b c/key", "s3://b c: letter 2 of the bucket's name");
    check_refused("s3://b%20c/key", "letter 2");
    check_refused("s3://../key", "does not begin with a dot");
    char text[400] = "s3://";
    memset(text + 5, 'b', 256);
    check_refused(text, "at most 255 letters");
    struct s3_uri uri;
    CHECK_INT(s3_uri_parse("s3://a\0b/k", 10, &uri, NULL), -EINVAL);
}

TEST(only_some_buckets_may_stand_in_a_host_name)
{
    CHECK(s3_bucket_is_label("abc"));
    CHECK(s3_bucket_is_label("my-bucket-1"));
    CHECK(!s3_bucket_is_label("ab"));
    CHECK(!s3_bucket_is_label("my.bucket"));
    CHECK(!s3_bucket_is_label("My-bucket"));
    CHECK(!s3_bucket_is_label("-bucket"));
    CHECK(!s3_bucket_is_label("bucket-"));
    CHECK(!s3_bucket_is_label("a_b"));
}

static void check_shown(const char *uri, const char *expected)
{
    struct bytes out;
    bytes_init(&out, 1000);
    CHECK_INT(uri_redact(&out, uri, strlen(uri)), 0);
    CHECK_STR(out.data, expected);
    bytes_done(&out);
}

TEST(passwords_and_queries_are_not_shown)
{
    check_shown("https://host/a/b.jpg", "https://host/a/b.jpg");
    check_shown("https://host/a?X-Amz-Signature=hush", "https://host/a?...");
    check_shown("HTTPS://me:hush@host:1/a?b#hush", "HTTPS://host:1/a?...");
    check_shown("http://a@hush@host/p@q", "http://host/p@q");
    check_shown("http://host#hush", "http://host");
    check_shown("http://host?hush", "http://host?...");
    check_shown("https://host/?", "https://host/?...");
    check_shown("s3://b/what?.jpg", "s3://b/what?.jpg");
    check_shown("/home/a?b", "/home/a?b");
}

TEST(nothing_behind_an_address_is_looked_at)
{
    struct bytes out;
    bytes_init(&out, 1000);
    CHECK_INT(uri_redact(&out, "https://host/a?of somebody else", strlen("https://host/a")), 0);
    CHECK_STR(out.data, "https://host/a");
    bytes_done(&out);
}
