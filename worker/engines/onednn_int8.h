/* onednn_int8.h: how the numbers of a network become 8 bits. The arithmetic alone; nothing here computes a layer.
 *
 * An activation is u8: value = low + step * q. Behind a ReLU low is 0. In front of one, in the branch that a residual comes from, low is negative;
 * it is folded into biases, so that the addition needs no zero point. Filters are s8 with a step for each output channel:
 *
 *     q_out = saturate(round(relu(scale[o] * (sum(q_weight * q_in) + bias[o]) + q_residual * step_residual / step_out)))
 *     scale[o] = step_in * step_weight[o] / step_out      bias[o] in units of step_in * step_weight[o], and with
 *                                                          + low_residual - low_out
 *
 * Rounding what a block leaves behind once for the convolutions that read it and again for every residual that it becomes would add up. In a network
 * of basic blocks the chain of residuals, from the first layer to the last plane, is therefore kept in f32, and what convolutions read is a copy in u8
 * (`wide`; low is 0, step 1 for the residual and for what is added to it). A bottleneck's is four times as wide for as much arithmetic: there f32 would
 * take an eighth of the speed, and it is u8.
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
    float low, step; /* of u8 */
    bool wide;       /* it is in f32 as well: convolutions read the u8, whatever else reads it the f32 */
};

#define FORM_PLAIN ((struct form){ .kind = FORM_F32, .step = 1 })

/* As residuals and pools read it, and as it is written. */
struct form form_kept(struct form form);

/* For every activation of the network. What convolutions read in u8; what nothing but pools, residuals and the classifier read in f32, but for the
 * residuals of bottlenecks and what is pooled in front of and behind them. */
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
