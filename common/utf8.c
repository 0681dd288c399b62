#include "common/utf8.h"

#include <string.h>

/* Length of the sequence that begins with `lead`, and the range its second byte must be in; 0: no sequence begins so. */
static int sequence(unsigned char lead, unsigned char *low, unsigned char *high)
{
    *low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    *high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (lead < 0x80)
        return 1;
    return lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
}

int utf8_next(const char *data, size_t size)
{
    const unsigned char *byte = (const unsigned char *)data;
    unsigned char low, high;
    int length = sequence(byte[0], &low, &high);
    for (int i = 1; i < length; i++, low = 0x80, high = 0xbf)
        if ((size_t)i >= size || byte[i] < low || byte[i] > high)
            return -i;
    return length ? length : -1;
}

bool utf8_valid(const char *data, size_t size)
{
    for (size_t i = 0; i < size;) {
        int n = (unsigned char)data[i] < 0x80 ? 1 : utf8_next(data + i, size - i);
        if (n < 0)
            return false;
        i += (size_t)n;
    }
    return true;
}

int utf8_append(struct bytes *out, const char *data, size_t size)
{
    size_t from = 0;
    for (size_t i = 0; i < size;) {
        int n = utf8_next(data + i, size - i);
        if (n > 0) {
            i += (size_t)n;
            continue;
        }
        bytes_append(out, data + from, i - from);
        bytes_append_text(out, UTF8_REPLACEMENT);
        from = i += (size_t)-n;
    }
    return bytes_append(out, data + from, size - from);
}

/* One character of UTF-8 that steers a terminal: C0, DEL, C1. */
static bool is_control(const char *c)
{
    unsigned char byte = (unsigned char)c[0];
    return byte < ' ' || byte == 0x7f || (byte == 0xc2 && (unsigned char)c[1] < 0xa0);
}

int utf8_append_shown(struct bytes *out, const char *data, size_t size)
{
    for (size_t i = 0; i < size;) {
        int n = utf8_next(data + i, size - i);
        if (n < 0 || is_control(data + i))
            bytes_append_char(out, '?');
        else
            bytes_append(out, data + i, (size_t)n);
        i += (size_t)(n < 0 ? -n : n);
    }
    return bytes_error(out);
}
