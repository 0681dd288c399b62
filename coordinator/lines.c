#include "coordinator/lines.h"

#include "common/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define TEXT_SHOWN 400 /* bytes of one foreign text */

void line_text(struct bytes *out, const char *text)
{
    size_t size = strlen(text), shown = size > TEXT_SHOWN ? TEXT_SHOWN : size;
    utf8_append_shown(out, text, shown);
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
