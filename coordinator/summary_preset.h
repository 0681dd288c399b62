/* summary_preset.h: how a job's numbers came about, in a few words: its preprocessing, "torchvision, but resize 300, bicubic", and its precision.
 *
 * Threads: any. Ownership: none taken. Errors: those of bytes.h, kept in the buffer. */
#pragma once

#include "common/bytes.h"

struct json_t;

/* `preset`: the member of that name in summary.json, whose text may be anybody's. */
void summary_preset(struct bytes *out, const struct json_t *preset);

/* "f32", "int8, f32" where --mixed was given; nothing where nobody computed or it is not known any more. `nodes`: the member of that name. */
void summary_precision(struct bytes *out, const struct json_t *nodes);

/* "0.485,0.456,0.406", of a list of three numbers. */
void summary_triple(struct bytes *out, const struct json_t *values);
