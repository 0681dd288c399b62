/* resize_vnni.c: the two passes with AVX-512's byte dot products; chosen at run time, so the program needs no special flags.
 *
 * vpdpbusd multiplies unsigned bytes by signed ones and adds four neighbouring products to a 32-bit sum. So each weight comes as three signed
 * digits to the base of 256, and  sum = low + (middle << 8) + (high << 16)  is the same integer as with whole weights.
 *
 * A row. Four source pixels of each of four output pixels are spread over the four lanes so that a 32-bit word holds one channel:
 *
 *     a lane:    R0 R1 R2 R3  G0 G1 G2 G3  B0 B1 B2 B3  0 0 0 0
 *     weights:   w0 w1 w2 w3  w0 w1 w2 w3  w0 w1 w2 w3  w0 w1 w2 w3
 *
 * Packing joins the lanes of four vectors, so the first of them has output pixels 0, 4, 8 and 12 of sixteen, the second one 1, 5, 9 and 13:
 * then sixteen pixels come out in their order, and the weights of each vector are one word of each lane of what is in memory.
 *
 * A column. Four rows are interleaved, so that a word holds four pixels above each other, which share the output's weights; packing undoes
 * the order that interleaving leaves behind. */
#include "worker/image/resize.h"

#ifdef __x86_64__

#include <immintrin.h>
#include <string.h>

#define PRECISION_BITS 22
#define HALF (1 << (PRECISION_BITS - 1))
#define PLANE ((size_t)AXIS_BLOCK * AXIS_GROUP) /* bytes: a digit of the weights of sixteen output pixels; a vector */
#define VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))
#define VNNI_INLINE __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni"), always_inline)) static inline

struct digits {
    __m512i low, middle, high;
};

/* Of four source pixels at a time; summed up digit by digit. */
VNNI_INLINE struct digits nothing(void)
{
    return (struct digits){ _mm512_set1_epi32(HALF), _mm512_setzero_si512(), _mm512_setzero_si512() };
}

VNNI_INLINE void add(struct digits *sums, __m512i pixels, struct digits weights)
{
    sums->low = _mm512_dpbusd_epi32(sums->low, pixels, weights.low);
    sums->middle = _mm512_dpbusd_epi32(sums->middle, pixels, weights.middle);
    sums->high = _mm512_dpbusd_epi32(sums->high, pixels, weights.high);
}

VNNI_INLINE __m512i total(struct digits sums)
{
    __m512i upper = _mm512_add_epi32(_mm512_slli_epi32(sums.high, 8), sums.middle);
    return _mm512_srai_epi32(_mm512_add_epi32(_mm512_slli_epi32(upper, 8), sums.low), PRECISION_BITS);
}

/* The total where there are no more than four source pixels: the sum goes from digit to digit. */
VNNI_INLINE __m512i total_of_four(__m512i pixels, struct digits weights)
{
    __m512i sum = _mm512_dpbusd_epi32(_mm512_set1_epi32(HALF >> 16), pixels, weights.high);
    sum = _mm512_dpbusd_epi32(_mm512_slli_epi32(sum, 8), pixels, weights.middle);
    sum = _mm512_dpbusd_epi32(_mm512_slli_epi32(sum, 8), pixels, weights.low);
    return _mm512_srai_epi32(sum, PRECISION_BITS);
}

/* Clips to bytes; lane by lane, first those of `a`. */
VNNI_INLINE __m512i pack(__m512i a, __m512i b, __m512i c, __m512i d)
{
    return _mm512_packus_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
}

VNNI_INLINE __mmask64 first(size_t bytes)
{
    return bytes < 64 ? ((__mmask64)1 << bytes) - 1 : ~(__mmask64)0;
}

/* ---- a row ----------------------------------------------------------------------------------------------------------- */

VNNI_INLINE struct digits load(const int8_t *thirds)
{
    return (struct digits){ _mm512_loadu_si512(thirds), _mm512_loadu_si512(thirds + PLANE), _mm512_loadu_si512(thirds + 2 * PLANE) };
}

