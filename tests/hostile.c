#include "tests/hostile.h"

#include "common/cleanup.h"
#include "tests/jpegs.h"
#include "tests/pictures.h"
#include "tests/test.h"
#include "tests/vp8l.h"

#include <zlib.h>

struct folder {
    const char *path;
    int first, count;
};

static void put(struct folder *folder, const char *name, const void *data, size_t size)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%04d-%s", folder->path, folder->first + folder->count++, name);
    test_write_file(path, data, size);
}

/* Cut before a part, inside its head, inside its body. */
static void put_cuts(struct folder *folder, const char *name, const uint8_t *file, size_t size, size_t at, size_t length)
{
    put(folder, name, file, at);
    put(folder, name, file, at + 3 < size ? at + 3 : size);
    put(folder, name, file, at + length / 2 < size ? at + length / 2 : size);
}

/* ---- JPEG ------------------------------------------------------------------------------------------------------------ */

static size_t segment_length(const uint8_t *segment)
{
    return 2 + ((size_t)segment[2] << 8 | segment[3]);
}

static void put_length(struct folder *folder, const uint8_t *file, size_t size, size_t at, unsigned length)
{
    CLEANUP(freep) uint8_t *copy = malloc(size);
    memcpy(copy, file, size);
    copy[at + 2] = (uint8_t)(length >> 8);
    copy[at + 3] = (uint8_t)length;
    put(folder, "segment-length.jpg", copy, size);
}

static bool is_segment(const uint8_t *at)
{
    return at[0] == 0xff && at[1] >= 0xc0 && at[1] != 0xff && (at[1] < 0xd0 || at[1] > 0xd9);
}

/* At every marker; the entropy-coded data between scans is stepped over. */
static void put_markers(struct folder *folder, const uint8_t *file, size_t size)
{
    for (size_t at = 2; at + 4 < size;) {
        if (!is_segment(file + at)) {
            at++;
            continue;
        }
        size_t length = segment_length(file + at);
        put_cuts(folder, "cut.jpg", file, size, at, length);
        put_length(folder, file, size, at, 0);
        put_length(folder, file, size, at, 0xffff);
        at += length;
    }
}

static uint8_t *frame_of(uint8_t *file)
{
    uint8_t *at = file + 2;
    while (at[1] < 0xc0 || at[1] > 0xca || at[1] == 0xc4 || at[1] == 0xc8)
        at += segment_length(at);
    return at;
}

static void put_frame(struct folder *folder, const char *name, const struct jpeg_recipe *recipe, int byte, uint8_t value)
{
    size_t size;
    CLEANUP(freep) uint8_t *file = jpeg_draw(recipe, &size);
    frame_of(file)[byte] = value;
    put(folder, name, file, size);
}

static void put_claim(struct folder *folder, const char *name, const struct jpeg_recipe *recipe, int width, int height)
{
    size_t size;
    CLEANUP(freep) uint8_t *file = jpeg_draw(recipe, &size);
    const uint8_t claim[] = { (uint8_t)(height >> 8), (uint8_t)height, (uint8_t)(width >> 8), (uint8_t)width };
    memcpy(frame_of(file) + 5, claim, 4);
    put(folder, name, file, size);
}

/* All scans of a progressive file again and again: every time the whole picture is decoded anew. */
static void put_scans(struct folder *folder, const char *name, int side, int times)
{
    struct jpeg_recipe recipe = { .name = "scans", .width = side, .height = side, .colour = JPEG_GREY, .progressive = true, .quality = 40 };
    size_t size;
    CLEANUP(freep) uint8_t *file = jpeg_draw(&recipe, &size);
    size_t head = (size_t)((uint8_t *)memmem(file, size, "\xff\xda", 2) - file), length = size - 2 - head, used = head;
    CLEANUP(freep) uint8_t *bomb = malloc(head + length * (size_t)times + 2);
    memcpy(bomb, file, head);
    for (int i = 0; i < times; i++, used += length)
        memcpy(bomb + used, file + head, length);
    memcpy(bomb + used, "\xff\xd9", 2);
    put(folder, name, bomb, used + 2);
}

