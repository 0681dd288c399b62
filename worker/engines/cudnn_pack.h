/* cudnn_pack.h: filters and biases as the GPU wants them: KRSC, in its number format.
 *
 * Threads:   no state.
 * Ownership: buffers are the caller's.
 * Errors:    -ERANGE when a number does not fit the format; the sentence names layer, value and a way out. */
#pragma once

#include "common/why.h"
#include "worker/engines/number.h"
#include "worker/network.h"

struct pack_report {
    float largest;     /* magnitude of a folded weight */
    size_t numbers;    /* packed */
    size_t subnormals; /* of them, not 0 before but below the format's normal numbers afterwards: they lost precision */
};

/* Numbers in the packed filter: outputs * kernel * kernel * inputs / groups. */
size_t pack_filter_count(const struct layer *layer);

/* `filter`: (outputs, inputs / groups, kernel, kernel) f32, folded; `to`: (outputs, kernel, kernel, inputs / groups). */
int pack_filter(const struct layer *layer, const float *filter, enum number_format format, void *to, struct pack_report *report,
                struct why *why);

/* The step of a filter of `count` numbers in s8: that of all its channels. The largest number is cut off where that makes the sum of the squared
 * errors smaller. 1 / 127 for a filter of zeros. */
float pack_step(const float *filter, size_t count);

/* The same in s8, in units of `step`; what is beyond 127 of them is cut off. */
void pack_filter_s8(const struct layer *layer, const float *filter, float step, int8_t *to);

/* Takes back into `bias` (outputs) what `packed` in place of the filter takes from each sum on average. `means`: of the layer's input channels. */
void pack_correct_bias(const struct layer *layer, const float *filter, const int8_t *packed, float step, const float *means, float *bias);

/* A layer's numbers in the order in which they are: its bias, or a filter that lies right already. */
int pack_numbers(const struct layer *layer, const float *values, size_t count, enum number_format format, void *to, struct pack_report *report,
                 struct why *why);
