/* resize_avx2.c: the two passes with 256-bit integer instructions; chosen at run time, so the program needs no special flags.
 *
 * A row. The weights have 23 bits and a sign, and pmaddwd multiplies 16 signed ones and adds neighbours; so each weight comes as
 * a low half of 15 bits and a high one with the sign, and  sum = sum(pixel * low) + (sum(pixel * high) << 15)  is the same
 * integer. Four source pixels are spread as 16-bit words over the two lanes, so that one quadword of weights serves all three
 * channels:
 *
 *     lane 0:  R0 R1 R2 R3  G0 G1 G2 G3        lane 1:  B0 B1 B2 B3  0 0 0 0
 *     weights: w0 w1 w2 w3  w0 w1 w2 w3                 w0 w1 w2 w3  w0 w1 w2 w3
 *
 * Four output pixels are then finished together. A column is easier: neighbours share a weight, sixteen at a time. */
#include "worker/image/resize.h"

#ifdef __x86_64__

#include <immintrin.h>
#include <string.h>

#define PRECISION_BITS 22
#define HALF (1 << (PRECISION_BITS - 1))
#define AVX2 __attribute__((target("avx2")))
#define AVX2_INLINE __attribute__((target("avx2"), always_inline)) static inline

/* Two 32-bit sums a channel, still to be added to each other: R R G G | B B 0 0. */
AVX2_INLINE __m256i sums(const uint8_t *pixel, const int16_t *weight, int groups)
{
    const __m256i spread = _mm256_setr_epi8(0, -1, 3, -1, 6, -1, 9, -1, 1, -1, 4, -1, 7, -1, 10, -1, /* R, G */
                                            2, -1, 5, -1, 8, -1, 11, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    __m256i low = _mm256_setr_epi32(HALF, 0, HALF, 0, HALF, 0, 0, 0), high = _mm256_setzero_si256();
    for (int g = 0; g < groups; g++, pixel += (size_t)3 * AXIS_GROUP, weight += (size_t)2 * AXIS_GROUP) {
        long long w[2];
        memcpy(w, weight, sizeof(w));
        __m256i words = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)pixel));
        words = _mm256_shuffle_epi8(words, spread);
        low = _mm256_add_epi32(low, _mm256_madd_epi16(words, _mm256_set1_epi64x(w[0])));
        high = _mm256_add_epi32(high, _mm256_madd_epi16(words, _mm256_set1_epi64x(w[1])));
    }
    return _mm256_add_epi32(low, _mm256_slli_epi32(high, 15));
}

/* Writes 12 bytes of pixels, and 4 that do not matter. */
AVX2_INLINE void finish(__m256i a, __m256i b, __m256i c, __m256i d, uint8_t *to)
{
    const __m128i interleave = _mm_setr_epi8(0, 1, 8, 2, 3, 10, 4, 5, 12, 6, 7, 14, -1, -1, -1, -1);
    __m256i ab = _mm256_srai_epi32(_mm256_hadd_epi32(a, b), PRECISION_BITS); /* Ra Ga Rb Gb | Ba 0 Bb 0 */
    __m256i cd = _mm256_srai_epi32(_mm256_hadd_epi32(c, d), PRECISION_BITS);
    __m256i words = _mm256_packs_epi32(ab, cd);
    __m256i bytes = _mm256_permute4x64_epi64(_mm256_packus_epi16(words, words), 0x08); /* R G of four, B 0 of four */
    _mm_storeu_si128((__m128i *)to, _mm_shuffle_epi8(_mm256_castsi256_si128(bytes), interleave));
}

AVX2_INLINE __m256i output(const struct axis *x, const uint8_t *from, int i, int groups)
{
    const int16_t *weight = x->halves + (size_t)i * (size_t)x->groups * 2 * AXIS_GROUP;
    return sums(from + 3 * (size_t)x->start[i], weight, groups);
}

AVX2_INLINE int groups_of(const struct axis *x, int i)
{
    return (x->taps[i] + AXIS_GROUP - 1) / AXIS_GROUP;
}

AVX2 static void avx2_row(const struct axis *x, const uint8_t *from, uint8_t *to)
{
    if (x->groups == 1) { /* enlargements, and reductions to half or more */
        for (int i = 0; i < x->kept; i += 4, to += 12)
            finish(output(x, from, i, 1), output(x, from, i + 1, 1), output(x, from, i + 2, 1), output(x, from, i + 3, 1), to);
        return;
    }
    for (int i = 0; i < x->kept; i += 4, to += 12)
        finish(output(x, from, i, groups_of(x, i)), output(x, from, i + 1, groups_of(x, i + 1)),
               output(x, from, i + 2, groups_of(x, i + 2)), output(x, from, i + 3, groups_of(x, i + 3)), to);
}

AVX2_INLINE __m256i widen(const uint8_t *from)
{
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)from));
}

AVX2_INLINE __m128i sixteen(const int32_t *weight, int taps, const uint8_t *from, size_t stride)
{
    __m256i a = _mm256_set1_epi32(HALF), b = a;
    for (int j = 0; j < taps; j++, from += stride) {
        __m256i w = _mm256_set1_epi32(weight[j]);
        a = _mm256_add_epi32(a, _mm256_mullo_epi32(widen(from), w));
        b = _mm256_add_epi32(b, _mm256_mullo_epi32(widen(from + 8), w));
    }
    __m256i words = _mm256_packs_epi32(_mm256_srai_epi32(a, PRECISION_BITS), _mm256_srai_epi32(b, PRECISION_BITS));
    words = _mm256_permute4x64_epi64(words, 0xd8);
    return _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

AVX2 static void avx2_column(const struct axis *y, int i, const uint8_t *from, size_t stride, uint8_t *to, size_t bytes)
{
    const int32_t *weight = y->weight + (size_t)i * (size_t)y->groups * AXIS_GROUP;
    size_t at = 0;
    for (; at + 16 <= bytes; at += 16)
        _mm_storeu_si128((__m128i *)(to + at), sixteen(weight, y->taps[i], from + at, stride));
    if (at < bytes) {
        uint8_t rest[16];
        _mm_storeu_si128((__m128i *)rest, sixteen(weight, y->taps[i], from + at, stride));
        memcpy(to + at, rest, bytes - at);
    }
}

static bool runs(void)
{
    return __builtin_cpu_supports("avx2");
}

const struct resizer resizer_avx2 = { "avx2", runs, avx2_row, avx2_column };

#endif
