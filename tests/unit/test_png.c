/* test_png.c: the judge is Pillow; the files are all that libpng can write, cut, damaged and dressed up. */
#include "worker/image/preprocess.h"

#include "tests/jpegs.h"
#include "tests/pictures.h"
#include "tests/test.h"
#include "tests/trial.h"

#include <zlib.h>

#define RESIZE 48
#define CROP   40

static const struct png_recipe recipes[] = {
    { .name = "grey-1", .width = 61, .height = 53, .bits = 1, .type = 0 },
    { .name = "grey-2", .width = 61, .height = 53, .bits = 2, .type = 0 },
    { .name = "grey-4", .width = 61, .height = 53, .bits = 4, .type = 0, .transparent = true },
    { .name = "grey-8", .width = 61, .height = 53, .bits = 8, .type = 0, .transparent = true },
    { .name = "grey-16", .width = 61, .height = 53, .bits = 16, .type = 0 },
    { .name = "grey-16-key", .width = 61, .height = 53, .bits = 16, .type = 0, .transparent = true },
    { .name = "rgb-8", .width = 61, .height = 53, .bits = 8, .type = 2 },
    { .name = "rgb-8-key", .width = 61, .height = 53, .bits = 8, .type = 2, .transparent = true },
    { .name = "rgb-16", .width = 61, .height = 53, .bits = 16, .type = 2 },
    { .name = "palette-1", .width = 61, .height = 53, .bits = 1, .type = 3 },
    { .name = "palette-2", .width = 61, .height = 53, .bits = 2, .type = 3, .transparent = true },
    { .name = "palette-4", .width = 61, .height = 53, .bits = 4, .type = 3 },
    { .name = "palette-8", .width = 61, .height = 53, .bits = 8, .type = 3, .transparent = true },
    { .name = "palette-short", .width = 61, .height = 53, .bits = 8, .type = 3, .colours = 99 },
    { .name = "palette-4-short", .width = 61, .height = 53, .bits = 4, .type = 3, .colours = 3 },
    { .name = "grey-alpha-8", .width = 61, .height = 53, .bits = 8, .type = 4 },
    { .name = "grey-alpha-16", .width = 61, .height = 53, .bits = 16, .type = 4 },
    { .name = "rgba-8", .width = 61, .height = 53, .bits = 8, .type = 6 },
    { .name = "rgba-16", .width = 61, .height = 53, .bits = 16, .type = 6 },
};

/* Every recipe in several sizes, plain and interlaced. */
static void add_sizes(struct trial *trial)
{
    static const int sizes[][2] = { { 61, 53 }, { 1, 1 }, { 2, 3 }, { 5, 1 }, { 1, 9 }, { 8, 8 }, { 300, 200 } };
    for (size_t i = 0; i < 2 * ARRAY_SIZE(recipes) * ARRAY_SIZE(sizes); i++) {
        struct png_recipe recipe = recipes[i / 2 / ARRAY_SIZE(sizes)];
        size_t size;
        recipe.width = sizes[i / 2 % ARRAY_SIZE(sizes)][0];
        recipe.height = sizes[i / 2 % ARRAY_SIZE(sizes)][1];
        recipe.interlaced = i % 2;
        CLEANUP(freep) uint8_t *file = png_draw(&recipe, &size);
        trial_add(trial, file, size, recipe.name, i);
    }
}

TEST(every_kind_of_png_has_pillows_pixels)
{
    struct trial trial;
    int accepted;
    trial_new(&trial, RESIZE, CROP);
    add_sizes(&trial);
    trial_end(&trial, &accepted);
    CHECK_INT(accepted, trial.count);
}

