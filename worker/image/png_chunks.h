/* png_chunks.h: the chunks of a PNG file, judged as Pillow judges them [zlib.h for CRC-32]. For png.c.
 *
 * Threads:   no state but the caller's.
 * Ownership: everything points into the file, which is only read.
 * Errors:    -EBADMSG, -EOPNOTSUPP, with a sentence.
 * Source:    PNG specification, third edition, sections 5 (chunks) and 11 (IHDR, PLTE, acTL, fcTL, eXIf). */
#pragma once

#include "common/why.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PNG_HEADER 13 /* bytes of an IHDR's data */

struct png_chunk {
    const uint8_t *name, *data;
    size_t size;  /* bytes of data that the chunk claims */
    size_t there; /* bytes of data that the file has */
};

struct png_chunks {
    const uint8_t *file;
    size_t size, at;         /* bytes of the file, and of it read */
    struct why *why;
    const uint8_t *header;   /* PNG_HEADER bytes: width, height (u32), bits, colour type, 0, 0, interlaced */
    uint8_t palette[256][3]; /* an entry that the file does not have is the grey of its own number */
    uint32_t frames;         /* of an animation; 0: it is none */
    bool first_is_frame;     /* of the animation, and not only what is shown where it cannot be */
};

/* Reads up to the first IDAT. Set file, size and why before. */
int png_chunks_open(struct png_chunks *chunks);

/* The next IDAT, which may be cut; false where none follows. */
bool png_chunks_next(struct png_chunks *chunks, struct png_chunk *ret);

/* What follows the image must be whole chunks, up to one that ends the file, begins the next frame or is none. */
int png_chunks_check_tail(const struct png_chunks *chunks);

/* EXIF's, 1 to 8. It may stand behind the image. Before png_chunks_next(). */
int png_chunks_orientation(const struct png_chunks *chunks);
