#include "common/s3/list.h"

#include "common/bytes.h"
#include "tests/test.h"

#include <inttypes.h>

static struct bytes seen;
static char token[S3_TOKEN_MAX];

static int note(void *arg, const struct s3_item *item)
{
    (void)arg;
    bytes_append_text(&seen, item->is_prefix ? "P " : "K ");
    bytes_append(&seen, item->key, item->key_size);
    return item->is_prefix ? bytes_append_char(&seen, '\n') : bytes_printf(&seen, " %" PRIu64 " [%s]\n", item->size, item->etag);
}

/* In pieces of `step` bytes. */
static int read_page(const char *text, size_t step)
{
    struct s3_list *list;
    bytes_done(&seen);
    bytes_init(&seen, 1 << 24);
    bytes_append(&seen, "", 0);
    CHECK_INT(s3_list_open(&list), 0);
    int r = 0;
    for (size_t at = 0, size = strlen(text); r == 0 && at < size; at += step)
        r = s3_list_feed(list, text + at, size - at < step ? size - at : step);
    if (r == 0)
        r = s3_list_end(list, note, NULL, token);
    s3_list_close(list);
    return r;
}

#define PAGE(rest) "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name><Prefix></Prefix>" rest "</ListBucketResult>"
#define ITEM(key) "<Contents><Key>" key "</Key><LastModified>2026-01-01T00:00:00Z</LastModified><ETag>&quot;9f&quot;</ETag><Size>12</Size></Contents>"

TEST(a_page_is_read_with_sizes_etags_and_its_token)
{
    static const char page[] = PAGE("<KeyCount>2</KeyCount><IsTruncated>true</IsTruncated><NextContinuationToken>1 &amp; &apos;x==</NextContinuationToken>"
                                    ITEM("a/b &lt;c&gt;.jpg") "<Contents><Size>0</Size><Key>caf\xc3\xa9</Key></Contents>");
    for (size_t step = 1; step < 2000; step += 1 + step * 7) {
        CHECK_INT(read_page(page, step), 0);
        CHECK_STR(seen.data, "K a/b <c>.jpg 12 [9f]\nK caf\xc3\xa9 0 []\n");
        CHECK_STR(token, "1 & 'x==");
    }
}

TEST(encoded_keys_keep_every_byte_wherever_the_page_says_so)
{
    CHECK_INT(read_page(PAGE("<EncodingType>url</EncodingType>" ITEM("a+b%2Bc%25%01%0A%ff/%C3%A9")), 100), 0);
    CHECK_STR(seen.data, "K a b+c%\x01\n\xff/\xc3\xa9 12 [9f]\n");
    CHECK_STR(token, "");
    CHECK_INT(read_page(PAGE(ITEM("%41") "<EncodingType>url</EncodingType>"), 100), 0);
    CHECK_STR(seen.data, "K A 12 [9f]\n");
    CHECK_INT(read_page(PAGE(ITEM("a+b%2Bc")), 100), 0);
    CHECK_STR(seen.data, "K a+b%2Bc 12 [9f]\n");
}

TEST(common_prefixes_are_told_from_keys)
{
    CHECK_INT(read_page(PAGE("<Delimiter>/</Delimiter>" ITEM("x/1") "<CommonPrefixes><Prefix>x/a/</Prefix></CommonPrefixes>"
                             "<CommonPrefixes><Prefix>x/b/</Prefix></CommonPrefixes>"), 50), 0);
    CHECK_STR(seen.data, "K x/1 12 [9f]\nP x/a/\nP x/b/\n");
}

static void check_token(const char *page, const char *after)
{
    char key[S3_KEY_MAX + 8];
    size_t size;
    CHECK_INT(read_page(page, 100), 0);
    CHECK(s3_list_token(token, key, &size));
    CHECK_INT(size, strlen(after));
    CHECK(!memcmp(key, after, size));
}

TEST(a_token_that_xml_cannot_say_is_replaced_by_the_last_key)
{
    char key[S3_KEY_MAX + 8];
    size_t size;
    check_token(PAGE("<EncodingType>url</EncodingType>" ITEM("a+%01") "<IsTruncated>true</IsTruncated><NextContinuationToken>a &#x1;</NextContinuationToken>"), "a \x01");
    check_token(PAGE("<IsTruncated>true</IsTruncated>" ITEM("b")), "b");
    check_token(PAGE("<IsTruncated>true</IsTruncated>" ITEM("b") ITEM("bc") "<CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes>"), "bc");
    check_token(PAGE("<IsTruncated>true</IsTruncated>" ITEM("b") "<CommonPrefixes><Prefix>c/</Prefix></CommonPrefixes>"), "c/\xf4\x8f\xbf\xbf");
    CHECK(!s3_list_token("", key, &size));
    CHECK(!s3_list_token("token", key, &size));
}

