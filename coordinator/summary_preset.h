/* summary_preset.h: the preprocessing of a job in a sentence: "torchvision, but resize 300, bicubic".
 *
 * Threads: any. Ownership: none taken. Errors: those of bytes.h, kept in the buffer. */
#pragma once

#include "common/bytes.h"

struct json_t;

/* `preset`: the member of that name in summary.json, whose text may be anybody's. */
void summary_preset(struct bytes *out, const struct json_t *preset);

/* "0.485,0.456,0.406", of a list of three numbers. */
void summary_triple(struct bytes *out, const struct json_t *values);
