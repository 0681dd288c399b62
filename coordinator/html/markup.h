/* markup.h: pieces of HTML and SVG, appended to a buffer. Whatever is not written in our own source goes through markup_text().
 *
 * Threads: any. Ownership: none taken. Errors: those of bytes.h, kept in the buffer. */
#pragma once

#include "common/bytes.h"

#include <stdint.h>

/* Fit for text and for attributes in double quotes: & < > " ' escaped, control characters as U+FFFD. `text` is UTF-8. */
void markup_text(struct bytes *out, const char *text);

/* The same, cut to `characters` with an ellipsis in the middle. */
void markup_short(struct bytes *out, const char *text, int characters);

/* Foreign text in a <bdi>, so that it cannot turn what stands around it; all of it shows up when pointed at. */
void markup_foreign(struct bytes *out, const char *text, int characters);

/* The name of a class to its first comma, where synonyms begin; the second shows all of it when pointed at. */
void markup_first(struct bytes *out, const char *label, int characters);
void markup_class(struct bytes *out, const char *label, int characters);

/* The same for a class that was taken for another: if both have the same first name (ImageNet has two maillots), all of their names. */
void markup_pair(struct bytes *out, const char *label, const char *other, int characters);

void markup_rate(struct bytes *out, double value);    /* 0.67085 as 67.085 % */
void markup_duration(struct bytes *out, double seconds);