TEST(files_that_pillow_wrote_have_pillows_pixels)
{
    struct trial trial;
    int accepted;
    CLEANUP(freep) char *names = NULL;
    int status = test_shell(&names, "/usr/bin/python3 %s/tests/golden/draw.py .", test_source());
    if (status == 77 || status == 127)
        test_skip("no judge: %s", names);
    CHECK_INT(status, 0);
    trial_new(&trial, RESIZE, CROP);
    for (char *save, *name = strtok_r(names, "\n", &save); name; name = strtok_r(NULL, "\n", &save)) {
        size_t size;
        CLEANUP(freep) char *file = test_read_file(name, &size);
        char plain[48];
        snprintf(plain, sizeof(plain), "%.40s", strrchr(name, '/') + 1);
        trial_add(&trial, file, size, plain, 0);
    }
    trial_end(&trial, &accepted);
    CHECK(accepted == trial.count && accepted > 50);
}

TEST(a_png_cut_anywhere_is_taken_as_pillow_takes_it)
{
    struct trial trial;
    int accepted;
    trial_new(&trial, RESIZE, CROP);
    for (size_t i = 0; i < 2 * ARRAY_SIZE(recipes); i += 3) {
        struct png_recipe recipe = recipes[i / 2];
        size_t size;
        recipe.interlaced = i % 2;
        uint8_t *file = png_draw(&recipe, &size);
        file = png_insert(file, &size, "IEND", "tEXt", "Comment\0behind the image", 24);
        for (size_t cut = 8; cut < size; cut += cut < 100 || cut + 90 > size ? 1 : 37)
            trial_add(&trial, file, cut, recipe.name, cut);
        free(file);
    }
    trial_end(&trial, &accepted);
    CHECK(trial.count > 500 && accepted > 0 && accepted < trial.count);
}

/* Refusing more is right where compressed rows end early: Pillow makes the rest black. */
TEST(a_damaged_byte_is_taken_as_pillow_takes_it)
{
    struct trial trial;
    int accepted;
    uint32_t dice = 1;
    trial_new(&trial, RESIZE, CROP);
    trial.lenient = true;
    for (size_t i = 0; i < 2 * ARRAY_SIZE(recipes); i += 3) {
        struct png_recipe recipe = recipes[i / 2];
        size_t size;
        recipe.interlaced = i % 2;
        CLEANUP(freep) uint8_t *file = png_draw(&recipe, &size);
        for (size_t at = 8; at < size; at += at < 100 || at + 60 > size ? 1 : 31) {
            dice = dice * 1664525u + 1013904223u;
            uint8_t right = file[at];
            file[at] ^= (uint8_t)(1 + dice % 255);
            trial_add(&trial, file, size, recipe.name, at);
            file[at] = right;
        }
    }
    trial_end(&trial, &accepted);
    CHECK(accepted > 0 && accepted < trial.count);
    CHECK(trial.refused_more < trial.count / 50);
}

/* The header with other bytes in it, and a right checksum. */
static void add_headers(struct trial *trial, const struct png_recipe *recipe)
{
    size_t size;
    CLEANUP(freep) uint8_t *file = png_draw(recipe, &size);
    uint8_t *header = png_find(file, size, "IHDR");
    for (int at = 8; at < 21; at++)
        for (int value = 0; value < 9; value++) {
            uint8_t right = header[at];
            if ((at == 8 || at == 9 || at == 12 || at == 13) && value > 1)
                continue; /* millions of pixels: slow, and nothing to see */
            header[at] = (uint8_t)value;
            png_seal(header);
            trial_add(trial, file, size, recipe->name, (size_t)(at * 100 + value));
            header[at] = right;
        }
}

TEST(a_header_that_lies_is_taken_as_pillow_takes_it)
{
    struct trial trial;
    int accepted;
    trial_new(&trial, RESIZE, CROP);
    trial.lenient = true;
    add_headers(&trial, &recipes[3]);
    add_headers(&trial, &recipes[6]);
    add_headers(&trial, &recipes[12]);
    trial_end(&trial, &accepted);
    CHECK(accepted > 0 && accepted < trial.count);
}

