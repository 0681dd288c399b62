/* onednn_int8.h: how the numbers of a network become 8 bits. The arithmetic alone; nothing here computes a layer.
 *
 * What a convolution reads is u8: value = low + step * q. Behind a ReLU low is 0. In front of one, in the branch that a residual comes from, low is negative;
 * it is folded into biases, so that the addition needs no zero point. Filters are s8 with a step for each output channel:
 *
 *     q_out = saturate(round(relu(scale[o] * (sum(q_weight * q_in) + bias[o]) + q_residual * step_residual / step_out)))
 *     scale[o] = step_in * step_weight[o] / step_out      bias[o] in units of step_in * step_weight[o], and with
 *                                                          + low_residual - low_out
 *
 * If every sum were rounded, the errors would add up from block to block along the residuals. In a network of basic blocks that chain, from the first
 * layer to the last plane, is therefore kept in f32, and convolutions read a u8 copy of it (`copied`). In the formula low is then 0 and step 1 for the
 * residual and the sum, and nothing is rounded or cut off. A bottleneck's chain has four times the channels for as much arithmetic: f32 would take an
 * eighth of the speed there, and it stays u8.
 *
 * What rounding changes in a filter is multiplied with the mean of its input, where that is known, and taken back into the bias.
 *
 * The image is its pixels as they are, exact: mean and std are folded into the first layer, whose border is filled with the pixel that is nearest to
 * the mean (in f32 it is 0, the normalised mean).
 *
 * Threads:   no state.
 * Ownership: the caller's.
 * Errors:    -ENOTSUP for what cannot be said this way. */
#pragma once

#include "common/why.h"
#include "worker/engine.h"
#include "worker/network.h"
#include "worker/weights/ranges.h"

#define INT8_MOST       127 /* of a filter's numbers */
#define INT8_MOST_PAIRS 64  /* where the CPU adds pairs of products in 16 bits, which saturate: 2 * 255 * 64 still fits */

enum form_kind { FORM_F32, FORM_U8 };

/* How an activation is stored. */
struct form {
    enum form_kind kind;
    float low, step; /* of u8; 0 and 1 in f32 */
    bool copied;     /* it is kept in f32, and convolutions read a copy in u8 */
};

#define FORM_PLAIN ((struct form){ .kind = FORM_F32, .step = 1 })

/* As a layer leaves it behind, and as residuals and pools read it. */
struct form form_kept(struct form form);

/* For every activation of the network: u8 for what convolutions read, and in bottlenecks for all in front of the average; f32 for the rest. */
int int8_forms(const struct engine_spec *spec, struct form *ret, struct why *why);

/* The pixel outside of the image. */
uint8_t int8_border(float mean);

/* What is around a convolution. */
struct int8_place {
    struct form in, out;
    float residual_low;    /* 0 without a residual */
    const float *mean, *std; /* of the pixels, for the layer that reads them; else NULL */
    const float *in_means;   /* of the channels that it reads; NULL: not known */
    int most;              /* largest number of a filter */
};

/* Filters (outputs, inputs / groups, kernel, kernel) and biases (outputs) of a layer, folded, to s8. `bias` is changed in place; scale: (outputs). */
void int8_quantise(const struct layer *layer, const struct int8_place *place, const float *weight, float *bias, int8_t *ret, float *scale);
