/* json_text.h: the pieces of JSON and CSV text, appended to a buffer; fast, and the same in every locale.
 *
 * JSON by RFC 8259, CSV fields by RFC 4180. Bytes that are not UTF-8 become U+FFFD in both.
 *
 * Threads: any. Ownership: none taken. Errors: those of bytes.h, kept in the buffer. */
#pragma once

#include "common/bytes.h"

#include <stddef.h>
#include <stdint.h>

/* "text", quoted and escaped. */
void json_text_string(struct bytes *out, const char *data, size_t size);

/* What printf("%.6f") writes in the C locale; JSON has no word for what is not finite: null. */
void json_text_number(struct bytes *out, float value);

void json_text_unsigned(struct bytes *out, uint64_t value);

/* base64, RFC 4648 section 4; the first one in quotes. */
void json_text_base64(struct bytes *out, const char *data, size_t size);
void text_base64(struct bytes *out, const char *data, size_t size);

/* Quoted only if it holds a comma, a quote, CR or LF. */
void csv_field(struct bytes *out, const char *data, size_t size);
