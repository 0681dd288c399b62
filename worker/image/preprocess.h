/* preprocess.h: from the bytes of a file to the cropped pixels a network is fed with.
 *
 * The pixels are those of torchvision's Resize(resize, interpolation) -> CenterCrop(crop) on Pillow's Image.open(f).convert("RGB"),
 * turned by ImageOps.exif_transpose() if asked, bit for bit. Rows are resampled horizontally as they are decoded, and only those
 * columns and rows that the crop needs are kept, so the memory of a 100-megapixel photo is a few megabytes. Dearer are progressive JPEGs (libjpeg holds all their coefficients,
 * 2 bytes each, so 3 bytes a pixel of most photos (4:2:0) and 8 of the worst kind (CMYK)), interlaced PNGs, WebPs,
 * and photos that are turned by a quarter.
 *
 * Threads:   one struct preprocess a thread.
 * Ownership: the file is only read during preprocess_decode(). Scratch memory is kept from image to image; preprocess_trim()
 *            gives back what is large of it.
 * Errors:    -EBADMSG corrupt or truncated, -EOPNOTSUPP not a format or variant that is read, -E2BIG more pixels than allowed,
 *            -ETIMEDOUT, -ENOMEM, whatever admit() says. `why` says what is wrong in words for the owner of the photos,
 *            without the file's name. After an error the next file may be decoded. */
#pragma once

#include "common/cleanup.h"
#include "common/why.h"
#include "proto/preset.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where Pillow refuses an image as a decompression bomb. */
#define PREPROCESS_MAX_PIXELS 178956970

struct preprocess_spec {
    int resize;          /* the short side becomes so many pixels */
    int crop;            /* height and width of the crop; larger than the resized image: padded with zeros */
    uint64_t max_pixels; /* of a source image; 0: PREPROCESS_MAX_PIXELS */
    enum interpolation interpolation;
    bool exif_orient;
    bool fast; /* pixels need not be Pillow's where a photo is so much larger than `resize` that a decoder can give a smaller one for less */
    uint64_t cpu_limit_ns; /* processor time a decode may take; 0: any */
    /* Asked once the header is read, before memory is taken: so many bytes, until preprocess_trim(). May wait; a refusal (negative
     * errno) ends the decode. NULL: not asked. */
    int (*admit)(void *arg, uint64_t bytes, struct why *why);
    void *admit_arg;
};

struct preprocess;

/* -EINVAL unless resize and crop are in 1..16384. */
int preprocess_new(const struct preprocess_spec *spec, struct preprocess **ret);
void preprocess_free(struct preprocess *p);
DEFINE_FREEP(preprocess_free, struct preprocess)

/* Decodes a whole file. `max_pixels` is checked against the header, before memory is taken. */
int preprocess_decode(struct preprocess *p, const void *file, size_t size, struct why *why);

/* Writes (crop, crop, 3) R G B of the image decoded last, u8. Only after a preprocess_decode() that returned 0. */
void preprocess_render(const struct preprocess *p, uint8_t *pixels);

/* Gives back what the last image needed, if that was much; its pixels go with it. */
void preprocess_trim(struct preprocess *p);

/* The decoders whose release may matter, and which they are: equal ones give equal pixels. (All PNG decoders agree.) */
void preprocess_fingerprint(char *to, size_t size);
