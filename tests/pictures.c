#include "tests/pictures.h"

#include "tests/test.h"

#include <png.h>
#include <webp/encode.h>
#include <zlib.h>

/* Integers only, so that every machine draws the same: slopes with a coarse pattern and some noise. */
static uint8_t draw(int x, int y, int c, uint32_t *noise)
{
    *noise = *noise * 1664525u + 1013904223u;
    return (uint8_t)(x * (3 + c) + y * (5 - c) + ((x / 9 + y / 7) % 3 == c ? 90 : 0) + (int)(*noise >> 28));
}

/* ---- PNG ------------------------------------------------------------------------------------------------------------- */

struct sink {
    uint8_t *data;
    size_t size;
};

static void put(png_structp png, png_bytep data, size_t size)
{
    struct sink *sink = png_get_io_ptr(png);
    sink->data = realloc(sink->data, sink->size + size);
    memcpy(sink->data + sink->size, data, size);
    sink->size += size;
}

static void flush(png_structp png)
{
    (void)png;
}

/* libpng writes no index without an entry, so a short palette is cut afterwards. */
static void set_palette(png_structp png, png_infop info, const struct png_recipe *recipe)
{
    png_color colours[256];
    png_byte alphas[5] = { 255, 0, 128, 0, 7 };
    for (int i = 0; i < 256; i++)
        colours[i] = (png_color){ (png_byte)(i * 37), (png_byte)(255 - i * 11), (png_byte)(i * i) };
    if (recipe->type == PNG_COLOR_TYPE_PALETTE)
        png_set_PLTE(png, info, colours, 1 << recipe->bits);
    if (recipe->transparent)
        png_set_tRNS(png, info, alphas, recipe->bits == 1 ? 2 : 4, &(png_color_16){ .red = 90, .green = 90, .blue = 90, .gray = 1 });
}

static void write_rows(png_structp png, png_infop info, const struct png_recipe *recipe)
{
    size_t bytes = png_get_rowbytes(png, info);
    int passes = png_set_interlace_handling(png), channels = png_get_channels(png, info), step = recipe->bits == 16 ? 2 : 1;
    uint8_t *row = malloc(bytes);
    for (int pass = 0; pass < passes; pass++) {
        uint32_t noise = 7;
        for (int y = 0; y < recipe->height; y++) {
            for (size_t i = 0; i < bytes; i++)
                row[i] = draw((int)i / (channels * step), y, (int)i / step % channels, &noise);
            /* Some 16-bit grey below 256, which is all that Pillow leaves unclipped. */
            for (size_t i = 0; recipe->bits == 16 && i < bytes; i += 4)
                row[i] = 0;
            png_write_row(png, row);
        }
    }
    free(row);
}

uint8_t *png_draw(const struct png_recipe *recipe, size_t *ret_size)
{
    struct sink sink = { 0 };
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_set_write_fn(png, &sink, put, flush);
    png_set_IHDR(png, info, (png_uint_32)recipe->width, (png_uint_32)recipe->height, recipe->bits, recipe->type,
                 recipe->interlaced, 0, 0);
    png_set_compression_buffer_size(png, 700); /* several IDAT chunks */
    set_palette(png, info, recipe);
    png_write_info(png, info);
    write_rows(png, info, recipe);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    if (recipe->colours) {
        uint8_t *chunk = png_find(sink.data, sink.size, "PLTE");
        size_t cut = 3 * ((size_t)(1 << recipe->bits) - (size_t)recipe->colours), left = 3 * (size_t)recipe->colours;
        memmove(chunk + 8 + left, chunk + 8 + left + cut, sink.size - (size_t)(chunk + 8 + left + cut - sink.data));
        chunk[2] = (uint8_t)(left >> 8);
        chunk[3] = (uint8_t)left;
        png_seal(chunk);
        sink.size -= cut;
    }
    *ret_size = sink.size;
    return sink.data;
}

static uint32_t length_of(const uint8_t *chunk)
{
    return (uint32_t)chunk[0] << 24 | (uint32_t)chunk[1] << 16 | (uint32_t)chunk[2] << 8 | chunk[3];
}

static void write_u32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

uint8_t *png_find(uint8_t *file, size_t size, const char *name)
{
    for (uint8_t *at = file + 8; at + 12 <= file + size; at += 12 + length_of(at))
        if (!memcmp(at + 4, name, 4))
            return at;
    test_fail(__FILE__, __LINE__, "no chunk %s", name);
}

void png_seal(uint8_t *chunk)
{
    uint32_t length = length_of(chunk);
    write_u32(chunk + 8 + length, (uint32_t)crc32(0, chunk + 4, length + 4));
}

uint8_t *png_insert(uint8_t *file, size_t *size, const char *before, const char *name, const void *data, size_t data_size)
{
    size_t at = (size_t)(png_find(file, *size, before) - file), more = data_size + 12;
    file = realloc(file, *size + more);
    memmove(file + at + more, file + at, *size - at);
    write_u32(file + at, (uint32_t)data_size);
    memcpy(file + at + 4, name, 4);
    if (data_size)
        memcpy(file + at + 8, data, data_size);
    png_seal(file + at);
    *size += more;
    return file;
}

/* ---- WebP ------------------------------------------------------------------------------------------------------------ */

uint8_t *webp_draw(const struct webp_recipe *recipe, size_t *ret_size)
{
    int channels = recipe->alpha ? 4 : 3, stride = recipe->width * channels;
    uint8_t *pixels = malloc((size_t)stride * (size_t)recipe->height), *file = NULL, *copy;
    uint32_t noise = 3;
    float quality = recipe->quality ? (float)recipe->quality : 80;
    for (int i = 0; i < stride * recipe->height; i++)
        pixels[i] = draw(i % stride / channels, i / stride, i % channels, &noise);
    if (recipe->lossless)
        *ret_size = (recipe->alpha ? WebPEncodeLosslessRGBA : WebPEncodeLosslessRGB)(pixels, recipe->width, recipe->height, stride, &file);
    else
        *ret_size = (recipe->alpha ? WebPEncodeRGBA : WebPEncodeRGB)(pixels, recipe->width, recipe->height, stride, quality, &file);
    CHECK(*ret_size > 0);
    copy = malloc(*ret_size);
    memcpy(copy, file, *ret_size);
    WebPFree(file);
    free(pixels);
    return copy;
}
