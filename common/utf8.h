/* utf8.h: telling UTF-8 from other bytes.
 *
 * Well-formed sequences are those of table 3-7 of the Unicode standard; what is not gets one U+FFFD for each maximal subpart
 * (section 3.9, "U+FFFD Substitution of Maximal Subparts"), as browsers and Python do.
 *
 * Threads: any. Ownership: none taken. Errors: utf8_append...() those of bytes.h. */
#pragma once

#include "common/bytes.h"

#include <stdbool.h>
#include <stddef.h>

#define UTF8_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* Bytes of the well-formed sequence at data[0..size), size > 0; or minus the bytes of the maximal subpart to replace. */
int utf8_next(const char *data, size_t size);

bool utf8_valid(const char *data, size_t size);

/* Appends the text with what is not UTF-8 replaced. */
int utf8_append(struct bytes *out, const char *data, size_t size);

/* The same for a terminal: with '?' for that, and for what would steer it. */
int utf8_append_shown(struct bytes *out, const char *data, size_t size);
