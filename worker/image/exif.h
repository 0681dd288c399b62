/* exif.h: which way up a photo is, by its EXIF data.
 *
 * Source: EXIF 2.32, tag 0x0112 in the first directory of a TIFF structure; read as Pillow 9.4's Image.getexif() reads it. What
 * cannot be read counts as 1 (Pillow raises an error where the structure does not even begin like TIFF).
 *
 * Threads:   any.
 * Ownership: the bytes are only read.
 * Errors:    none. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 1 to 8. `data`: an EXIF block with or without "Exif\0\0" in front. */
int exif_orientation(const uint8_t *data, size_t size);

/* The same, of the first EXIF block in a JPEG's header. */
int exif_orientation_of_jpeg(const uint8_t *file, size_t size);

/* How a picture turned upright maps to the one in the file: rows are columns; then the file's columns or rows are counted from
 * their end. */
struct orientation {
    bool swap, mirror_x, mirror_y;
};

struct orientation exif_turn(int orientation);