static void add_with(struct trial *trial, const char *before, const char *name, const void *data, size_t data_size)
{
    size_t size;
    uint8_t *file = png_draw(&recipes[12], &size);
    file = png_insert(file, &size, before, name, data, data_size);
    trial_add(trial, file, size, name, (size_t)trial->count);
    free(file);
}

TEST(other_chunks_are_taken_as_pillow_takes_them)
{
    static const uint8_t data[800] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    struct trial trial;
    int accepted;
    trial_new(&trial, RESIZE, CROP);
    add_with(&trial, "IDAT", "gAMA", "\0\0\1\0", 4);
    add_with(&trial, "IDAT", "gAMA", data, 100);
    add_with(&trial, "IDAT", "PLTE", data, 9);
    add_with(&trial, "IDAT", "PLTE", data, 0);
    add_with(&trial, "IDAT", "PLTE", data, 768);
    add_with(&trial, "IDAT", "PLTE", data, 770);
    add_with(&trial, "IDAT", "PLTE", data, 771);
    add_with(&trial, "IDAT", "PLTE", data, 10);
    add_with(&trial, "IDAT", "tRNS", data, 0);
    add_with(&trial, "IDAT", "tRNS", data, 300);
    add_with(&trial, "IDAT", "abCD", data, 300);
    add_with(&trial, "IDAT", "ABCD", data, 300);
    add_with(&trial, "IDAT", "IEND", data, 0);
    add_with(&trial, "IDAT", "IDAT", data, 0);
    add_with(&trial, "IDAT", "IDAT", data, 5);
    add_with(&trial, "IHDR", "tEXt", "a\0b", 3);
    add_with(&trial, "IEND", "IDAT", data, 300);
    add_with(&trial, "IEND", "PLTE", data, 9);
    add_with(&trial, "IEND", "abcd", data, 9);
    trial_end(&trial, &accepted);
    CHECK(accepted > 5);
}

/* A palette image whose only palette is in front of `before`. */
static void add_palette(struct trial *trial, const char *before, size_t colours)
{
    static const uint8_t data[3 * 300] = { 200, 100, 50, 25 };
    size_t size;
    uint8_t *file = png_draw(&recipes[12], &size), *palette = png_find(file, size, "PLTE");
    memcpy(palette + 4, "none", 4);
    png_seal(palette);
    file = png_insert(file, &size, before, "PLTE", data, 3 * colours);
    trial_add(trial, file, size, before, colours);
    free(file);
}

TEST(a_palette_in_front_of_the_header_is_none_as_in_pillow)
{
    struct trial trial;
    int accepted;
    trial_new(&trial, RESIZE, CROP);
    add_palette(&trial, "IHDR", 200);
    add_palette(&trial, "IHDR", 300);
    add_palette(&trial, "IDAT", 200);
    add_palette(&trial, "IDAT", 300);
    trial_end(&trial, &accepted);
    CHECK_INT(accepted, 3);
}

static void refused(const void *file, size_t size, int r, const char *part)
{
    struct preprocess_spec spec = { .resize = 256, .crop = 224 };
    CLEANUP(preprocess_freep) struct preprocess *p = NULL;
    struct why why = { "" };
    CHECK_INT(preprocess_new(&spec, &p), 0);
    CHECK_INT(preprocess_decode(p, file, size, &why), r);
    CHECK_CONTAINS(why.text, part);
}

static void refused_size(uint32_t width, uint32_t height, const char *part)
{
    size_t size;
    CLEANUP(freep) uint8_t *file = png_draw(&recipes[3], &size);
    uint8_t *header = png_find(file, size, "IHDR");
    for (int i = 0; i < 4; i++) {
        header[8 + i] = (uint8_t)(width >> (24 - 8 * i));
        header[12 + i] = (uint8_t)(height >> (24 - 8 * i));
    }
    png_seal(header);
    refused(file, size, -E2BIG, part);
}

