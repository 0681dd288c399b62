/* value.h: JSON values from foreign text and numbers, and back without trusting them.
 *
 * jansson takes UTF-8 only and text from outside may hold any bytes: what is not UTF-8 becomes U+FFFD.
 *
 * Threads:   any.
 * Ownership: value_...() give a new reference; texts read belong to the object.
 * Errors:    NULL when memory is refused, which json_pack() and json_..._new() pass on. Reading never fails: what is missing or odd is
 *            0 or "?". */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* `value` if no memory was refused since json_watch(); else NULL, because something may be missing in it. Takes over the reference. */
json_t *value_whole(json_t *value);

json_t *value_sized(const char *data, size_t size);
json_t *value_text(const char *data); /* null for NULL */
json_t *value_count(uint64_t value);
json_t *value_real(double value);                /* null for what is not finite, as 0/0 */
json_t *value_ratio(uint64_t part, uint64_t all); /* null for nothing of nothing */

const char *text_at(const json_t *object, const char *key);
uint64_t count_at(const json_t *object, const char *key);
double real_at(const json_t *object, const char *key);
