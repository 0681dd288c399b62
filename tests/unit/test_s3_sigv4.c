/* Signatures that AWS has published: "Signature Calculations for the Authorization Header" of the S3 API reference (2013-05-24), the
 * SigV4 test suite and the IAM example of the general reference (2015-08-30). */
#include "common/s3/sigv4.h"

#include "tests/test.h"

#define COUNT(array) (int)(sizeof(array) / sizeof(*(array)))

static const struct sigv4_scope s3_scope = {
    "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1", "s3", "20130524T000000Z"
};

static const struct sigv4_scope suite_scope = {
    "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1", "service", "20150830T123600Z"
};

static void check_signature(const struct sigv4_scope *scope, const struct sigv4_request *request, const char *signature)
{
    struct sigv4_key key = { .date = "" };
    struct bytes out;
    bytes_init(&out, 10000);
    for (int i = 0; i < 2; i++) { /* the second time with the key of the day */
        bytes_clear(&out);
        CHECK_INT(sigv4_authorization(&out, &key, scope, request), 0);
        CHECK_CONTAINS(out.data, signature);
    }
    bytes_done(&out);
}

#define HOST     { "host", "examplebucket.s3.amazonaws.com" }
#define NO_BODY  { "x-amz-content-sha256", SIGV4_EMPTY_HASH }
#define DATE     { "x-amz-date", "20130524T000000Z" }