TEST(sizes_are_checked_before_memory_is_taken)
{
    refused_size(40000, 40000, "at most 178956970 pixels");
    refused_size(65536, 1, "at most 65535 a side");
    refused_size(1, 0x80000000, "1 x 2147483648 pixels");
}

TEST(what_is_wrong_with_a_png_is_said)
{
    size_t size;
    CLEANUP(freep) uint8_t *file = png_draw(&recipes[3], &size);
    refused(file, 20, -EBADMSG, "IHDR chunk is cut");
    refused(file, size / 2, -EBADMSG, "data ends too early");
    png_find(file, size, "IHDR")[10]++;
    refused(file, size, -EBADMSG, "checksum wrong");
}

/* Pillow makes one of both, with pixels that neither of them asks for. */
TEST(two_headers_must_be_the_same)
{
    struct trial trial;
    int accepted;
    size_t size;
    uint8_t header[13], *file = png_draw(&recipes[3], &size);
    memcpy(header, png_find(file, size, "IHDR") + 8, sizeof(header));
    file = png_insert(file, &size, "IDAT", "IHDR", header, sizeof(header));
    trial_new(&trial, RESIZE, CROP);
    trial_add(&trial, file, size, "same", 0);
    trial_end(&trial, &accepted);
    CHECK_INT(accepted, 1);
    header[12] = 1; /* interlaced */
    file = png_insert(file, &size, "IDAT", "IHDR", header, sizeof(header));
    refused(file, size, -EBADMSG, "two headers, which differ");
    free(file);
}

static uint8_t *draw_animated(uint32_t width, uint32_t height, uint32_t x, uint32_t y, const char *before, size_t control, size_t *ret_size)
{
    const struct png_recipe recipe = { .name = "animated", .width = 60, .height = 50, .bits = 8, .type = 2 };
    const uint32_t numbers[] = { 0, width, height, x, y };
    uint8_t data[26] = { 0 };
    for (size_t i = 0; i < sizeof(numbers); i++)
        data[i] = (uint8_t)(numbers[i / 4] >> (24 - 8 * (i % 4)));
    return png_insert(png_draw(&recipe, ret_size), ret_size, before, "fcTL", data, control);
}

static void refused_frame(uint32_t width, uint32_t height, uint32_t x, uint32_t y, const char *before, size_t control, int r, const char *part)
{
    size_t size;
    CLEANUP(freep) uint8_t *file = draw_animated(width, height, x, y, before, control, &size);
    refused(file, size, r, part);
}

TEST(an_animation_is_read_if_its_first_frame_is_the_whole_picture)
{
    struct trial trial;
    int accepted;
    size_t size;
    CLEANUP(freep) uint8_t *file = draw_animated(60, 50, 0, 0, "IDAT", 26, &size);
    trial_new(&trial, RESIZE, CROP);
    trial_add(&trial, file, size, "animated", 0);
    trial_end(&trial, &accepted);
    CHECK_INT(accepted, 1);
    refused_frame(59, 50, 0, 0, "IDAT", 26, -EOPNOTSUPP, "first frame is a part of the picture");
    refused_frame(60, 49, 0, 0, "IDAT", 26, -EOPNOTSUPP, "first frame is a part of the picture");
    refused_frame(60, 50, 1, 0, "IDAT", 26, -EOPNOTSUPP, "first frame is a part of the picture");
    refused_frame(60, 50, 0, 1, "IDAT", 26, -EOPNOTSUPP, "first frame is a part of the picture");
    refused_frame(60, 50, 0, 0, "IDAT", 25, -EBADMSG, "fcTL chunk is too short or comes first");
    refused_frame(60, 50, 0, 0, "IHDR", 26, -EBADMSG, "fcTL chunk is too short or comes first");
    file = png_insert(file, &size, "fcTL", "acTL", "\0\0\0\2\0\0", 7);
    refused(file, size, -EBADMSG, "acTL chunk is too short");
    file = png_insert(file, &size, "acTL", "fdAT", "\0\0\0\1\0", 5);
    refused(file, size, -EBADMSG, "a frame of an animation comes before the image");
}

