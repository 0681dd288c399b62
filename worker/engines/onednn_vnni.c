#include "worker/engines/onednn_vnni.h"

#include <string.h>

#define LANES  ((size_t)16) /* sums a register */
#define PARTS  (VNNI_OUTPUTS / LANES)
#define PIXELS ((size_t)4) /* whose sums are in registers at once: PIXELS * PARTS of 32, so that PARTS of weights and PIXELS of numbers fit beside them */
#define TILE   ((size_t)64) /* pixels for which a block's weights are fetched: those of a block and what a tile reads fit in the second cache, those of a layer do not */

/* ---- packing ------------------------------------------------------------------------------------------------------------ */

/* Of 64 outputs. */
struct block {
    float bias[VNNI_OUTPUTS], scale[VNNI_OUTPUTS];
    int8_t weights[]; /* for each four numbers of the window, 64 fours */
};

/* Fours in a row of the window; what the last one has too many meets weights of 0. */
static int quads(const struct vnni_conv *conv)
{
    return (conv->inputs * conv->kernel + 3) / 4;
}

static size_t block_bytes(const struct vnni_conv *conv)
{
    return sizeof(struct block) + (size_t)conv->kernel * (size_t)quads(conv) * 4 * VNNI_OUTPUTS;
}

size_t vnni_conv_bytes(const struct vnni_conv *conv)
{
    return (size_t)(conv->outputs / VNNI_OUTPUTS) * block_bytes(conv);
}

static struct block *block_at(const struct vnni_conv *conv, size_t n)
{
    return (void *)((char *)conv->packed + n * block_bytes(conv));
}

/* Where output `o` of a block is summed, such that packing registers to bytes, which works within each of their four lanes, leaves them in order. */
static size_t place_of(size_t o)
{
    size_t lane = o / 16, part = o % 16 / 4, at = o % 4;
    return part * LANES + lane * 4 + at;
}

static void pack_output(const struct vnni_conv *conv, const int8_t *weight, int8_t *packed, size_t place)
{
    const size_t inputs = (size_t)conv->inputs, kernel = (size_t)conv->kernel;
    for (size_t c = 0; c < inputs; c++)
        for (size_t y = 0; y < kernel; y++)
            for (size_t x = 0; x < kernel; x++) {
                size_t k = x * inputs + c, quad = y * (size_t)quads(conv) + k / 4;
                packed[(quad * VNNI_OUTPUTS + place) * 4 + k % 4] = weight[(c * kernel + y) * kernel + x];
            }
}

void vnni_conv_pack(const struct vnni_conv *conv, const int8_t *weight, const float *bias, const float *scale)
{
    const size_t size = (size_t)conv->inputs * (size_t)conv->kernel * (size_t)conv->kernel;
    memset(conv->packed, 0, vnni_conv_bytes(conv));
    for (size_t o = 0; o < (size_t)conv->outputs; o++) {
        struct block *block = block_at(conv, o / VNNI_OUTPUTS);
        size_t place = place_of(o % VNNI_OUTPUTS);
        block->bias[place] = bias[o];
        block->scale[place] = scale[o];
        pack_output(conv, weight + o * size, block->weights, place);
    }
}

/* ---- multiplying -------------------------------------------------------------------------------------------------------- */

#ifdef __x86_64__

#include <immintrin.h>

#define VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))
#define VNNI_INLINE __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni"), always_inline)) static inline
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 4") /* PIXELS or PARTS; it wants a number */
_Static_assert(PIXELS == 4 && PARTS == 4, "the sums are in registers only where loops over them are unrolled whole");
#endif

bool vnni_works(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vnni");
}

/* In place: GCC 12 copies the sums of the intrinsic from register to register, twice for every product. */
VNNI_INLINE void add_products(__m512i *sum, __m512i numbers, __m512i weights)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(*sum) : "v"(numbers), "v"(weights));
}

VNNI_INLINE __m512i four_of(const uint8_t *at)
{
    int32_t four;
    memcpy(&four, at, sizeof(four));
    return _mm512_set1_epi32(four);
}

/* Pixels that lie side by side in the target, and the block whose outputs they get. */
struct patch {
    const struct block *block;
    const uint8_t *const *windows;
    uint8_t *target;
};

/* The sums of PARTS * LANES outputs for each of `pixels` windows. */
VNNI_INLINE void add_up(const struct vnni_conv *conv, const struct patch *patch, const size_t pixels, __m512i sums[PIXELS][PARTS])
{
    const size_t pitch = (size_t)conv->source_width * (size_t)conv->inputs, row = 4 * (size_t)quads(conv);
    const int8_t *weights = patch->block->weights;
    UNROLL for (size_t p = 0; p < pixels; p++)
        UNROLL for (size_t part = 0; part < PARTS; part++)
            sums[p][part] = _mm512_setzero_si512();
    for (size_t y = 0; y < (size_t)conv->kernel; y++)
        for (size_t at = y * pitch; at < y * pitch + row; at += 4, weights += PARTS * 64) {
            __m512i weight[PARTS];
            UNROLL for (size_t part = 0; part < PARTS; part++)
                weight[part] = _mm512_load_si512(weights + 64 * part);
            UNROLL for (size_t p = 0; p < pixels; p++) {
                const __m512i numbers = four_of(patch->windows[p] + at);
                UNROLL for (size_t part = 0; part < PARTS; part++)
                    add_products(&sums[p][part], numbers, weight[part]);
            }
        }
}

