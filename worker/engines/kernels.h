/* kernels.h: our own kernels: what they read and write, and how they are launched.
 *
 * Their arithmetic is in kernels_math.h, which a CPU computes as well. Pointers are the device's. Everything is NHWC.
 *
 * Threads:   no state.
 * Errors:    a launch returns CUDA's status (0: enqueued); what goes wrong later is told by the stream. */
#pragma once

#include "worker/engines/number.h"

#ifdef __cplusplus
extern "C" {
#endif

#define KERNELS_VERSION 2 /* of their arithmetic: part of the fingerprint */
#define IMAGE_PAIR      2  /* rows of pixels that lie side by side in the image, and pixels from one of its columns to the next (cudnn_stem.h) */
#define IMAGE_ACROSS    8  /* pixels of a row that lie in one of its columns */
#define IMAGE_CHANNELS  64 /* R G B of IMAGE_ACROSS pixels, for each row of a pair, then zeros */
#define CHANNELS_STEP   8 /* channels of a pool come in multiples of it */
#define TOP_THREADS     256 /* threads that share one row */
#define TOP_BROKEN      UINT32_MAX /* index of a prediction whose row has a value that is not finite */

/* pixel * scale + shift, rounded once; 0 outside the image. */
struct normalise_args {
    const uint8_t *pixels; /* (batch, height, width, 3) R G B */
    void *image;           /* (batch, rows, columns, IMAGE_CHANNELS) in `format` */
    int batch, height, width;
    int rows, columns;
    int before;            /* pairs of rows outside, above, and pairs of pixels to the left */
    float scale[3], shift[3];
    enum number_format format;
    uint32_t *broken;      /* (batch), made 0; or NULL */
};

/* Max pool: a square window; outside counts for nothing. Average pool: the whole plane, to one f32 a channel, none of them a number if the
 * image is broken. What is not a number stays that in both. */
struct pool_args {
    const void *input; /* (batch, height, width, channels) */
    void *output;      /* (batch, out_height, out_width, channels) in `format`, or (batch, channels) f32 */
    int batch, height, width, channels;
    int kernel, stride, padding, out_height, out_width; /* max pool */
    enum number_format format, to; /* of the input, and what a max pool makes of it */
    float scale;                   /* what comes out is multiplied by it: by the step of an s8 that is read, by 1 / that of one that is written */
    const uint32_t *broken; /* average pool: (batch), or NULL */
};

/* Marks images in which a number is infinite or none, before a convolution whose ReLU would make 0 of that. */
struct finite_args {
    const void *input; /* (batch, numbers) in `format`, `numbers` a multiple of CHANNELS_STEP */
    uint32_t *broken;  /* (batch), 1 for those; the others are left alone */
    size_t numbers;
    int batch;
    enum number_format format;
};

/* As in struct prediction of engine.h. */
struct top_prediction {
    uint32_t index;
    float probability;
};

/* Softmax over all classes, and the `top` most probable, the lowest index first on a tie. */
struct top_args {
    const float *logits;                /* (batch, classes) */
    struct top_prediction *predictions; /* (batch, top) */
    int batch, classes, top;
};

int kernels_normalise(const struct normalise_args *args, void *stream);
int kernels_max_pool(const struct pool_args *args, void *stream);
int kernels_average_pool(const struct pool_args *args, void *stream);
int kernels_finite(const struct finite_args *args, void *stream);
int kernels_top(const struct top_args *args, void *stream);

#ifdef __cplusplus
}
#endif
