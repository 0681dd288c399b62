/* jpeg.h: JPEG rows through libjpeg-turbo, with the pixels that Pillow's Image.open(f).convert("RGB") has.
 *
 * Pillow feeds libjpeg-turbo what the file holds and no more, with the library's defaults (accurate integer DCT, smooth
 * chroma upsampling, block smoothing). What follows from that holds here too, see jpeg.c:
 *   - a file that ends before libjpeg has its last row is refused, even if only the end marker is missing;
 *   - an error of the library refuses the file; a warning (damaged data that it could get over) does not.
 *
 * Threads:   any number at once.
 * Ownership: keeps nothing.
 * Errors:    as in format.h. */
#pragma once

#include "worker/image/format.h"

extern const struct decoder jpeg_decoder;

/* "libjpeg-turbo 2.1.5": the release this was built against. */
extern const char jpeg_library[];
