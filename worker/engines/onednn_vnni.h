/* onednn_vnni.h: convolutions of u8 with s8 by AVX-512 VNNI: those of 1x1, and the first layer, in networks of bottlenecks. (Those of basic blocks leave f32
 * behind, onednn_int8.h, and are oneDNN's.)
 *
 * Where a sum is short (64 channels) or what follows it long (a residual), oneDNN's kernels lose a tenth and more of what a core can multiply, and they pad
 * three channels to four. Here what follows is short enough to run beside the next sums, and rows of a window are padded, not pixels. Half of the
 * multiplications of a bottleneck network gain: 1x1 ones up to 10 %, the first layer 20 %. What comes out is oneDNN's to the bit:
 *
 *     q_out = saturate(round(fma(q_residual, residual_scale, (sum(q_weight * q_in) + bias[o]) * scale[o])))      [vpdpbusd: Intel SDM, vol. 2]
 *
 * and what is not a number is 0.
 *
 * Threads:   vnni_conv_run() of one convolution on any number of threads at once, with sources and targets of their own.
 * Ownership: the packed weights are the caller's memory.
 * Errors:    none. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VNNI_OUTPUTS 64 /* outputs are a multiple of it */
#define VNNI_SLACK   3  /* bytes that may be read behind a source: the last row of the last window is read in fours */

struct vnni_conv {
    int inputs, outputs;  /* channels */
    int kernel, stride;   /* square; what is around the image lies in the source */
    int images, height, width;                /* of the target: (images, height, width, outputs) u8 */
    int source_height, source_width;          /* (images, source_height, source_width, inputs) u8 */
    bool has_residual;     /* the target holds it, and is written over */
    float residual_scale;
    void *packed;          /* weights, biases and scales, vnni_conv_bytes() of them, on a boundary of 64 bytes */
};

/* Has this CPU what it takes? Else vnni_conv_run() must not be called. */
bool vnni_works(void);

size_t vnni_conv_bytes(const struct vnni_conv *conv);

/* weight: (outputs, inputs, kernel, kernel); bias, scale: (outputs). */
void vnni_conv_pack(const struct vnni_conv *conv, const int8_t *weight, const float *bias, const float *scale);

/* `source`: VNNI_SLACK bytes behind it are readable, and no byte of it is one of `target`, which is written while it is still read. */
void vnni_conv_run(const struct vnni_conv *conv, const uint8_t *source, uint8_t *target);