/* Word `k` of each lane, four times; a macro because the instruction wants a constant. */
#define WORD(of, k)                                                                                        \
    (struct digits){ _mm512_shuffle_epi32((of).low, (k) * 0x55), _mm512_shuffle_epi32((of).middle, (k) * 0x55), \
                     _mm512_shuffle_epi32((of).high, (k) * 0x55) }

VNNI_INLINE __m128i sixteen(const uint8_t *from, int pixel)
{
    return _mm_loadu_si128((const __m128i *)(from + 3 * (size_t)pixel));
}

/* Four source pixels from each of these on. */
VNNI_INLINE __m512i gather(const uint8_t *from, int a, int b, int c, int d)
{
    const __m512i spread = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11, -1, -1, -1, -1));
    __m512i pixels = _mm512_castsi128_si512(sixteen(from, a));
    pixels = _mm512_inserti32x4(pixels, sixteen(from, b), 1);
    pixels = _mm512_inserti32x4(pixels, sixteen(from, c), 2);
    pixels = _mm512_inserti32x4(pixels, sixteen(from, d), 3);
    return _mm512_shuffle_epi8(pixels, spread);
}

/* Writes `kept` of sixteen pixels, each a word that ends in a byte of nothing. */
VNNI_INLINE void write_pixels(uint8_t *to, __m512i words, int kept)
{
    const __m512i close_up = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1));
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 3, 7, 11, 15);
    __m512i bytes = _mm512_permutexvar_epi32(lanes, _mm512_shuffle_epi8(words, close_up));
    _mm512_mask_storeu_epi8(to, first(3 * (size_t)(kept < AXIS_BLOCK ? kept : AXIS_BLOCK)), bytes);
}

VNNI_INLINE __m512i near(const uint8_t *from, const int *start)
{
    return gather(from, start[0], start[4], start[8], start[12]);
}

/* Enlargements, and reductions to half or more: one group of weights. */
VNNI_INLINE void short_row(const struct axis *x, const uint8_t *from, uint8_t *to)
{
    const int8_t *thirds = x->thirds;
    for (int i = 0; i < x->kept; i += AXIS_BLOCK, to += (size_t)3 * AXIS_BLOCK, thirds += 3 * PLANE) {
        const int *start = x->start + i;
        struct digits weights = load(thirds);
        __m512i a = total_of_four(near(from, start), WORD(weights, 0));
        __m512i b = total_of_four(near(from, start + 1), WORD(weights, 1));
        __m512i c = total_of_four(near(from, start + 2), WORD(weights, 2));
        __m512i d = total_of_four(near(from, start + 3), WORD(weights, 3));
        write_pixels(to, pack(a, b, c, d), x->kept - i);
    }
}

/* Where a pixel has less weights than others, the zeros go beyond the source: what is read does not matter, but must be there. */
VNNI_INLINE int within(const struct axis *x, int pixel)
{
    return pixel < x->count ? pixel : x->count;
}

VNNI_INLINE __m512i far(const struct axis *x, const uint8_t *from, const int *start, int j)
{
    return gather(from, within(x, start[0] + j), within(x, start[4] + j), within(x, start[8] + j), within(x, start[12] + j));
}

VNNI_INLINE void long_row(const struct axis *x, const uint8_t *from, uint8_t *to)
{
    const int8_t *thirds = x->thirds;
    for (int i = 0; i < x->kept; i += AXIS_BLOCK, to += (size_t)3 * AXIS_BLOCK) {
        const int *start = x->start + i;
        struct digits a = nothing(), b = a, c = a, d = a;
        for (int j = 0; j < x->groups * AXIS_GROUP; j += AXIS_GROUP, thirds += 3 * PLANE) {
            struct digits weights = load(thirds);
            add(&a, far(x, from, start, j), WORD(weights, 0));
            add(&b, far(x, from, start + 1, j), WORD(weights, 1));
            add(&c, far(x, from, start + 2, j), WORD(weights, 2));
            add(&d, far(x, from, start + 3, j), WORD(weights, 3));
        }
        write_pixels(to, pack(total(a), total(b), total(c), total(d)), x->kept - i);
    }
}

