#include "coordinator/export/json_text.h"

#include "common/utf8.h"
#include "tests/test.h"

#include <math.h>

static struct bytes out;

static struct bytes *fresh(void)
{
    bytes_done(&out);
    bytes_init(&out, 1 << 24);
    return &out;
}

static const char *string(const char *text, size_t size)
{
    json_text_string(fresh(), text, size);
    return out.data;
}

static const char *number(float value)
{
    json_text_number(fresh(), value);
    return out.data;
}

static const char *field(const char *text)
{
    csv_field(fresh(), text, strlen(text));
    return out.data ? out.data : "";
}

#define STRING(text) string(text, sizeof(text) - 1)

TEST(a_string_is_escaped_as_json_asks)
{
    CHECK_STR(STRING(""), "\"\"");
    CHECK_STR(STRING("plain /a b.jpg"), "\"plain /a b.jpg\"");
    CHECK_STR(STRING("\"\\\b\f\n\r\t"), "\"\\\"\\\\\\b\\f\\n\\r\\t\"");
    CHECK_STR(STRING("a\0b\x01\x1f\x7f"), "\"a\\u0000b\\u0001\\u001f\x7f\"");
    CHECK_STR(STRING("\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x95"), "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x95\"");
    bytes_done(&out);
}

/* The example of table 3-8 of the Unicode standard, and surrogates, overlong and truncated forms. */
TEST(every_maximal_subpart_that_is_no_utf8_becomes_one_replacement)
{
#define R UTF8_REPLACEMENT
    CHECK_STR(STRING("\xc0\xaf\xe0\x80\xbf\xf0\x81\x82" "A"), "\"" R R R R R R R R "A\"");
    CHECK_STR(STRING("\xed\xa0\x80\xed\xbf\xbf\xed\xaf" "A"), "\"" R R R R R R R R "A\"");
    CHECK_STR(STRING("\xf4\x91\x92\x93\xff" "A\x80\xbf" "B"), "\"" R R R R R "A" R R "B\"");
    CHECK_STR(STRING("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf" "A"), "\"" R R R R "A\"");
    CHECK_STR(STRING("x\xe2\x82"), "\"x" R "\"");
#undef R
    bytes_done(&out);
}

TEST(validity_agrees_with_replacement)
{
    CHECK(utf8_valid("\xc3\xa9z\xf4\x8f\xbf\xbf", 7));
    CHECK(!utf8_valid("\xf4\x90\x80\x80", 4));
    CHECK(!utf8_valid("\xc3", 1));
    CHECK(utf8_valid("", 0));
}

TEST(any_bytes_decode_as_python_decodes_them)
{
    enum { SIZE = 200000 };
    char *bytes = malloc(SIZE);
    uint32_t seed = 12345;
    static const unsigned char likely[] = { 'A', 0x80, 0xbf, 0xc1, 0xc2, 0xdf, 0xe0, 0xed,
                                           0xef, 0xf0, 0xf4, 0xf5, 0x9f, 0xa0, 0x90, 0x8f };
    for (int i = 0; i < SIZE; i++) {
        seed = seed * 1664525 + 1013904223;
        bytes[i] = (char)likely[seed >> 28];
    }
    test_write_file("raw", bytes, SIZE);
    utf8_append(fresh(), bytes, SIZE);
    test_write_file("ours", out.data, out.size);
    json_text_string(fresh(), bytes, SIZE);
    test_write_file("json", out.data, out.size);
    CHECK_INT(test_shell(NULL, "/usr/bin/python3 -c 'import json; r = open(\"raw\", \"rb\").read().decode(errors=\"replace\");"
                               " assert open(\"ours\", \"rb\").read() == r.encode();"
                               " assert json.loads(open(\"json\", \"rb\").read()) == r'"), 0);
    free(bytes);
    bytes_done(&out);
}

static void check_number(float value)
{
    char expected[64];
    snprintf(expected, sizeof(expected), "%.6f", (double)value);
    CHECK_STR(number(value), expected);
}

TEST(numbers_are_those_of_printf)
{
    const float edges[] = { 0, -0.0f, 1, 0.5f, 0.9999995f, 0.99999952f, 5e-7f, 4.9e-7f, 1e-45f, 1.5e-6f, 0.0000025f, 2.5f, 1e9f,
                            16777216, 8796093022208.0f, 8796092497920.0f, 3.4e38f, -1.25f, -1e-9f };
    for (size_t i = 0; i < sizeof(edges) / sizeof(*edges); i++)
        check_number(edges[i]);
    CHECK_STR(number(0.873112f), "0.873112");
    CHECK_STR(number(NAN), "null");
    CHECK_STR(number(-INFINITY), "null");
    bytes_done(&out);
}

/* Values k/128 and the like end in an exact tie at the seventh place; the others are a sweep over all bit patterns of [0,1]. */
TEST(three_million_numbers_are_those_of_printf)
{
    struct bytes text;
    bytes_init(&text, 1 << 10);
    char expected[64];
    for (uint32_t i = 0; i < 3000000; i++) {
        uint32_t bits = i < 2000000 ? i * 532u : (i - 2000000) * 4294u;
        float value;
        memcpy(&value, &bits, 4);
        if (i < 100000)
            value = (float)i / 1048576.0f;
        if (!isfinite(value))
            continue;
        bytes_clear(&text);
        json_text_number(&text, value);
        snprintf(expected, sizeof(expected), "%.6f", (double)value);
        if (strcmp(text.data, expected))
            test_fail(__FILE__, __LINE__, "%a: %s, printf %s", (double)value, text.data, expected);
    }
    bytes_done(&text);
}

TEST(whole_numbers_are_decimal)
{
    json_text_unsigned(fresh(), 0);
    json_text_unsigned(&out, UINT64_MAX);
    CHECK_STR(out.data, "018446744073709551615");
    bytes_done(&out);
}

TEST(base64_is_that_of_the_rfc)
{
    static const char *const expected[] = { "\"\"", "\"Zg==\"", "\"Zm8=\"", "\"Zm9v\"",
                                            "\"Zm9vYg==\"", "\"Zm9vYmE=\"", "\"Zm9vYmFy\"" };
    for (size_t i = 0; i <= 6; i++) {
        json_text_base64(fresh(), "foobar", i);
        CHECK_STR(out.data, expected[i]);
    }
    json_text_base64(fresh(), "\xff\xfe\x00", 3);
    CHECK_STR(out.data, "\"//4A\"");
    bytes_done(&out);
}

TEST(a_csv_field_is_quoted_only_when_it_must_be)
{
    CHECK_STR(field(""), "");
    CHECK_STR(field("two words 'x'"), "two words 'x'");
    CHECK_STR(field("tench, Tinca"), "\"tench, Tinca\"");
    CHECK_STR(field("a\"b\"\"c"), "\"a\"\"b\"\"\"\"c\"");
    CHECK_STR(field("a\nb"), "\"a\nb\"");
    CHECK_STR(field("a\rb"), "\"a\rb\"");
    CHECK_STR(field("=1+1"), "=1+1");
    CHECK_STR(field("\xff,\xff\""), "\"\xef\xbf\xbd,\xef\xbf\xbd\"\"\"");
    bytes_done(&out);
}
