/* kernels_math.h: the arithmetic of our kernels, one thread's share a function, for a GPU and for the CPU that tests it.
 *
 * `format` is a constant wherever a kernel calls; the compiler folds it away. Loads and stores are 16 bytes wide, of s8 8 bytes, of
 * pixels one or two.
 *
 * Threads:   no state; which thread works on what is said by an index.
 * Errors:    none; indices beyond the end do nothing. */
#pragma once

#include "worker/engines/kernels.h"

#include <stdbool.h>

/* Whatever the type of the numbers that lie there. */
struct __attribute__((aligned(16), may_alias)) sixteen_bytes {
    uint32_t words[4];
};

struct __attribute__((aligned(8), may_alias)) eight_bytes {
    uint32_t words[2];
};

struct __attribute__((may_alias)) two_bytes {
    uint16_t both;
};

/* Eight numbers in a row; `i` is a multiple of eight and the memory is aligned to 16 bytes. */
ON_BOTH void load_eight(enum number_format format, const void *from, size_t i, float values[8])
{
    if (format == NUMBER_S8) {
        struct eight_bytes eight = *(const struct eight_bytes *)((const uint8_t *)from + i);
        for (int k = 0; k < 8; k++)
            values[k] = (float)(int8_t)(eight.words[k / 4] >> k % 4 * 8 & 0xff);
        return;
    }
    const struct sixteen_bytes *at = (const struct sixteen_bytes *)((const uint8_t *)from + i * number_size(format));
    struct sixteen_bytes low = at[0];
    if (format == NUMBER_F32) {
        struct sixteen_bytes high = at[1];
        for (int k = 0; k < 4; k++) {
            values[k] = number_of_bits(low.words[k]);
            values[k + 4] = number_of_bits(high.words[k]);
        }
        return;
    }
    for (int k = 0; k < 4; k++) {
        uint16_t first = (uint16_t)(low.words[k] & 0xffff), second = (uint16_t)(low.words[k] >> 16);
        values[2 * k] = format == NUMBER_F16 ? number_from_f16(first) : number_from_bf16(first);
        values[2 * k + 1] = format == NUMBER_F16 ? number_from_f16(second) : number_from_bf16(second);
    }
}

ON_BOTH void store_eight(enum number_format format, void *to, size_t i, const float values[8])
{
    if (format == NUMBER_S8) {
        struct eight_bytes eight = { { 0, 0 } };
        for (int k = 0; k < 8; k++)
            eight.words[k / 4] |= (uint32_t)(uint8_t)number_to_s8(values[k]) << k % 4 * 8;
        *(struct eight_bytes *)((uint8_t *)to + i) = eight;
        return;
    }
    struct sixteen_bytes *at = (struct sixteen_bytes *)((uint8_t *)to + i * number_size(format)), out[2];
    for (int k = 0; k < 4; k++) {
        if (format == NUMBER_F32) {
            out[0].words[k] = number_bits(values[k]);
            out[1].words[k] = number_bits(values[k + 4]);
        } else {
            uint32_t first = format == NUMBER_F16 ? number_to_f16(values[2 * k]) : number_to_bf16(values[2 * k]);
            uint32_t second = format == NUMBER_F16 ? number_to_f16(values[2 * k + 1]) : number_to_bf16(values[2 * k + 1]);
            out[0].words[k] = first | second << 16;
        }
    }
    at[0] = out[0];
    if (format == NUMBER_F32)
        at[1] = out[1];
}

/* ---- normalise ---------------------------------------------------------------------------------------------------------- */

ON_BOTH float normalise_one(uint8_t value, float scale, float shift)
{
    return fmaf((float)value, scale, shift);
}

/* Eight bytes at `at`, 0 in place of those that lie before `from` or behind `to` - 1, which are not the row's. Every index is a constant once the loops are
 * unrolled: an array that is indexed by anything else lies in a GPU's slow memory. */
ON_BOTH void load_bytes(const struct normalise_args *args, long long at, int from, int to, uint8_t bytes[8])
{
    if (args->width % 2 || from > 0 || to < 8) { /* of an even row every pair of pixels begins at an even address */
        for (int k = 0; k < 8; k++)
            bytes[k] = k >= from && k < to ? args->pixels[at + k] : 0;
        return;
    }
    const struct two_bytes *pairs = (const struct two_bytes *)(args->pixels + at);
    for (int k = 0; k < 4; k++) {
        struct two_bytes pair = pairs[k];
        bytes[2 * k] = (uint8_t)pair.both;
        bytes[2 * k + 1] = (uint8_t)(pair.both >> 8);
    }
}

