/* vp8l.h: lossless WebPs written by hand, as no encoder would: pixels that cost no bits, tables that cost much memory.
 *
 * Threads:   any.
 * Ownership: what is returned is memory to be freed.
 * Errors:    fail the test.
 * Source:    RFC 9649, section 3 (WebP lossless bitstream). */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* One colour, under three transforms: 42 bytes, whatever the size (up to 16384 a side). */
uint8_t *vp8l_flat(int width, int height, size_t *ret_size);

/* `side` squared (a multiple of 4, up to 1024), where every tile of 4 x 4 pixels has prefix codes of its own. */
uint8_t *vp8l_tables(int side, size_t *ret_size);