/* EXIF whose directory points at itself, has 65535 entries, is cut, lies beyond the end. */
static void put_exifs(struct folder *folder)
{
    static const struct {
        const char *bytes;
        size_t size;
    } blocks[] = {
        { "Exif\0\0II*\0\0\0\0\0", 14 },
        { "Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\1\3\0\1\0\0\0\6\0\0\0\x08\0\0\0", 32 },
        { "Exif\0\0II*\0\xff\xff\xff\xff", 14 },
        { "Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\xff\xff\xff\xff\0\0\0\x08\0\0\0\x08", 32 },
        { "Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\x09\0\0", 28 },
        { "Exif\0\0", 6 },
        { "Exif\0", 5 },
    };
    struct jpeg_recipe recipe = { .name = "exif", .width = 40, .height = 30 };
    size_t size;
    CLEANUP(freep) uint8_t *file = jpeg_draw(&recipe, &size);
    for (size_t i = 0; i < ARRAY_SIZE(blocks); i++) {
        uint8_t whole[1 << 14] = { 0xff, 0xd8, 0xff, 0xe1, 0, (uint8_t)(blocks[i].size + 2) };
        CHECK(size + 64 < sizeof(whole));
        memcpy(whole + 6, blocks[i].bytes, blocks[i].size);
        memcpy(whole + 6 + blocks[i].size, file + 2, size - 2);
        put(folder, "exif.jpg", whole, size + 4 + blocks[i].size);
    }
}

int hostile_jpegs(const char *path, int first)
{
    static const struct jpeg_recipe recipes[] = {
        { .name = "baseline", .width = 61, .height = 83, .h = 2, .v = 2 },
        { .name = "progressive", .width = 64, .height = 66, .h = 2, .v = 2, .progressive = true },
        { .name = "restarts", .width = 75, .height = 62, .h = 2, .restart = 3 },
        { .name = "cmyk-bare", .width = 50, .height = 57, .colour = JPEG_CMYK_BARE },
    };
    struct folder folder = { path, first, 0 };
    for (size_t i = 0; i < ARRAY_SIZE(recipes); i++) {
        size_t size;
        CLEANUP(freep) uint8_t *file = jpeg_draw(&recipes[i], &size);
        put(&folder, "sound.jpg", file, size);
        put_markers(&folder, file, size);
        put_claim(&folder, "60000x60000.jpg", &recipes[i], 60000, 60000);
        put_claim(&folder, "13000x13000.jpg", &recipes[i], 13000, 13000);
        put_claim(&folder, "65500x2000.jpg", &recipes[i], 65500, 2000);
        put_claim(&folder, "0x0.jpg", &recipes[i], 0, 0);
        put_frame(&folder, "12-bit.jpg", &recipes[i], 4, 12);
        put_frame(&folder, "16-bit.jpg", &recipes[i], 4, 16);
        put_frame(&folder, "lossless.jpg", &recipes[i], 1, 0xc3);
        put_frame(&folder, "two-components.jpg", &recipes[i], 9, 2);
        put_frame(&folder, "sampling.jpg", &recipes[i], 11, 0xff);
        put_frame(&folder, "no-sampling.jpg", &recipes[i], 11, 0);
    }
    put_scans(&folder, "5000-scans.jpg", 8, 5000);
    put_scans(&folder, "slow-scans.jpg", 2800, 80);
    put_exifs(&folder);
    return folder.count;
}

/* ---- PNG ------------------------------------------------------------------------------------------------------------- */

static size_t chunk_length(const uint8_t *chunk)
{
    return 12 + ((size_t)chunk[0] << 24 | (size_t)chunk[1] << 16 | (size_t)chunk[2] << 8 | chunk[3]);
}

static void put_chunks(struct folder *folder, uint8_t *file, size_t size)
{
    int kinds = 0;
    for (size_t at = 8; at < size && kinds++ < 5; at += chunk_length(file + at)) {
        put_cuts(folder, "cut.png", file, size, at, chunk_length(file + at));
        uint8_t *crc = file + at + chunk_length(file + at) - 1, length = file[at];
        (*crc)++;
        put(folder, "crc.png", file, size);
        (*crc)--;
        file[at] = 0x7f;
        put(folder, "chunk-length.png", file, size);
        file[at] = length;
    }
}

static void put_header(struct folder *folder, const char *name, uint8_t *file, size_t size, int byte, uint8_t value)
{
    uint8_t *header = png_find(file, size, "IHDR"), right = header[8 + byte];
    header[8 + byte] = value;
    png_seal(header);
    put(folder, name, file, size);
    header[8 + byte] = right;
    png_seal(header);
}

