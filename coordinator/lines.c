#include "coordinator/lines.h"

#include "common/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define TEXT_SHOWN 400 /* bytes of one foreign text */

/* One character of UTF-8 that steers a terminal: C0, DEL, C1. */
static bool is_control(const char *c)
{
    unsigned char byte = (unsigned char)c[0];
    return byte < ' ' || byte == 0x7f || (byte == 0xc2 && (unsigned char)c[1] < 0xa0);
}

void line_clean(struct bytes *out, const char *data, size_t size)
{
    for (size_t i = 0; i < size;) {
        int n = utf8_next(data + i, size - i);
        if (n < 0 || is_control(data + i))
            bytes_append_char(out, '?');
        else
            bytes_append(out, data + i, (size_t)n);
        i += (size_t)(n < 0 ? -n : n);
    }
}

void line_text(struct bytes *out, const char *text)
{
    size_t size = strlen(text), shown = size > TEXT_SHOWN ? TEXT_SHOWN : size;
    line_clean(out, text, shown);
    if (shown < size)
        bytes_append_text(out, "...");
}

void line_count(struct bytes *out, uint64_t value)
{
    char digits[24];
    int size = snprintf(digits, sizeof(digits), "%" PRIu64, value);
    for (int i = 0; i < size; i++) {
        if (i && (size - i) % 3 == 0)
            bytes_append_char(out, ',');
        bytes_append_char(out, digits[i]);
    }
}

void line_duration(struct bytes *out, double seconds)
{
    uint64_t whole = (uint64_t)llrint(seconds < 1e12 ? seconds : 0);
    if (seconds < 60)
        bytes_printf(out, "%.*f s", seconds < 10 ? 2 : 1, seconds);
    else if (whole < 3600)
        bytes_printf(out, "%" PRIu64 " min %" PRIu64 " s", whole / 60, whole % 60);
    else
        bytes_printf(out, "%" PRIu64 " h %" PRIu64 " min %" PRIu64 " s", whole / 3600, whole / 60 % 60, whole % 60);
}

void line_subject(struct bytes *out, const char *name)
{
    bytes_printf(out, "%-*s", LINE_SUBJECT, name);
}

void line_end(struct bytes *out)
{
    bytes_append_char(out, '\n');
}

void line_rate(struct bytes *out, uint64_t part, uint64_t all)
{
    line_count(out, part);
    bytes_append_text(out, " of ");
    line_count(out, all);
    bytes_printf(out, ", %.3f %%", all ? 100.0 * (double)part / (double)all : 0);
}