/* An animation of so many frames by its own count, with an orientation behind the second, and cut inside the chunk `cut` unless that is NULL. */
static void add_animation(struct trial *trial, uint32_t frames, bool first_is_frame, const char *cut)
{
    static const uint8_t control[26] = { 0, 0, 0, 0, 0, 0, 0, 60, 0, 0, 0, 50 };
    static const char exif[] = "II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\x06\0\0\0\0\0\0";
    uint8_t count[8] = { (uint8_t)(frames >> 24), (uint8_t)(frames >> 16), (uint8_t)(frames >> 8), (uint8_t)frames }, next[26], data[200] = { 0 };
    const struct png_recipe recipe = { .name = "animated", .width = 60, .height = 50, .bits = 8, .type = 2 };
    size_t size;
    uint8_t *file = png_insert(png_draw(&recipe, &size), &size, "IDAT", "acTL", count, sizeof(count));
    memcpy(next, control, sizeof(next));
    next[3] = data[3] = first_is_frame;
    data[3]++;
    file = png_insert(file, &size, "IEND", "fcTL", next, sizeof(next));
    file = png_insert(file, &size, "IEND", "fdAT", data, sizeof(data));
    file = png_insert(file, &size, "IEND", "eXIf", exif, sizeof(exif));
    if (first_is_frame)
        file = png_insert(file, &size, "IDAT", "fcTL", control, sizeof(control));
    if (cut)
        size = (size_t)(png_find(file, size, cut) - file) + 20;
    trial_add(trial, file, size, "animation", frames);
    free(file);
}

TEST(what_follows_the_first_frame_of_an_animation_counts_as_in_pillow)
{
    static const uint32_t frames[] = { 0, 1, 2, 5, 0x80000000, 0x80000001 };
    static const char *const cuts[] = { NULL, "fdAT", "eXIf" };
    struct trial trial;
    int accepted;
    trial_new_spec(&trial, &(struct preprocess_spec){ .resize = RESIZE, .crop = CROP, .exif_orient = true });
    for (size_t i = 0; i < 2 * ARRAY_SIZE(frames); i++)
        for (size_t k = 0; k < ARRAY_SIZE(cuts); k++)
            add_animation(&trial, frames[i / 2], i % 2, cuts[k]);
    trial_end(&trial, &accepted);
    CHECK(accepted > 2 * (int)ARRAY_SIZE(frames) && accepted < trial.count);
}

/* ---- compressed data that go on behind the last row ---- */

/* The rows of a grey picture of `side` x `side`, then so many times a mebibyte of zeros, which can be repeated: it refers to nothing before it. */
static uint8_t *deflate_rows_and(int side, int mebibytes, size_t *ret_size)
{
    static uint8_t zeros[1 << 20], rows[1 << 16], begin[1 << 16], once[1 << 16];
    z_stream z = { .next_in = rows, .avail_in = (uInt)(side * (side + 1)), .next_out = begin, .avail_out = sizeof(begin) };
    for (int i = 0; i < side * (side + 1); i++)
        rows[i] = (uint8_t)(i % (side + 1) ? i : 0);
    CHECK_INT(deflateInit(&z, 9), Z_OK);
    CHECK_INT(deflate(&z, Z_FULL_FLUSH), Z_OK);
    size_t first = sizeof(begin) - z.avail_out;
    z.next_in = zeros;
    z.avail_in = sizeof(zeros);
    z.next_out = once;
    z.avail_out = sizeof(once);
    CHECK_INT(deflate(&z, Z_FULL_FLUSH), Z_OK);
    size_t more = sizeof(once) - z.avail_out;
    deflateEnd(&z);
    *ret_size = first + (size_t)mebibytes * more;
    uint8_t *data = malloc(*ret_size);
    CHECK(data);
    memcpy(data, begin, first);
    for (int i = 0; i < mebibytes; i++)
        memcpy(data + first + (size_t)i * more, once, more);
    return data;
}