/* A picture of zeros, `side` squared, in a few hundred kilobytes. */
static void put_zeros(struct folder *folder, const char *name, uint32_t side, bool interlaced)
{
    struct png_recipe recipe = { .name = "zeros", .width = 1, .height = 1, .bits = 8, .type = 0, .interlaced = interlaced };
    size_t size, raw = (size_t)side * (side + 2);
    uLongf packed = compressBound((uLong)raw);
    CLEANUP(freep) uint8_t *zeros = calloc(1, raw), *data = malloc(packed);
    CHECK_INT(compress2(data, &packed, zeros, (uLong)raw, 1), Z_OK);
    uint8_t *file = png_draw(&recipe, &size), *header = png_find(file, size, "IHDR");
    for (int i = 0; i < 4; i++)
        header[8 + i] = header[12 + i] = (uint8_t)(side >> (24 - 8 * i));
    png_seal(header);
    memcpy(png_find(file, size, "IDAT") + 4, "teXt", 4);
    png_seal(png_find(file, size, "teXt"));
    file = png_insert(file, &size, "teXt", "IDAT", data, packed);
    put(folder, name, file, size);
    free(file);
}

int hostile_pngs(const char *path, int first)
{
    static const struct png_recipe recipes[] = {
        { .name = "rgb", .width = 61, .height = 53, .bits = 8, .type = 2 },
        { .name = "palette", .width = 61, .height = 53, .bits = 8, .type = 3, .colours = 7, .transparent = true },
        { .name = "deep", .width = 61, .height = 53, .bits = 16, .type = 6, .interlaced = true },
    };
    struct folder folder = { path, first, 0 };
    for (size_t i = 0; i < ARRAY_SIZE(recipes); i++) {
        size_t size;
        CLEANUP(freep) uint8_t *file = png_draw(&recipes[i], &size);
        put(&folder, "sound.png", file, size);
        put_chunks(&folder, file, size);
        put_header(&folder, "huge.png", file, size, 0, 0x7f);
        put_header(&folder, "wide.png", file, size, 2, 0xff);
        put_header(&folder, "no-width.png", file, size, 3, 0);
        for (int value = 0; value < 4; value++) {
            put_header(&folder, "bits.png", file, size, 8, (uint8_t)(3 * value));
            put_header(&folder, "colour.png", file, size, 9, (uint8_t)(2 * value + 1));
        }
        put_header(&folder, "interlace.png", file, size, 12, 9);
    }
    put_zeros(&folder, "bomb.png", 8000, false);
    put_zeros(&folder, "bomb-interlaced.png", 12000, true);
    return folder.count;
}

/* ---- WebP ------------------------------------------------------------------------------------------------------------ */

int hostile_webps(const char *path, int first)
{
    static const struct webp_recipe recipes[] = {
        { .name = "lossy", .width = 61, .height = 53 },
        { .name = "alpha", .width = 61, .height = 53, .alpha = true },
        { .name = "lossless", .width = 61, .height = 53, .lossless = true },
    };
    struct folder folder = { path, first, 0 };
    for (size_t i = 0; i < ARRAY_SIZE(recipes); i++) {
        size_t size;
        CLEANUP(freep) uint8_t *file = webp_draw(&recipes[i], &size);
        put(&folder, "sound.webp", file, size);
        for (size_t cut = 12; cut < size; cut += size / 15)
            put(&folder, "cut.webp", file, cut);
        for (size_t at = 4; at < 40; at++) {
            uint8_t right = file[at];
            file[at] = at % 2 ? 0xff : 0;
            put(&folder, "byte.webp", file, size);
            file[at] = right;
        }
    }
    size_t size;
    CLEANUP(freep) uint8_t *file = webp_draw(&recipes[2], &size);
    memcpy(file + 21, "\x7f\xde\xbf\x07", 4); /* 14 bits each for width and height: 7808 x 7930 */
    put(&folder, "large.webp", file, size);
    CLEANUP(freep) uint8_t *flat = vp8l_flat(13000, 13000, &size), *tables = NULL;
    put(&folder, "flat.webp", flat, size);
    tables = vp8l_tables(1024, &size);
    put(&folder, "tables.webp", tables, size);
    return folder.count;
}
