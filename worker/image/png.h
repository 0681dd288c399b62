/* png.h: PNG rows through libpng, with the pixels that Pillow's Image.open(f).convert("RGB") has.
 *
 * Every kind of PNG: grey of 1 to 16 bits, palette, RGB, with or without alpha, interlaced or not; of an APNG the picture that
 * plain readers show. Alpha, gamma and colour profiles are ignored, as Pillow's conversion ignores them.
 *
 * Threads:   any number at once.
 * Ownership: keeps nothing.
 * Errors:    as in format.h. */
#pragma once

#include "worker/image/format.h"

extern const struct decoder png_decoder;
