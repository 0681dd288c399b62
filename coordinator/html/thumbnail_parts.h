/* thumbnail_parts.h: between thumbnail.c and the formats it reads, each a file.
 *
 * Threads:   any.
 * Ownership: the caller calls small_done(), also after an error.
 * Errors:    -EINVAL for what is damaged or not of the format, -EFBIG, -ENOMEM. */
#pragma once

#include <stdint.h>
#include <stdio.h>

/* A small picture under construction: sums of red, green and blue, and how many source pixels fell on each. */
struct small {
    uint32_t from_width, from_height;
    uint32_t width, height;
    uint32_t *sum;  /* (height, width, 4) */
    uint8_t *pixel; /* (height, width, 3) */
};

/* For a picture of this size. */
int small_init(struct small *small, uint32_t width, uint32_t height);
void small_done(struct small *small);

/* Row `y` of it, (from_width, 3) R G B. */
void small_add(struct small *small, uint32_t y, const uint8_t *row);

/* From the beginning of a file. */
int thumbnail_read_jpeg(FILE *file, struct small *small);
int thumbnail_read_png(FILE *file, struct small *small);  /* up to 16 megapixels; alpha on white */
int thumbnail_read_webp(FILE *file, struct small *small); /* lossy ones without alpha, whose memory does not depend on what the file says */
