/* format.h: the image formats, told apart by the first bytes of a file, and what a decoder of one has to do.
 *
 * A new format is a `struct decoder` and a line in format.c. A decoder delivers rows from top to bottom to a `struct frame`:
 * begin() once the header is read, then row() for every row of the window that begin() asked for.
 *
 * Threads:   formats are constant data; a frame belongs to the thread that decodes.
 * Ownership: the file is only read; a row is valid during the call of row(). A decoder keeps nothing between files.
 * Errors:    -EBADMSG corrupt or truncated, -EOPNOTSUPP a variant that is not read, -E2BIG, -ETIMEDOUT, -ENOMEM; whatever begin()
 *            says. */
#pragma once

#include "common/why.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A row may be read up to so many bytes past the end of the window: SIMD loads are wider than a pixel. */
#define ROW_PADDING 16

/* Delivered pixels that somebody will look at: columns left..right-1 of rows top..bottom-1. */
struct window {
    int left, right, top, bottom;
};

/* Longer sides are refused: products of a side and an offset stay within 31 bits. */
#define SIDE_LIMIT 65535

/* What the header of a file says. */
struct picture {
    int width, height; /* up to SIDE_LIMIT */
    uint64_t memory;   /* bytes that the decoder will take besides a few rows */
    int orientation;   /* EXIF's, 1 to 8; 0: not known, or nobody wants to know */
    int reduction;     /* sides of a delivered pixel, in the picture's own: 1, 2, 4 or 8. The last column and row may be in the picture by a part only */
};

/* What is delivered of a side. */
static inline int reduced(int side, int reduction)
{
    return (side + reduction - 1) / reduction;
}

struct frame {
    /* Says which pixels are wanted of this picture; a refusal (negative errno) ends the decoding before memory is taken for
     * pixels. */
    int (*begin)(struct frame *frame, const struct picture *picture, struct window *ret, struct why *why);
    /* (right - left, 3) R G B of row `y`, u8, its first pixel being column `left`. */
    void (*row)(struct frame *frame, int y, const uint8_t *pixels);
    bool wants_orientation;
    int enough; /* a decoder may reduce a picture whose short side stays so long; 0: none must */
    uint64_t cpu_limit_ns; /* processor time that the decoder may take; 0: any */
    uint64_t cpu_end_ns;   /* of clock_thread_cpu_ns(), when it must give up */
    unsigned asked;        /* how often the time was */
};

/* Decoders ask for every row or piece: -ETIMEDOUT once the image had its time. Cheap: looks at the clock every eighth time. */
int frame_check_time(struct frame *frame, struct why *why);

struct decoder {
    const char *name;
    /* Decodes a whole file, the pixels outside the window too as far as it takes to notice that the file is damaged. */
    int (*decode)(const uint8_t *file, size_t size, struct frame *frame, struct why *why);
};

/* The decoder for a file that begins like this. -EOPNOTSUPP when there is none: `why` names the format if it can. */
int format_find(const uint8_t *file, size_t size, const struct decoder **ret, struct why *why);
