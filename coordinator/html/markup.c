#include "coordinator/html/markup.h"

#include "common/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char *entity_of(char c)
{
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&#39;";
    default: return NULL;
    }
}

/* C0 and DEL, and C1, which are two bytes. */
static bool is_control(const char *c, int n)
{
    unsigned char byte = (unsigned char)c[0];
    return byte < ' ' || byte == 0x7f || (n == 2 && byte == 0xc2 && (unsigned char)c[1] < 0xa0);
}

/* One character; returns its size. */
static size_t put_character(struct bytes *out, const char *at, size_t left)
{
    int n = utf8_next(at, left);
    const char *entity = entity_of(*at);
    if (entity)
        bytes_append_text(out, entity);
    else if (n < 0 || is_control(at, n))
        bytes_append_text(out, UTF8_REPLACEMENT);
    else
        bytes_append(out, at, (size_t)n);
    return (size_t)(n < 0 ? -n : n);
}

static void put(struct bytes *out, const char *text, size_t size)
{
    for (size_t i = 0; i < size;)
        i += put_character(out, text + i, size - i);
}

void markup_text(struct bytes *out, const char *text)
{
    put(out, text, strlen(text));
}

/* Bytes of the first `characters` of text[0..size). */
static size_t prefix(const char *text, size_t size, int characters)
{
    size_t i = 0;
    while (i < size && characters-- > 0) {
        int n = utf8_next(text + i, size - i);
        i += (size_t)(n < 0 ? -n : n);
    }
    return i;
}

static int characters_in(const char *text, size_t size)
{
    int count = 0;
    for (size_t i = 0; i < size; count++)
        i += prefix(text + i, size - i, 1);
    return count;
}

void markup_short(struct bytes *out, const char *text, int characters)
{
    size_t size = strlen(text);
    int count = characters_in(text, size);
    if (count <= characters) {
        put(out, text, size);
        return;
    }
    size_t head = prefix(text, size, characters / 2), tail = prefix(text, size, count - (characters - characters / 2 - 1));
    put(out, text, head);
    bytes_append_text(out, "\u2026");
    put(out, text + tail, size - tail);
}

void markup_foreign(struct bytes *out, const char *text, int characters)
{
    bytes_append_text(out, "<bdi title=\"");
    markup_text(out, text);
    bytes_append_text(out, "\">");
    markup_short(out, text, characters);
    bytes_append_text(out, "</bdi>");
}

void markup_first(struct bytes *out, const char *label, int characters)
{
    char first[256];
    snprintf(first, sizeof(first), "%.*s", (int)strcspn(label, ","), label);
    markup_short(out, first, characters);
}

void markup_class(struct bytes *out, const char *label, int characters)
{
    bytes_append_text(out, "<bdi title=\"");
    markup_text(out, label);
    bytes_append_text(out, "\">");
    markup_first(out, label, characters);
    bytes_append_text(out, "</bdi>");
}

void markup_pair(struct bytes *out, const char *label, const char *other, int characters)
{
    size_t first = strcspn(label, ",");
    if (first == strcspn(other, ",") && !strncmp(label, other, first))
        markup_foreign(out, label, 2 * characters);
    else
        markup_class(out, label, characters);
}

void markup_rate(struct bytes *out, double value)
{
    bytes_printf(out, "%.3f&nbsp;%%", 100 * value);
}

void markup_duration(struct bytes *out, double seconds)
{
    uint64_t whole = (uint64_t)llrint(seconds < 1e12 ? seconds : 0);
    if (seconds < 60)
        bytes_printf(out, "%.1f s", seconds);
    else if (whole < 3600)
        bytes_printf(out, "%" PRIu64 " min %" PRIu64 " s", whole / 60, whole % 60);
    else
        bytes_printf(out, "%" PRIu64 " h %" PRIu64 " min", whole / 3600, whole / 60 % 60);
}
