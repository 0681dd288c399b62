/* png_rows.h: a row of a PNG as R G B, with the values that Pillow's conversion gives. For png.c.
 *
 * Threads: any; no state. Ownership: none taken. Errors: none.
 * Source: PNG specification, third edition, table 12 (colour types); Pillow 9.4, by experiment. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Colour types. */
enum { PNG_GREY = 0, PNG_RGB = 2, PNG_PALETTE = 3, PNG_GREY_ALPHA = 4, PNG_RGB_ALPHA = 6 };

struct png_kind {
    int bits;                    /* of a sample */
    int type;
    const uint8_t (*palette)[3]; /* 256 entries R G B, of PNG_PALETTE */
};

bool png_kind_exists(int bits, int type);

/* Samples of a pixel. */
int png_channels(int type);

/* Pixels left..right-1 of a row: 3 bytes each to `to`. Alpha is ignored. */
void png_to_rgb(const struct png_kind *kind, const uint8_t *row, int left, int right, uint8_t *to);
