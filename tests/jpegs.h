/* jpegs.h: JPEG files for tests, drawn from a seed and written by libjpeg in any of its variants.
 *
 * Threads:   any.
 * Ownership: jpeg_draw() returns memory to be freed.
 * Errors:    fail the test. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum jpeg_colour {
    JPEG_COLOUR,    /* YCbCr, as photos are */
    JPEG_GREY,
    JPEG_RGB,       /* stored without conversion, Adobe marker */
    JPEG_CMYK,      /* Adobe marker */
    JPEG_CMYK_BARE, /* no marker */
    JPEG_YCCK,      /* Adobe marker */
    JPEG_TWO,       /* two components of no known meaning */
};

struct jpeg_recipe {
    const char *name;
    int width, height;
    enum jpeg_colour colour;
    int h, v;        /* sampling factors of the first component; 0: 1 */
    int quality;     /* 0: 85 */
    bool progressive, optimised, arithmetic;
    int restart;     /* MCUs between restart markers; 0: none */
};

/* A smooth picture with edges and noise that depends on nothing but the recipe. */
uint8_t *jpeg_draw(const struct jpeg_recipe *recipe, size_t *ret_size);

/* FNV-1a, 64 bits. */
uint64_t test_hash(const void *data, size_t size);