VNNI static void vnni_row(const struct axis *x, const uint8_t *from, uint8_t *to)
{
    if (x->groups == 1)
        short_row(x, from, to);
    else
        long_row(x, from, to);
}

/* ---- a column -------------------------------------------------------------------------------------------------------- */

VNNI_INLINE __m512i everywhere(const int8_t *at)
{
    int32_t word;
    memcpy(&word, at, sizeof(word));
    return _mm512_set1_epi32(word);
}

VNNI_INLINE struct digits weights_of(const int8_t *thirds)
{
    return (struct digits){ everywhere(thirds), everywhere(thirds + PLANE), everywhere(thirds + 2 * PLANE) };
}

struct words {
    __m512i a, b, c, d;
};

/* Four pixels above each other a word; of the four rows only the first `taps` are there. */
VNNI_INLINE struct words interleave(const uint8_t *from, size_t stride, int taps, __mmask64 mask)
{
    const __m512i none = _mm512_setzero_si512();
    __m512i a = _mm512_maskz_loadu_epi8(mask, from);
    __m512i b = taps > 1 ? _mm512_maskz_loadu_epi8(mask, from + stride) : none;
    __m512i c = taps > 2 ? _mm512_maskz_loadu_epi8(mask, from + 2 * stride) : none;
    __m512i d = taps > 3 ? _mm512_maskz_loadu_epi8(mask, from + 3 * stride) : none;
    __m512i ab = _mm512_unpacklo_epi8(a, b), ab_high = _mm512_unpackhi_epi8(a, b);
    __m512i cd = _mm512_unpacklo_epi8(c, d), cd_high = _mm512_unpackhi_epi8(c, d);
    return (struct words){ _mm512_unpacklo_epi16(ab, cd), _mm512_unpackhi_epi16(ab, cd), _mm512_unpacklo_epi16(ab_high, cd_high),
                           _mm512_unpackhi_epi16(ab_high, cd_high) };
}

VNNI_INLINE __m512i short_column(const int8_t *thirds, const uint8_t *from, size_t stride, int taps, __mmask64 mask)
{
    struct digits weights = weights_of(thirds);
    struct words words = interleave(from, stride, taps, mask);
    return pack(total_of_four(words.a, weights), total_of_four(words.b, weights), total_of_four(words.c, weights),
                total_of_four(words.d, weights));
}

VNNI_INLINE __m512i long_column(const int8_t *thirds, const uint8_t *from, size_t stride, int taps, __mmask64 mask)
{
    struct digits a = nothing(), b = a, c = a, d = a;
    for (; taps > 0; taps -= AXIS_GROUP, from += AXIS_GROUP * stride, thirds += 3 * PLANE) {
        struct digits weights = weights_of(thirds);
        struct words words = interleave(from, stride, taps, mask);
        add(&a, words.a, weights);
        add(&b, words.b, weights);
        add(&c, words.c, weights);
        add(&d, words.d, weights);
    }
    return pack(total(a), total(b), total(c), total(d));
}

VNNI static void vnni_column(const struct axis *y, int i, const uint8_t *from, size_t stride, uint8_t *to, size_t bytes)
{
    size_t block = (size_t)(i / AXIS_BLOCK) * (size_t)y->groups;
    const int8_t *thirds = y->thirds + block * 3 * PLANE + (size_t)(i % AXIS_BLOCK) * AXIS_GROUP;
    int taps = y->taps[i];
    for (size_t at = 0; at < bytes; at += 64) {
        __mmask64 mask = first(bytes - at);
        __m512i pixels = taps <= AXIS_GROUP ? short_column(thirds, from + at, stride, taps, mask)
                                            : long_column(thirds, from + at, stride, taps, mask);
        _mm512_mask_storeu_epi8(to + at, mask, pixels);
    }
}

static bool runs(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vnni");
}

const struct resizer resizer_vnni = { "avx512-vnni", runs, vnni_row, vnni_column };

#endif
