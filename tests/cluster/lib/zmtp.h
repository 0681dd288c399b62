/* zmtp.h: cuts one direction of a ZeroMQ connection into what belongs together.
 *
 * ZMTP 3.0 and 3.1 (https://rfc.zeromq.org/spec/23 and /37), not encrypted: a greeting of 64 bytes, then frames.
 *
 *     greeting  signature (10), version (2), mechanism (20), role (1), filler (31)
 *     frame     flags (1: more follow, 2: long, 4: command), size (one byte, or eight, big-endian), body
 *     message   frames up to the first without "more"; a command is one frame, and never stands inside a message
 *
 * Threads:   a struct zmtp belongs to one thread.
 * Ownership: nothing is kept.
 * Errors:    -EPROTO for a stream that is no ZMTP 3. */
#pragma once

#include "common/bytes.h"

#include <sys/types.h>

#define ZMTP_GREETING_SIZE 64

enum zmtp_kind { ZMTP_GREETING, ZMTP_COMMAND, ZMTP_MESSAGE };

/* Starts as zeros, one for each direction. */
struct zmtp {
    size_t greeted; /* bytes of the greeting that have passed */
};

/* How many of the first bytes are one piece of the stream; 0 when the rest of it is still to come. The greeting may come in several. */
ssize_t zmtp_next(struct zmtp *zmtp, const uint8_t *data, size_t size, enum zmtp_kind *ret_kind);

/* Bytes in the body of a message's last frame. */
size_t zmtp_last_body(const uint8_t *message, size_t size);

/* Appends the message with only `keep` bytes of its last frame's body, and a header that says so: well-formed, and half of what was meant. */
int zmtp_shorten(const uint8_t *message, size_t size, size_t keep, struct bytes *out);