VNNI_INLINE __m512 scale_part(const struct block *block, size_t part, __m512i sums)
{
    const __m512 bias = _mm512_load_ps(block->bias + LANES * part), scale = _mm512_load_ps(block->scale + LANES * part);
    return _mm512_mul_ps(_mm512_add_ps(_mm512_cvtepi32_ps(sums), bias), scale);
}

/* Of 64 bytes those of a part, as numbers: what place_of() says, backwards. A byte is shuffled into the lowest of four; 0x80 makes the others 0. */
VNNI_INLINE __m512 take_part(__m512i bytes, size_t part)
{
    const __m512i first = _mm512_set4_epi32((int)0x80808003, (int)0x80808002, (int)0x80808001, (int)0x80808000);
    return _mm512_cvtepi32_ps(_mm512_shuffle_epi8(bytes, _mm512_add_epi32(first, _mm512_set1_epi32(4 * (int)part))));
}

/* Levels, of which 255 is the largest; packing cuts off what is below 0. Of two operands of which one is no number the second is the minimum, and what
 * is no number converts to the lowest one: to 0 in the end, as with oneDNN. */
VNNI_INLINE __m512i to_levels(__m512 value)
{
    return _mm512_cvtps_epi32(_mm512_min_ps(_mm512_set1_ps(255), value));
}

VNNI_INLINE void compute(const struct vnni_conv *conv, const struct patch *patch, const size_t pixels, const bool has_residual)
{
    const __m512 residual_scale = _mm512_set1_ps(conv->residual_scale);
    uint8_t *target = patch->target;
    __m512i sums[PIXELS][PARTS];
    add_up(conv, patch, pixels, sums);
    UNROLL for (size_t p = 0; p < pixels; p++, target += conv->outputs) {
        const __m512i residual = has_residual ? _mm512_loadu_si512(target) : _mm512_setzero_si512();
        __m512i levels[PARTS];
        UNROLL for (size_t part = 0; part < PARTS; part++) {
            __m512 value = scale_part(patch->block, part, sums[p][part]);
            if (has_residual)
                value = _mm512_fmadd_ps(take_part(residual, part), residual_scale, value);
            levels[part] = to_levels(value);
        }
        _mm512_storeu_si512(target, _mm512_packus_epi16(_mm512_packs_epi32(levels[0], levels[1]), _mm512_packs_epi32(levels[2], levels[3])));
    }
}

struct tile {
    const uint8_t *windows[TILE];
    uint8_t *target;
    size_t pixels;
};

VNNI_INLINE void compute_block(const struct vnni_conv *conv, const struct tile *tile, size_t n, const bool has_residual)
{
    struct patch patch = { block_at(conv, n), tile->windows, tile->target + n * VNNI_OUTPUTS };
    size_t left = tile->pixels;
    for (; left >= PIXELS; left -= PIXELS, patch.windows += PIXELS, patch.target += PIXELS * (size_t)conv->outputs)
        compute(conv, &patch, PIXELS, has_residual);
    for (; left; left--, patch.windows++, patch.target += conv->outputs)
        compute(conv, &patch, 1, has_residual);
}

VNNI static void compute_tile(const struct vnni_conv *given, const struct tile *tile)
{
    const struct vnni_conv conv = *given; /* stores to the target cannot change what is ours: it stays in registers */
    for (size_t n = 0; n < (size_t)conv.outputs / VNNI_OUTPUTS; n++)
        if (conv.has_residual)
            compute_block(&conv, tile, n, true);
        else
            compute_block(&conv, tile, n, false);
}

/* Where a pixel of the target finds its window. */
struct walk {
    const uint8_t *image;
    size_t at; /* in the image */
    int x, y;
};

static const uint8_t *next_window(const struct vnni_conv *conv, struct walk *walk)
{
    const size_t inputs = (size_t)conv->inputs, stride = (size_t)conv->stride, pitch = (size_t)conv->source_width * inputs;
    const uint8_t *window = walk->image + walk->at;
    walk->at += stride * inputs;
    if (++walk->x < conv->width)
        return window;
    walk->x = 0;
    walk->at = (size_t)++walk->y * stride * pitch;
    if (walk->y < conv->height)
        return window;
    walk->image += (size_t)conv->source_height * pitch;
    walk->at = 0;
    walk->y = 0;
    return window;
}

void vnni_conv_run(const struct vnni_conv *conv, const uint8_t *source, uint8_t *target)
{
    size_t left = (size_t)conv->images * (size_t)conv->height * (size_t)conv->width;
    struct walk walk = { .image = source };
    struct tile tile;
    tile.target = target;
    for (; left; left -= tile.pixels, tile.target += tile.pixels * (size_t)conv->outputs) {
        tile.pixels = left < TILE ? left : TILE;
        for (size_t p = 0; p < tile.pixels; p++)
            tile.windows[p] = next_window(conv, &walk);
        compute_tile(conv, &tile);
    }
}

#else

bool vnni_works(void)
{
    return false;
}

void vnni_conv_run(const struct vnni_conv *conv, const uint8_t *source, uint8_t *target)
{
    (void)conv;
    (void)source;
    (void)target;
}

#endif