/* The three of a colour's numbers, beginning with the one at `by`. */
ON_BOTH void turn(const float from[3], int by, float to[3])
{
    for (int c = 0; c < 3; c++)
        to[c] = by == 0 ? from[c] : by == 1 ? from[(c + 1) % 3] : from[(c + 2) % 3];
}

/* Colours `first` to `first` + 7 of those that lie side by side from pixel (y, x) on, which may be outside, as may those behind the row. */
ON_BOTH void normalise_colours(const struct normalise_args *args, uint32_t image, int y, int x, int first, float out[8])
{
    int begin = 3 * x + first, from = -begin, to = 3 * args->width - begin;
    float scale[3], shift[3];
    uint8_t bytes[8];
    if (y < 0 || y >= args->height)
        return;
    load_bytes(args, 3 * ((long long)image * args->height + y) * args->width + begin, from, to, bytes);
    turn(args->scale, first % 3, scale);
    turn(args->shift, first % 3, shift);
    for (int k = 0; k < 8; k++)
        out[k] = k >= from && k < to ? normalise_one(bytes[k], scale[k % 3], shift[k % 3]) : 0;
}

/* Eight channels of the image; i counts such eights. The first one has to look after the image's mark. */
ON_BOTH void normalise_eight(enum number_format format, const struct normalise_args *args, uint32_t image, uint32_t i)
{
    const uint32_t eights = IMAGE_CHANNELS / 8, of_a_row = 3 * IMAGE_ACROSS / 8;
    uint32_t column = i / eights % (uint32_t)args->columns, row = i / eights / (uint32_t)args->columns, eight = i % eights;
    if (row >= (uint32_t)args->rows)
        return;
    if (i == 0 && args->broken)
        args->broken[image] = 0;
    float out[8] = { 0 };
    int y = ((int)row - args->before) * IMAGE_PAIR + (int)(eight / of_a_row), x = ((int)column - args->before) * IMAGE_PAIR;
    if (eight < IMAGE_PAIR * of_a_row)
        normalise_colours(args, image, y, x, (int)(eight % of_a_row) * 8, out);
    store_eight(format, args->image, (size_t)image * (size_t)args->rows * (size_t)args->columns * IMAGE_CHANNELS + (size_t)i * 8, out);
}

/* ---- pools -------------------------------------------------------------------------------------------------------------- */

/* The number of the first channel of a pixel of the input. */
ON_BOTH size_t pool_at(const struct pool_args *args, uint32_t image, int h, int w, size_t channel)
{
    return (((size_t)image * (size_t)args->height + (size_t)h) * (size_t)args->width + (size_t)w) * (size_t)args->channels + channel;
}

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
/* max_of_window() in f16, two numbers at once, with an instruction that lets through what is not a number: what f32 takes is more than memory does. */
__device__ static inline void max_of_halves(const pool_args *args, uint32_t image, int y, int x, size_t channel, float best[CHANNELS_STEP])
{
    __half2 most[4];
    for (int k = 0; k < 4; k++)
        most[k] = __half2half2(__ushort_as_half(0xfc00)); /* -infinity */
    for (int h = y < 0 ? 0 : y; h < y + args->kernel && h < args->height; h++)
        for (int w = x < 0 ? 0 : x; w < x + args->kernel && w < args->width; w++) {
            sixteen_bytes eight = *(const sixteen_bytes *)((const uint16_t *)args->input + pool_at(args, image, h, w, channel));
            for (int k = 0; k < 4; k++)
                most[k] = __hmax2_nan(most[k], *(const __half2 *)&eight.words[k]);
        }
    for (int k = 0; k < 4; k++) {
        best[2 * k] = __low2float(most[k]);
        best[2 * k + 1] = __high2float(most[k]);
    }
}
#endif

/* The largest of the window whose first pixel is (y, x), perhaps outside; what is not a number is larger than all. */
ON_BOTH void max_of_window(enum number_format format, const struct pool_args *args, uint32_t image, int y, int x, size_t channel,
                           float best[CHANNELS_STEP])
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    if (format == NUMBER_F16) {
        max_of_halves(args, image, y, x, channel, best);
        return;
    }
#endif
    for (int k = 0; k < CHANNELS_STEP; k++)
        best[k] = -INFINITY;
    for (int h = y < 0 ? 0 : y; h < y + args->kernel && h < args->height; h++)
        for (int w = x < 0 ? 0 : x; w < x + args->kernel && w < args->width; w++) {
            float values[CHANNELS_STEP];
            load_eight(format, args->input, pool_at(args, image, h, w, channel), values);
            for (int k = 0; k < CHANNELS_STEP; k++)
                best[k] = values[k] > best[k] || isnan(values[k]) ? values[k] : best[k];
        }
}

