#include "worker/image/png_rows.h"

#include <stddef.h>
#include <string.h>

#define HAS_COLOUR 2 /* bits of a colour type */
#define HAS_ALPHA  4

int png_channels(int type)
{
    int colours = type & HAS_COLOUR && type != PNG_PALETTE ? 3 : 1;
    return colours + (type & HAS_ALPHA ? 1 : 0);
}

/* Sample `i` of a packed row. */
static unsigned sample_at(const uint8_t *row, int bits, int i)
{
    int per_byte = 8 / bits;
    return (unsigned)row[i / per_byte] >> (8 - bits - i % per_byte * bits) & ((1u << bits) - 1);
}

static void grey_to_rgb(const struct png_kind *kind, const uint8_t *row, int left, int right, uint8_t *to)
{
    unsigned scale = 255 / ((1u << kind->bits) - 1);
    for (int x = left; x < right; x++, to += 3)
        memset(to, (int)(sample_at(row, kind->bits, x) * scale), 3);
}

static void deep_grey_to_rgb(const uint8_t *row, int left, int right, uint8_t *to)
{
    for (int x = left; x < right; x++, to += 3)
        memset(to, row[2 * (size_t)x] ? 255 : row[2 * (size_t)x + 1], 3);
}

static void palette_to_rgb(const struct png_kind *kind, const uint8_t *row, int left, int right, uint8_t *to)
{
    for (int x = left; x < right; x++, to += 3)
        memcpy(to, kind->palette[sample_at(row, kind->bits, x)], 3);
}

/* Samples of 8 or 16 bits: the first byte of each, and the first or the first three of a pixel. */
static void samples_to_rgb(const struct png_kind *kind, const uint8_t *row, int left, int right, uint8_t *to)
{
    size_t sample = (size_t)kind->bits / 8, pixel = sample * (size_t)png_channels(kind->type);
    size_t step = kind->type & HAS_COLOUR ? sample : 0;
    const uint8_t *from = row + (size_t)left * pixel;
    for (int x = left; x < right; x++, from += pixel, to += 3) {
        to[0] = from[0];
        to[1] = from[step];
        to[2] = from[2 * step];
    }
}

bool png_kind_exists(int bits, int type)
{
    switch (type) {
    case PNG_GREY:
        return bits == 1 || bits == 2 || bits == 4 || bits == 8 || bits == 16;
    case PNG_PALETTE:
        return bits == 1 || bits == 2 || bits == 4 || bits == 8;
    case PNG_RGB:
    case PNG_GREY_ALPHA:
    case PNG_RGB_ALPHA:
        return bits == 8 || bits == 16;
    default:
        return false;
    }
}

void png_to_rgb(const struct png_kind *kind, const uint8_t *row, int left, int right, uint8_t *to)
{
    if (kind->type == PNG_PALETTE)
        palette_to_rgb(kind, row, left, right, to);
    else if (kind->bits < 8)
        grey_to_rgb(kind, row, left, right, to);
    else if (kind->bits == 16 && kind->type == PNG_GREY)
        deep_grey_to_rgb(row, left, right, to);
    else
        samples_to_rgb(kind, row, left, right, to);
}
