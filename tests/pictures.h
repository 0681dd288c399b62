/* pictures.h: PNG and WebP files for tests, drawn from a seed and written by libpng and libwebp.
 *
 * Threads:   any.
 * Ownership: what is returned is memory to be freed.
 * Errors:    fail the test. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct png_recipe {
    const char *name;
    int width, height;
    int bits, type;      /* as in IHDR: 1..16; 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA */
    bool interlaced;
    bool transparent;    /* a tRNS chunk */
    int colours;         /* of a palette; 0: as many as the bits can name. Fewer: some indices name nothing */
};

uint8_t *png_draw(const struct png_recipe *recipe, size_t *ret_size);

struct webp_recipe {
    const char *name;
    int width, height;
    bool lossless, alpha;
    int quality;         /* 0: 80 */
};

uint8_t *webp_draw(const struct webp_recipe *recipe, size_t *ret_size);

/* Puts one more chunk into a PNG, in front of the first `before`, with its checksum. Frees `file`. */
uint8_t *png_insert(uint8_t *file, size_t *size, const char *before, const char *name, const void *data, size_t data_size);

/* Where the chunk's length is. */
uint8_t *png_find(uint8_t *file, size_t size, const char *name);

/* Makes a chunk's checksum right again. */
void png_seal(uint8_t *chunk);
