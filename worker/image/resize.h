/* resize.h: Pillow's resize of 8-bit RGB with each of its filters, bit for bit, for the pixels that a centre crop keeps.
 *
 * A picture has two axes; each is planned once from (source size, resized size, crop), then the horizontal one is applied to
 * source rows and the vertical one to the rows that come out. Between the two, pixels are rounded to 8 bits.
 *
 * Source of the arithmetic: Pillow 9.4, Resample.c (8 bits a channel): per output pixel a filter that widens with the reduction,
 * in double; weights rounded to 22 bits; sums in int32, from one half, shifted and clipped to 0..255. An axis that keeps its
 * size has weights of exactly one, so skipping it, as Pillow does, makes no difference. Nearest: Geometry.c, ImagingScaleAffine().
 * Source of the crop: torchvision 0.14, center_crop(): halves go to the even offset; a crop larger than the image pads with
 * zeros, the odd one after.
 *
 * Threads:   an axis belongs to its thread; planned, it is only read.
 * Ownership: axis_done() frees what axis_plan() took; a zeroed axis is a valid empty one, and may be planned again and again.
 * Errors:    -ENOMEM from axis_plan(), which leaves the axis to axis_done(). */
#pragma once

#include "proto/preset.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Weights come in groups of so many, and output pixels in blocks; what is missing to a whole one is zero. */
#define AXIS_GROUP 4
#define AXIS_BLOCK 16

struct axis {
    int padding;      /* zero pixels in front of those that come from the source; behind them go what is left of the crop */
    int kept;         /* output pixels that come from the source */
    int first, count; /* source pixels that they need */
    int groups;       /* of weights, an output pixel */
    int *start;       /* (kept) the first source pixel of each, counted from `first` */
    int *taps;        /* (kept) how many source pixels each needs */
    int32_t *weight;  /* (kept, groups, AXIS_GROUP) 22 fractional bits */
    int16_t *halves;  /* (kept, groups, 2, AXIS_GROUP) the same, cut in two: the low 15 bits, then the high ones with the sign */
    int8_t *thirds;   /* (blocks of `kept`, groups, 3, AXIS_BLOCK, AXIS_GROUP) the same, as digits to the base of 256, the lowest first */
    void *memory;     /* of the five above */
    size_t room;      /* bytes */
};

/* Where a picture begins and ends in the pixels that are there of it. They are larger ones than its own if a decoder has reduced it (format.h), and
 * one of them may be in it by a part only. */
struct extent {
    int pixels;
    double begin, end;
};

/* Sizes up to 65535, resize and crop up to 16384. */
int axis_plan(struct axis *axis, enum interpolation interpolation, const struct extent *source, int resized, int crop);
void axis_done(struct axis *axis);

/* One way to compute the passes; all give the same bytes. */
struct resizer {
    const char *name;
    bool (*runs)(void); /* on this machine? */
    /* `from`: (x->count, 3), readable for ROW_PADDING bytes more; `to`: (x->kept, 3), writable for RESIZE_PADDING bytes more. */
    void (*row)(const struct axis *x, const uint8_t *from, uint8_t *to);
    /* `from`: rows of `stride` bytes, the first being source row y->first + y->start[i]; `to`: `bytes` bytes of output row i. */
    void (*column)(const struct axis *y, int i, const uint8_t *from, size_t stride, uint8_t *to, size_t bytes);
};

#define RESIZE_PADDING 16

/* resize.c, resize_avx2.c, resize_vnni.c: the last two are there on x86-64 only. */
extern const struct resizer resizer_plain, resizer_avx2, resizer_vnni;

/* Number n of those that this machine can run, the fastest first; NULL: there are no more. The plain one is always the last. */
const struct resizer *resizer_number(int n);
