#include "coordinator/export/json_text.h"

#include "common/utf8.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool is_plain(unsigned char c)
{
    return c >= ' ' && c < 0x80 && c != '"' && c != '\\';
}

/* One character that is not plain; returns how many bytes it took. */
static size_t escape(struct bytes *out, const char *data, size_t size)
{
    unsigned char c = (unsigned char)*data;
    if (c >= 0x80) {
        int n = utf8_next(data, size);
        if (n < 0)
            bytes_append(out, UTF8_REPLACEMENT, 3);
        else
            bytes_append(out, data, (size_t)n);
        return (size_t)(n < 0 ? -n : n);
    }
    static const char letters[] = "\bb\ff\nn\rr\tt\"\"\\\\";
    const char *letter = c ? strchr(letters, c) : NULL;
    if (letter) {
        char pair[2] = { '\\', letter[1] };
        bytes_append(out, pair, 2);
    } else
        bytes_printf(out, "\\u%04x", c);
    return 1;
}

void json_text_string(struct bytes *out, const char *data, size_t size)
{
    bytes_append_char(out, '"');
    for (size_t i = 0; i < size;) {
        size_t plain = i;
        while (plain < size && is_plain((unsigned char)data[plain]))
            plain++;
        bytes_append(out, data + i, plain - i);
        i = plain;
        if (i < size)
            i += escape(out, data + i, size - i);
    }
    bytes_append_char(out, '"');
}

/* The decimal digits of `value`, at least `width` of them, before `end`; returns where they begin. */
static char *digits(char *end, uint64_t value, int width)
{
    for (; value || width > 0; value /= 10, width--)
        *--end = (char)('0' + value % 10);
    return end;
}

void json_text_unsigned(struct bytes *out, uint64_t value)
{
    char text[24], *end = text + sizeof(text), *begin = digits(end, value, 1);
    bytes_append(out, begin, (size_t)(end - begin));
}

/* A float has 24 significant bits and 1000000 is 15625 * 2^6, so the product is exact in a double and rint() rounds as printf
 * does: to nearest, ties to even. From 2^24 on every float is a whole number, beyond 2^43 the product leaves uint64_t. */
void json_text_number(struct bytes *out, float value)
{
    if (!isfinite(value)) {
        bytes_append(out, "null", 4);
        return;
    }
    char text[32], *end = text + sizeof(text), *begin;
    float size = fabsf(value);
    if (size >= 0x1p43f) {
        bytes_printf(out, "%.0f.000000", (double)value);
        return;
    }
    uint64_t millionths = (uint64_t)rint((double)size * 1e6);
    begin = digits(end, millionths % 1000000, 6);
    *--begin = '.';
    begin = digits(begin, millionths / 1000000, 1);
    if (signbit(value))
        *--begin = '-';
    bytes_append(out, begin, (size_t)(end - begin));
}

void json_text_base64(struct bytes *out, const char *data, size_t size)
{
    bytes_append_char(out, '"');
    text_base64(out, data, size);
    bytes_append_char(out, '"');
}

void text_base64(struct bytes *out, const char *data, size_t size)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *byte = (const unsigned char *)data;
    for (size_t i = 0; i < size; i += 3) {
        uint32_t bits = (uint32_t)byte[i] << 16;
        bits |= i + 1 < size ? (uint32_t)byte[i + 1] << 8 : 0;
        bits |= i + 2 < size ? (uint32_t)byte[i + 2] : 0;
        char group[4] = { letters[bits >> 18], letters[bits >> 12 & 63], letters[bits >> 6 & 63], letters[bits & 63] };
        if (i + 1 >= size)
            group[2] = '=';
        if (i + 2 >= size)
            group[3] = '=';
        bytes_append(out, group, 4);
    }
}

void csv_field(struct bytes *out, const char *data, size_t size)
{
    bool quote = false;
    for (size_t i = 0; i < size && !quote; i++)
        quote = data[i] == ',' || data[i] == '"' || data[i] == '\n' || data[i] == '\r';
    if (!quote) {
        utf8_append(out, data, size);
        return;
    }
    bytes_append_char(out, '"');
    for (size_t i = 0; i < size;) {
        const char *next = memchr(data + i, '"', size - i);
        size_t n = next ? (size_t)(next - data) - i + 1 : size - i;
        utf8_append(out, data + i, n);
        if (next)
            bytes_append_char(out, '"');
        i += n;
    }
    bytes_append_char(out, '"');
}