/* A grey picture with these data, in chunks of so many bytes. */
static uint8_t *grey_of(int side, const uint8_t *data, size_t data_size, size_t chunk, size_t *ret_size)
{
    const struct png_recipe recipe = { .name = "grey", .width = side, .height = side, .bits = 8, .type = 0 };
    uint8_t *drawn = png_draw(&recipe, ret_size), *file = malloc(*ret_size + data_size + data_size / chunk * 12 + 100);
    size_t used = (size_t)(png_find(drawn, *ret_size, "IDAT") - drawn);
    CHECK(file);
    memcpy(file, drawn, used);
    free(drawn);
    for (size_t at = 0; at < data_size; at += chunk) {
        size_t size = data_size - at < chunk ? data_size - at : chunk;
        for (int i = 0; i < 4; i++)
            file[used + (size_t)i] = (uint8_t)(size >> (24 - 8 * i));
        memcpy(file + used + 4, "IDAT", 4);
        memcpy(file + used + 8, data + at, size);
        png_seal(file + used);
        used += size + 12;
    }
    *ret_size = used;
    return file;
}

static void take_endless(size_t chunk)
{
    enum { SIDE = 50, MEBIBYTES = 100 << 10 };
    struct preprocess_spec spec = { .resize = 48, .crop = 40 };
    CLEANUP(preprocess_freep) struct preprocess *p = NULL;
    struct why why = { "" };
    size_t data_size, size;
    CLEANUP(freep) uint8_t *data = deflate_rows_and(SIDE, MEBIBYTES, &data_size);
    CLEANUP(freep) uint8_t *file = grey_of(SIDE, data, data_size, chunk, &size);
    CHECK_INT(preprocess_new(&spec, &p), 0);
    CHECK_INT(preprocess_decode(p, file, size, &why), 0);
}

/* A hundred gigabytes, which nobody has inflated in that time. */
TEST_WITHIN(20, data_behind_the_last_row_are_not_inflated)
{
    take_endless(1 << 20);
    take_endless(1 << 30);
}

/* What Pillow 9.4 made of drawn files, for machines without it. */
TEST(png_pixels_are_what_they_were)
{
    static const uint64_t goldens[] = {
        0x93e263c1493441d6, 0xf2c5901cbe1e1475, 0x21360685253ba8c0, 0x344f9811ce2d1104, 0x3c9782cd95f987fd, 0x3c9782cd95f987fd,
        0x61b9c9311112f50b, 0x61b9c9311112f50b, 0xc2c044fe8d6d5d83, 0x8be9b84d00e74e2a, 0x09893a427ddf60ce, 0x7ccaaced7d80317c,
        0xc26251a56aa124e4, 0x102ee778877e5539, 0xc2f895e60e0372f5, 0xc26175b445c20abd, 0xd0549f149dd63a25, 0x408e844d57e5e73d,
        0x029b33e5da0f468d,
    };
    static uint8_t pixels[3 * CROP * CROP];
    struct preprocess_spec spec = { .resize = RESIZE, .crop = CROP };
    CLEANUP(preprocess_freep) struct preprocess *p = NULL;
    CHECK_INT(preprocess_new(&spec, &p), 0);
    for (size_t i = 0; i < ARRAY_SIZE(recipes); i++) {
        struct why why = { "" };
        size_t size;
        CLEANUP(freep) uint8_t *file = png_draw(&recipes[i], &size);
        CHECK_INT(preprocess_decode(p, file, size, &why), 0);
        preprocess_render(p, pixels);
        uint64_t hash = test_hash(pixels, sizeof(pixels));
        if (hash != goldens[i])
            test_fail(__FILE__, __LINE__, "%s: pixels have the hash 0x%016llx", recipes[i].name, (unsigned long long)hash);
    }
}