/* Eight channels of one pixel of the output; i counts such eights of one image, in 32 bits, since a GPU divides them so much faster. */
ON_BOTH void max_pool_eight(enum number_format format, const struct pool_args *args, uint32_t image, uint32_t i)
{
    uint32_t eights = (uint32_t)args->channels / CHANNELS_STEP, pixel_out = i / eights;
    uint32_t row = pixel_out / (uint32_t)args->out_width, column = pixel_out % (uint32_t)args->out_width;
    size_t channel = i % eights * CHANNELS_STEP;
    if (row >= (uint32_t)args->out_height)
        return;
    int x = (int)column * args->stride - args->padding, y = (int)row * args->stride - args->padding;
    float best[CHANNELS_STEP];
    max_of_window(format, args, image, y, x, channel, best);
    for (int k = 0; k < CHANNELS_STEP; k++)
        best[k] *= args->scale;
    size_t out = ((size_t)image * (size_t)args->out_height * (size_t)args->out_width + pixel_out) * (size_t)args->channels + channel;
    store_eight(args->to, args->output, out, best);
}

/* Eight channels of one image, summed from the first pixel to the last. */
ON_BOTH void average_pool_eight(enum number_format format, const struct pool_args *args, size_t i)
{
    size_t eights = (size_t)args->channels / CHANNELS_STEP, channel = i % eights * CHANNELS_STEP, image = i / eights;
    size_t pixels = (size_t)args->height * (size_t)args->width;
    if (image >= (size_t)args->batch)
        return;
    float sum[CHANNELS_STEP] = { 0 };
    for (size_t p = 0; p < pixels; p++) {
        float values[CHANNELS_STEP];
        load_eight(format, args->input, (image * pixels + p) * (size_t)args->channels + channel, values);
        for (int k = 0; k < CHANNELS_STEP; k++)
            sum[k] += values[k];
    }
    for (int k = 0; k < CHANNELS_STEP; k++)
        sum[k] = args->broken && args->broken[image] ? NAN : sum[k] / (float)pixels * args->scale;
    store_eight(NUMBER_F32, args->output, i * CHANNELS_STEP, sum);
}

/* ---- what is not finite --------------------------------------------------------------------------------------------------- */

/* Numbers 8 * i to 8 * i + 7, which are all of one image. */
ON_BOTH void finite_eight(enum number_format format, const struct finite_args *args, size_t i)
{
    size_t image = i * CHANNELS_STEP / args->numbers;
    if (image >= (size_t)args->batch)
        return;
    float values[CHANNELS_STEP], sum = 0;
    load_eight(format, args->input, i * CHANNELS_STEP, values);
    for (int k = 0; k < CHANNELS_STEP; k++)
        sum += values[k] * 0; /* 0, or not a number */
    if (sum != 0)
        args->broken[image] = 1;
}

/* ---- softmax and top-k: TOP_THREADS threads a row, then a tree over what they found -------------------------------------- */

/* A class and its logit; a lower index is better on a tie. */
struct best {
    float value;
    uint32_t index;
};

ON_BOTH bool best_is_before(struct best a, struct best b)
{
    return a.value > b.value || (a.value == b.value && a.index < b.index);
}

ON_BOTH struct best best_of(struct best a, struct best b)
{
    return best_is_before(b, a) ? b : a;
}

/* Of the classes of thread t that come after `previous`, the first; index TOP_BROKEN when there is none. */
ON_BOTH struct best best_after(const float *row, int classes, int t, struct best previous)
{
    struct best best = { -INFINITY, TOP_BROKEN };
    for (int c = t; c < classes; c += TOP_THREADS) {
        struct best it = { row[c], (uint32_t)c };
        if (best_is_before(previous, it))
            best = best_of(best, it);
    }
    return best;
}

/* In front of every class. */
ON_BOTH struct best best_first(void)
{
    struct best first = { INFINITY, 0 };
    return first;
}

/* The share of thread t; not a number if any of its logits is infinite or not a number. */
ON_BOTH float softmax_share(const float *row, int classes, int t, float max)
{
    float sum = 0;
    for (int c = t; c < classes; c += TOP_THREADS)
        sum += expf(row[c] - max) + row[c] * 0;
    return sum;
}

ON_BOTH struct top_prediction prediction_of(struct best best, float max, float sum)
{
    struct top_prediction it = { best.index, expf(best.value - max) / sum };
    if (!(sum > 0) || best.index == TOP_BROKEN) {
        it.index = TOP_BROKEN;
        it.probability = 0;
    }
    return it;
}
