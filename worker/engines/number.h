/* number.h: the number formats of a GPU's memory, and how f32 is rounded to them; the same on a CPU and in a kernel.
 *
 * An s8 stands for itself times a step, which whoever stores and loads it knows; it is rounded to the nearest, and what is too large becomes 127 or -127.
 *
 * Threads:   no state.
 * Source:    IEEE 754-2019 binary16; bfloat16 is the upper half of binary32. Rounding is to nearest, ties to even, as the hardware's
 *            conversions do; what is too large becomes an infinity. */
#pragma once

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __CUDACC__
#include <cuda_fp16.h>
#define ON_BOTH __host__ __device__ static inline
#else
#define ON_BOTH static inline __attribute__((unused))
#endif

enum number_format {
    NUMBER_F32,
    NUMBER_F16,
    NUMBER_BF16,
    NUMBER_S8,
};

#define NUMBER_S8_MOST 127

ON_BOTH size_t number_size(enum number_format format)
{
    return format == NUMBER_F32 ? 4 : format == NUMBER_S8 ? 1 : 2;
}

ON_BOTH uint32_t number_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

ON_BOTH float number_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

ON_BOTH uint16_t number_to_bf16(float value)
{
    uint32_t bits = number_bits(value);
    if ((bits & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(bits >> 16 | 0x40); /* still not a number */
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* A subnormal half is a multiple of 2^-24. */
ON_BOTH uint16_t number_to_f16(float value)
{
#ifdef __CUDA_ARCH__
    return __half_as_ushort(__float2half_rn(value));
#else
    uint32_t bits = number_bits(value), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000)
        return (uint16_t)(sign | 0x7e00);
    if (magnitude >= 0x477ff000) /* 65520, half way beyond the largest half, rounds up */
        return (uint16_t)(sign | 0x7c00);
    if (magnitude < 0x38800000) /* 2^-14 */
        return (uint16_t)(sign | (uint32_t)rintf(number_of_bits(magnitude) * 16777216.0f));
    magnitude += 0xfff + (magnitude >> 13 & 1);
    return (uint16_t)(sign | (magnitude - 0x38000000) >> 13);
#endif
}

ON_BOTH float number_from_bf16(uint16_t bits)
{
    return number_of_bits((uint32_t)bits << 16);
}

ON_BOTH float number_from_f16(uint16_t half)
{
#ifdef __CUDA_ARCH__
    return __half2float(__ushort_as_half(half));
#else
    uint32_t sign = (uint32_t)(half >> 15) << 31, exponent = half >> 10 & 31, mantissa = half & 1023;
    if (exponent == 0)
        return number_of_bits(sign | number_bits((float)mantissa * (1 / 16777216.0f)));
    return number_of_bits(sign | (exponent == 31 ? 255 : exponent + 112) << 23 | mantissa << 13);
#endif
}

/* What is not a number is the least. */
ON_BOTH int8_t number_to_s8(float value)
{
    return (int8_t)rintf(fminf(fmaxf(value, -NUMBER_S8_MOST), NUMBER_S8_MOST));
}

ON_BOTH float number_load(enum number_format format, const void *from, size_t i)
{
    if (format == NUMBER_F32)
        return ((const float *)from)[i];
    if (format == NUMBER_S8)
        return ((const int8_t *)from)[i];
    uint16_t bits = ((const uint16_t *)from)[i];
    return format == NUMBER_F16 ? number_from_f16(bits) : number_from_bf16(bits);
}

ON_BOTH void number_store(enum number_format format, void *to, size_t i, float value)
{
    if (format == NUMBER_F32)
        ((float *)to)[i] = value;
    else if (format == NUMBER_S8)
        ((int8_t *)to)[i] = number_to_s8(value);
    else
        ((uint16_t *)to)[i] = format == NUMBER_F16 ? number_to_f16(value) : number_to_bf16(value);
}
