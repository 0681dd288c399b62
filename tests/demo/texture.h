/* texture.h: two-tone textures, drawn: what the demo classifies instead of photos that a repository could not carry.
 *
 * A class is a kind of pattern; a style is one picture of it: size, angle, scale, palette, noise, and how its JPEG is
 * written. Where the angle is what tells two classes apart (the three kinds of straight stripes) it varies by at most
 * TEXTURE_TILT about the class's own; every other class is drawn at any angle.
 *
 * Threads:   pure functions; a style belongs to its caller.
 * Ownership: texture_render writes into the caller's pixels.
 * Errors:    none. */
#pragma once

#include <stdint.h>

#define TEXTURE_CONTRAST 70 /* least difference in luma between the two colours, levels of 255 */
#define TEXTURE_TILT     10 /* degrees */

struct texture_style {
    int kind;            /* class, 0.. */
    int width, height;   /* pixels */
    double angle;        /* of the lines, degrees from horizontal */
    double period;       /* of the pattern, pixels */
    double stretch;      /* period along the lines, in periods across them */
    double x, y;         /* where the pattern's origin lies, pixels; near the middle */
    double share;        /* of the first colour in a period, around 0.5 */
    uint8_t colour[2][3]; /* R G B */
    double noise;        /* standard deviation of the noise added to every sample, levels */
    uint64_t noise_seed;
    int grey;            /* 1: a one-component JPEG */
    int quality;         /* of the JPEG */
    int subsampling;     /* of its chroma: horizontal factor times vertical factor, 1, 2 or 4 */
};

/* "horizontal_stripes", ...; NULL after the last. */
const char *texture_class(int kind);

/* The i-th picture of a class: the same for the same three numbers. */
struct texture_style texture_style(uint64_t seed, int kind, int i);

/* Brightness as JPEG and Pillow weigh it (ITU-R BT.601), 0..255. */
double texture_luma(const uint8_t rgb[3]);

/* Draws into pixels (height, width, 3), R G B; a grey style has three equal channels. */
void texture_render(const struct texture_style *style, uint8_t *pixels);