TEST(an_empty_bucket_is_an_empty_page)
{
    CHECK_INT(read_page(PAGE("<IsTruncated>false</IsTruncated>"), 10), 0);
    CHECK_INT(seen.size, 0);
    CHECK_STR(token, "");
}

TEST(what_is_no_page_is_refused_and_hands_nothing_over)
{
    static const char *const bad[] = {
        "", "<html></html>", "<Error><Code>x</Code></Error>", "<ListBucketResult><Contents><Key>a</Key><Size>1</Size></Contents>",
        PAGE("<Contents><Size>1</Size></Contents>"), PAGE("<Contents><Key>a</Key></Contents>"), PAGE("<Contents><Key></Key><Size>1</Size></Contents>"),
        PAGE("<Contents><Key>a</Key><Size>-1</Size></Contents>"), PAGE("<Contents><Key>a</Key><Size>99999999999999999999</Size></Contents>"),
        PAGE("<EncodingType>url</EncodingType>" ITEM("%4")), PAGE("<EncodingType>url</EncodingType>" ITEM("%zz")),
        PAGE("<IsTruncated>true</IsTruncated>"), PAGE("<CommonPrefixes></CommonPrefixes>"),
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        CHECK_INT(read_page(bad[i], 1000), -EBADMSG);
        CHECK_INT(seen.size, 0);
    }
}

TEST(a_page_may_be_empty_and_not_the_last)
{
    CHECK_INT(read_page(PAGE("<IsTruncated>true</IsTruncated><NextContinuationToken>next</NextContinuationToken>"), 100), 0);
    CHECK_STR(token, "next");
    CHECK_INT(read_page(PAGE("<IsTruncated>true</IsTruncated>"), 100), -EBADMSG); /* there is no way on */
}

TEST(keys_and_tokens_have_limits)
{
    struct bytes page;
    bytes_init(&page, 1 << 20);
    for (int size = 1024; size <= 1025; size++) {
        bytes_clear(&page);
        bytes_append_text(&page, "<ListBucketResult><EncodingType>url</EncodingType><Contents><Size>1</Size><Key>");
        for (int i = 0; i < size; i++)
            bytes_append_text(&page, "%01");
        bytes_append_text(&page, "</Key></Contents></ListBucketResult>");
        CHECK_INT(read_page(page.data, 1000), size == 1024 ? 0 : -EBADMSG);
    }
    bytes_clear(&page);
    bytes_append_text(&page, "<ListBucketResult><NextContinuationToken>");
    for (int i = 0; i < S3_TOKEN_MAX; i++)
        bytes_append_char(&page, 't');
    bytes_append_text(&page, "</NextContinuationToken></ListBucketResult>");
    CHECK_INT(read_page(page.data, 1000), -EBADMSG);
    bytes_done(&page);
}

TEST(a_page_that_never_ends_is_given_up)
{
    struct s3_list *list;
    char item[] = ITEM("k");
    CHECK_INT(s3_list_open(&list), 0);
    CHECK_INT(s3_list_feed(list, "<ListBucketResult>", 18), 0);
    int r = 0;
    for (int i = 0; r == 0 && i < 1000000; i++)
        r = s3_list_feed(list, item, strlen(item));
    CHECK_INT(r, -EBADMSG);
    s3_list_close(list);
}

static int refuse(void *arg, const struct s3_item *item)
{
    (void)item;
    ++*(int *)arg;
    return -ECANCELED;
}

TEST(whoever_takes_the_items_may_stop)
{
    struct s3_list *list;
    static const char page[] = PAGE(ITEM("a") ITEM("b"));
    int calls = 0;
    CHECK_INT(s3_list_open(&list), 0);
    CHECK_INT(s3_list_feed(list, page, strlen(page)), 0);
    CHECK_INT(s3_list_end(list, refuse, &calls, token), -ECANCELED);
    CHECK_INT(calls, 1);
    s3_list_close(list);
}

TEST(an_etag_that_could_not_be_sent_back_is_dropped)
{
    char etag[S3_ETAG_MAX];
    s3_etag_read(etag, "\"d41d8\"\r\n", 9);
    CHECK_STR(etag, "d41d8");
    s3_etag_read(etag, "W/\"x", 4);
    CHECK_STR(etag, "");
    s3_etag_read(etag, "a\r\nb", 4);
    CHECK_STR(etag, "");
    char big[200];
    memset(big, 'e', sizeof(big));
    s3_etag_read(etag, big, S3_ETAG_MAX);
    CHECK_STR(etag, "");
    s3_etag_read(etag, big, S3_ETAG_MAX - 1);
    CHECK_INT(strlen(etag), S3_ETAG_MAX - 1);
}
