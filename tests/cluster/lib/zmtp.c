#include "tests/cluster/lib/zmtp.h"

#include <errno.h>

enum { FLAG_MORE = 1, FLAG_LONG = 2, FLAG_COMMAND = 4 };

struct frame {
    uint8_t flags;
    size_t header, body;
};

/* 1, or 0 when its header is not all there. */
static int read_header(const uint8_t *data, size_t size, struct frame *ret)
{
    if (size < 2)
        return 0;
    *ret = (struct frame){ .flags = data[0], .header = 2, .body = data[1] };
    if (data[0] & ~(FLAG_MORE | FLAG_LONG | FLAG_COMMAND))
        return -EPROTO;
    if (!(data[0] & FLAG_LONG))
        return 1;
    if (size < 9)
        return 0;
    ret->header = 9;
    ret->body = 0;
    for (int i = 1; i < 9; i++)
        ret->body = ret->body << 8 | data[i];
    return ret->body > SIZE_MAX / 4 ? -EPROTO : 1;
}

/* One command, or all frames of one message. `last` is where its last frame begins. */
static ssize_t next_piece(const uint8_t *data, size_t size, enum zmtp_kind *ret_kind, size_t *ret_last)
{
    for (size_t at = 0;;) {
        struct frame frame;
        int r = read_header(data + at, size - at, &frame);
        if (r <= 0)
            return r;
        if (frame.flags & FLAG_COMMAND && at)
            return -EPROTO;
        *ret_kind = frame.flags & FLAG_COMMAND ? ZMTP_COMMAND : ZMTP_MESSAGE;
        *ret_last = at;
        if (size - at < frame.header + frame.body)
            return 0;
        at += frame.header + frame.body;
        if (!(frame.flags & FLAG_MORE))
            return (ssize_t)at;
    }
}

ssize_t zmtp_next(struct zmtp *zmtp, const uint8_t *data, size_t size, enum zmtp_kind *ret_kind)
{
    size_t last, greeting = ZMTP_GREETING_SIZE - zmtp->greeted;
    if (!greeting)
        return next_piece(data, size, ret_kind, &last);
    if (size > greeting)
        size = greeting;
    if (size && !zmtp->greeted && data[0] != 0xff)
        return -EPROTO;
    zmtp->greeted += size;
    *ret_kind = ZMTP_GREETING;
    return (ssize_t)size;
}

size_t zmtp_last_body(const uint8_t *message, size_t size)
{
    enum zmtp_kind kind;
    struct frame frame;
    size_t last;
    return next_piece(message, size, &kind, &last) > 0 && read_header(message + last, size - last, &frame) > 0 ? frame.body : 0;
}

int zmtp_shorten(const uint8_t *message, size_t size, size_t keep, struct bytes *out)
{
    enum zmtp_kind kind;
    struct frame frame;
    size_t last;
    if (next_piece(message, size, &kind, &last) <= 0 || read_header(message + last, size - last, &frame) <= 0 || keep > frame.body)
        return -EPROTO;
    uint8_t header[9] = { frame.flags };
    if (frame.flags & FLAG_LONG)
        for (int i = 0; i < 8; i++)
            header[1 + i] = (uint8_t)(keep >> (56 - 8 * i));
    else
        header[1] = (uint8_t)keep;
    bytes_append(out, message, last);
    bytes_append(out, header, frame.header);
    return bytes_append(out, message + last + frame.header, keep);
}
