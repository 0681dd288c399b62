/* lines.h: lines for a terminal, in two columns: a subject and what is to say about it. line_count() is for pages, too.
 *
 *     line_subject(out, "images examined");
 *     line_count(out, 20580);
 *     line_end(out);                          "images examined       20,580"
 *
 * Control characters in foreign text are shown as '?', so that no file name can steer the terminal.
 *
 * Threads: any. Ownership: none taken. Errors: those of bytes.h, kept in the buffer. */
#pragma once

#include "common/bytes.h"

#include <stddef.h>
#include <stdint.h>

#define LINE_SUBJECT 22 /* width of the first column */

void line_subject(struct bytes *out, const char *name);
void line_end(struct bytes *out);

/* Foreign text, 400 bytes of it at most. What is not UTF-8 is shown as '?', too. */
void line_text(struct bytes *out, const char *text);

void line_count(struct bytes *out, uint64_t value);                  /* 20,580 */
void line_rate(struct bytes *out, uint64_t part, uint64_t all);      /* "13,806 of 20,580, 67.085 %" */
void line_duration(struct bytes *out, double seconds);               /* "5 min 15 s" */