TEST(get_object_of_the_s3_reference)
{
    const struct sigv4_header headers[] = { HOST, { "range", "bytes=0-9" }, NO_BODY, DATE };
    struct sigv4_request request = { "GET", "/test.txt", "", headers, COUNT(headers), SIGV4_EMPTY_HASH };
    check_signature(&s3_scope, &request,
                    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
                    "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
                    "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
    struct bytes out;
    bytes_init(&out, 10000);
    CHECK_INT(sigv4_canonical_request(&out, &request), 0);
    CHECK_STR(out.data, "GET\n/test.txt\n\nhost:examplebucket.s3.amazonaws.com\nrange:bytes=0-9\nx-amz-content-sha256:" SIGV4_EMPTY_HASH
                        "\nx-amz-date:20130524T000000Z\n\nhost;range;x-amz-content-sha256;x-amz-date\n" SIGV4_EMPTY_HASH);
    struct bytes text;
    bytes_init(&text, 10000);
    CHECK_INT(sigv4_string_to_sign(&text, &s3_scope, out.data, out.size), 0);
    CHECK_STR(text.data, "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n"
                         "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972");
    bytes_done(&out);
    bytes_done(&text);
}

TEST(put_object_of_the_s3_reference)
{
    static const char hash[] = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
    const struct sigv4_header headers[] = { { "date", "Fri, 24 May 2013 00:00:00 GMT" }, HOST, { "x-amz-content-sha256", hash }, DATE,
                                            { "x-amz-storage-class", "REDUCED_REDUNDANCY" } };
    struct bytes path;
    bytes_init(&path, 1000);
    sigv4_encode_path(&path, "/test$file.text", 15);
    check_signature(&s3_scope, &(struct sigv4_request){ "PUT", path.data, "", headers, COUNT(headers), hash },
                    "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
    bytes_done(&path);
}

TEST(bucket_lifecycle_and_list_of_the_s3_reference)
{
    const struct sigv4_header headers[] = { HOST, NO_BODY, DATE };
    const struct sigv4_parameter list[] = { { "prefix", "J", 1 }, { "max-keys", "2", 1 } }, lifecycle[] = { { "lifecycle", "", 0 } };
    struct bytes query;
    bytes_init(&query, 1000);
    CHECK_INT(sigv4_query(&query, lifecycle, 1), 0);
    check_signature(&s3_scope, &(struct sigv4_request){ "GET", "/", query.data, headers, COUNT(headers), SIGV4_EMPTY_HASH },
                    "Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
    bytes_clear(&query);
    CHECK_INT(sigv4_query(&query, list, 2), 0);
    CHECK_STR(query.data, "max-keys=2&prefix=J");
    check_signature(&s3_scope, &(struct sigv4_request){ "GET", "/", query.data, headers, COUNT(headers), SIGV4_EMPTY_HASH },
                    "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
    bytes_done(&query);
}

static void check_suite(const char *path, const char *query, const char *signature)
{
    const struct sigv4_header headers[] = { { "host", "example.amazonaws.com" }, { "x-amz-date", "20150830T123600Z" } };
    struct bytes encoded;
    bytes_init(&encoded, 1000);
    sigv4_encode_path(&encoded, path, strlen(path));
    check_signature(&suite_scope, &(struct sigv4_request){ "GET", encoded.data, query, headers, COUNT(headers), SIGV4_EMPTY_HASH }, signature);
    bytes_done(&encoded);
}

TEST(the_test_suite_s_paths_and_queries)
{
    check_suite("/", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
    check_suite("/\xe1\x88\xb4", "", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85");
    check_suite("/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "",
                "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f");
    const struct sigv4_parameter swapped[] = { { "Param2", "value2", 6 }, { "Param1", "value1", 6 } };
    struct bytes query;
    bytes_init(&query, 1000);
    CHECK_INT(sigv4_query(&query, swapped, 2), 0);
    check_suite("/", query.data, "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
    bytes_done(&query);
}

TEST(a_session_token_and_another_service_of_the_general_reference)
{
    struct sigv4_scope scope = suite_scope;
    scope.service = "iam";
    const struct sigv4_header headers[] = { { "content-type", "application/x-www-form-urlencoded; charset=utf-8" },
                                            { "host", "iam.amazonaws.com" }, { "x-amz-date", "20150830T123600Z" } };
    const struct sigv4_parameter parameters[] = { { "Version", "2010-05-08", 10 }, { "Action", "ListUsers", 9 } };
    struct bytes query;
    bytes_init(&query, 1000);
    CHECK_INT(sigv4_query(&query, parameters, 2), 0);
    check_signature(&scope, &(struct sigv4_request){ "GET", "/", query.data, headers, COUNT(headers), SIGV4_EMPTY_HASH },
                    "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
    bytes_done(&query);
}

TEST(the_key_of_the_day_follows_whatever_it_depends_on)
{
    struct sigv4_key key = { .date = "" };
    struct sigv4_scope scope = s3_scope;
    const struct sigv4_header headers[] = { HOST };
    struct sigv4_request request = { "GET", "/", "", headers, 1, SIGV4_EMPTY_HASH };
    struct bytes first, other;
    bytes_init(&first, 1000);
    bytes_init(&other, 1000);
    CHECK_INT(sigv4_authorization(&first, &key, &scope, &request), 0);
    const struct sigv4_scope changed[] = {
        { scope.id, "other", scope.region, scope.service, "20130524T000000Z" }, { scope.id, scope.secret, "eu-west-1", scope.service, "20130524T000000Z" },
        { scope.id, scope.secret, scope.region, "sts", "20130524T000000Z" }, { scope.id, scope.secret, scope.region, scope.service, "20130525T000000Z" },
    };
    for (int i = 0; i < COUNT(changed); i++) {
        bytes_clear(&other);
        CHECK_INT(sigv4_authorization(&other, &key, &changed[i], &request), 0);
        CHECK(strcmp(strstr(first.data, "Signature="), strstr(other.data, "Signature=")));
        bytes_clear(&other);
        CHECK_INT(sigv4_authorization(&other, &key, &scope, &request), 0);
        CHECK_STR(other.data, first.data);
    }
    char *longer = calloc(1, 300);
    memset(longer, 's', 299);
    scope.secret = longer;
    CHECK_INT(sigv4_authorization(&other, &key, &scope, &request), -EINVAL);
    free(longer);
    bytes_done(&first);
    bytes_done(&other);
}

TEST(every_byte_is_encoded_as_s3_wants_it)
{
    char all[256];
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    struct bytes path, query;
    bytes_init(&path, 1000);
    bytes_init(&query, 1000);
    CHECK_INT(sigv4_encode_path(&path, all, 256), 0);
    CHECK_INT(sigv4_encode(&query, all, 256), 0);
    CHECK_INT(path.size, 67 + 3 * (256 - 67));
    CHECK_INT(query.size, 66 + 3 * (256 - 66));
    CHECK_CONTAINS(path.data, "%2C-./0123456789%3A");
    CHECK_CONTAINS(query.data, "%2C-.%2F0123456789%3A");
    CHECK_CONTAINS(path.data, "%1F%20%21%22%23%24%25%26%27%28%29%2A%2B");
    CHECK_CONTAINS(path.data, "xyz%7B%7C%7D~%7F%80");
    bytes_done(&path);
    bytes_done(&query);
}

TEST(times_are_written_in_utc)
{
    char text[SIGV4_TIME];
    setenv("TZ", "Asia/Tokyo", 1);
    sigv4_time(1440938160, text);
    CHECK_STR(text, "20150830T123600Z");
}
