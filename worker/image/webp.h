/* webp.h: WebP rows through libwebp, with the pixels that Pillow's Image.open(f).convert("RGB") has.
 *
 * Lossy, lossless, with or without alpha (which is ignored); of an animation the first frame, black around it.
 * libwebp decodes whole pictures, so one is held: 3 to 9 bytes a pixel, and tables.
 *
 * Threads:   any number at once.
 * Ownership: keeps nothing.
 * Errors:    as in format.h. */
#pragma once

#include "worker/image/format.h"

extern const struct decoder webp_decoder;

/* The release in use, as 0xMMmmrr. */
int webp_release(void);
