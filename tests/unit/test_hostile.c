/* test_hostile.c: damaged, foreign and malicious files. Where a file is a JPEG at all, Pillow is the judge: what it refuses is
 * refused, what it accepts has its pixels. */
#include "worker/image/preprocess.h"

#include "common/clock.h"
#include "tests/jpegs.h"
#include "tests/pictures.h"
#include "tests/test.h"
#include "tests/trial.h"
#include "tests/vp8l.h"

#include <sys/resource.h>

#define RESIZE 48
#define CROP 40

/* Small, so that every offset matters. */
static const struct jpeg_recipe recipes[] = {
    { .name = "baseline", .width = 61, .height = 83, .h = 2, .v = 2 },
    { .name = "restarts", .width = 75, .height = 62, .h = 2, .restart = 3 },
    { .name = "progressive", .width = 64, .height = 66, .h = 2, .v = 2, .progressive = true },
    { .name = "grey", .width = 60, .height = 50, .colour = JPEG_GREY },
    { .name = "cmyk", .width = 50, .height = 57, .colour = JPEG_CMYK },
    { .name = "ycck", .width = 50, .height = 57, .colour = JPEG_YCCK, .progressive = true },
    { .name = "arithmetic", .width = 61, .height = 83, .arithmetic = true },
};

TEST(a_file_cut_anywhere_is_refused_when_pillow_refuses_it)
{
    struct trial trial;
    int accepted;
    trial_new(&trial, RESIZE, CROP);
    for (size_t i = 0; i < ARRAY_SIZE(recipes); i++) {
        size_t size;
        CLEANUP(freep) uint8_t *file = jpeg_draw(&recipes[i], &size);
        for (size_t cut = 3; cut < size; cut += cut + 40 < size ? 11 : 1)
            trial_add(&trial, file, cut, recipes[i].name, cut);
    }
    trial_end(&trial, &accepted);
    CHECK(trial.count > 500);
    CHECK_INT(accepted, 0); /* not even without the end marker alone */
}

TEST(a_damaged_byte_is_taken_as_pillow_takes_it)
{
    struct trial trial;
    int accepted;
    uint32_t dice = 1;
    trial_new(&trial, RESIZE, CROP);
    for (size_t i = 0; i < ARRAY_SIZE(recipes); i++) {
        size_t size;
        CLEANUP(freep) uint8_t *file = jpeg_draw(&recipes[i], &size);
        for (size_t at = 3; at < size; at += at < 700 ? 2 : 7) {
            dice = dice * 1664525u + 1013904223u;
            uint8_t right = file[at];
            file[at] ^= (uint8_t)(1 + dice % 255);
            trial_add(&trial, file, size, recipes[i].name, at);
            file[at] = right;
        }
    }
    trial_end(&trial, &accepted);
    CHECK(accepted > 0 && accepted < trial.count);
}

/* Of a drawn file: everything but the end marker, then `tail`. */
static void add_with_tail(struct trial *trial, const struct jpeg_recipe *recipe, size_t lead, const void *tail, size_t tail_size)
{
    size_t size;
    CLEANUP(freep) uint8_t *file = jpeg_draw(recipe, &size);
    CLEANUP(freep) uint8_t *whole = calloc(1, lead + size + tail_size);
    memcpy(whole + lead, file, size - 2);
    memcpy(whole + lead + size - 2, tail, tail_size);
    trial_add(trial, whole, lead + size - 2 + tail_size, recipe->name, tail_size);
}

TEST(what_follows_the_image_is_judged_as_pillow_judges_it)
{
    static const uint8_t zeros[100], garbage[] = "\xff\xd9 and then some notes of the camera \xff\xd8\xff",
                         twice[] = { 0xff, 0xd9, 0xff, 0xd9 }, table[] = { 0xff, 0xc4, 0, 3, 0x77, 0xff, 0xd9 },
                         comment[] = { 0xff, 0xfe, 0, 4, 'h', 'i', 0xff, 0xd9 }, frame[] = { 0xff, 0xc0, 0, 8, 0xff, 0xd9 };
    struct trial trial;
    int accepted;
    trial_new(&trial, RESIZE, CROP);
    for (size_t i = 0; i < ARRAY_SIZE(recipes); i++) {
        add_with_tail(&trial, &recipes[i], 0, zeros, sizeof(zeros));
        add_with_tail(&trial, &recipes[i], 0, garbage, sizeof(garbage));
        add_with_tail(&trial, &recipes[i], 0, twice, sizeof(twice));
        add_with_tail(&trial, &recipes[i], 0, table, sizeof(table));
        add_with_tail(&trial, &recipes[i], 0, comment, sizeof(comment));
        add_with_tail(&trial, &recipes[i], 0, frame, sizeof(frame));
        add_with_tail(&trial, &recipes[i], 5, garbage, sizeof(garbage));
    }
    trial_end(&trial, &accepted);
    CHECK(accepted > 0 && accepted < trial.count);
}

/* ---- files longer than the pieces that Pillow reads (64 KB) ------------------------------------------------------------- */

#define PIECE 65536

static const struct jpeg_recipe longer = { .name = "longer", .width = 1000, .height = 800, .quality = 40, .colour = JPEG_GREY };

/* What libjpeg makes of bytes that are neither data nor a marker depends on how far it has read ahead, and so on where the pieces before them
 * ended. Nothing is resized here: a block of 8 x 8 is all that would differ. */
TEST(damaged_data_of_a_long_file_is_decoded_as_pillow_decodes_it)
{
    struct trial trial;
    int accepted;
    size_t size;
    CLEANUP(freep) uint8_t *file = jpeg_draw(&longer, &size);
    trial_new(&trial, longer.height, longer.width);
    for (size_t at = PIECE + 4; at + 200 < size; at += 331) {
        uint8_t right[3];
        memcpy(right, file + at, 3);
        memcpy(file + at, "\xff\xff", 3);
        trial_add(&trial, file, size, longer.name, at);
        memcpy(file + at, right, 3);
    }
    trial_end(&trial, &accepted);
    CHECK(trial.count > 20 && accepted == trial.count);
}

/* The image, a comment of 65,000 bytes in place of the end marker, and what would be refused if anybody looked. */
TEST(what_follows_the_image_is_judged_up_to_the_end_of_the_piece_as_in_pillow)
{
    static uint8_t tail[2 + 65000 + 4] = { 0xff, 0xfe, 65000 >> 8, 65000 & 255 };
    struct trial trial;
    int accepted;
    memcpy(tail + 2 + 65000, "\xff\xd8\xff\xd9", 4); /* a second beginning */
    trial_new(&trial, RESIZE, CROP);
    for (size_t i = 0; i < ARRAY_SIZE(recipes); i++) {
        if (recipes[i].arithmetic)
            continue; /* is one piece */
        add_with_tail(&trial, &recipes[i], 0, tail, sizeof(tail));
        add_with_tail(&trial, &recipes[i], 0, tail + 2 + 65000, 4);
    }
    add_with_tail(&trial, &longer, 0, tail, sizeof(tail));
    add_with_tail(&trial, &longer, 0, tail + 2 + 65000, 4);
    trial_end(&trial, &accepted);
    CHECK(accepted > 0 && accepted < trial.count);
}

TEST(segments_longer_than_a_piece_are_skipped_as_in_pillow)
{
    static uint8_t segment[2 + 65535] = { 0xff, 0xe2, 0xff, 0xff };
    struct trial trial;
    int accepted;
    size_t size;
    CLEANUP(freep) uint8_t *file = jpeg_draw(&recipes[0], &size), *whole = malloc(size + 3 * sizeof(segment));
    trial_new(&trial, RESIZE, CROP);
    for (size_t count = 0; count <= 3; count++) {
        memcpy(whole, file, 2);
        for (size_t i = 0; i < count; i++)
            memcpy(whole + 2 + i * sizeof(segment), segment, sizeof(segment));
        memcpy(whole + 2 + count * sizeof(segment), file + 2, size - 2);
        trial_add(&trial, whole, size + count * sizeof(segment), "skipped", count);
        trial_add(&trial, whole, 2 + count * sizeof(segment), "cut", count);
        trial_add(&trial, whole, 2 + count * sizeof(segment) / 2, "cut inside", count);
    }
    trial_end(&trial, &accepted);
    CHECK_INT(accepted, 4);
}

/* ---- what Pillow need not be asked about ----------------------------------------------------------------------------- */

static int decode(const void *file, size_t size, struct why *why)
{
    struct preprocess_spec spec = { .resize = 256, .crop = 224 };
    CLEANUP(preprocess_freep) struct preprocess *p = NULL;
    CHECK_INT(preprocess_new(&spec, &p), 0);
    CLEANUP(freep) char *copy = malloc(size + !size);
    memcpy(copy, file, size);
    return preprocess_decode(p, copy, size, why);
}

static void refused(const void *file, size_t size, int r, const char *part)
{
    struct why why = { "" };
    CHECK_INT(decode(file, size, &why), r);
    CHECK_CONTAINS(why.text, part);
}

#define REFUSED(bytes, part) refused(bytes, sizeof(bytes) - 1, -EOPNOTSUPP, part)

TEST(an_empty_file_is_named_as_such)
{
    refused("", 0, -EBADMSG, "file is empty");
}

TEST(other_formats_are_named)
{
    REFUSED("GIF89a", "GIF file; only JPEG, PNG and WebP are read");
    REFUSED("II*\0\x08\0\0\0", "TIFF file");
    REFUSED("BM\x36\0\0\0", "BMP file");
    REFUSED("\0\0\0\x18" "ftypheic", "HEIC file");
    REFUSED("\0\0\0\x18" "ftypavif", "AVIF file");
    REFUSED("%PDF-1.4", "PDF file");
    REFUSED("\n<!DOCTYPE html><html>", "HTML file");
    REFUSED("<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code></Error>", "XML file");
    REFUSED("version https://git-lfs.github.com/spec/v1\n", "text file");
    REFUSED("\0\1\2\3\4", "begins with 00 01 02 03");
    REFUSED("\xff", "begins with ff 00 00 00");
}

/* Where the frame header is: FF C0..C2, length, precision, height, width, components. */
static uint8_t *frame_header(uint8_t *file)
{
    for (uint8_t *at = file + 2;; at += 2 + at[2] * 256 + at[3])
        if (at[1] >= 0xc0 && at[1] <= 0xc2)
            return at;
}

static uint8_t *draw_claiming(const struct jpeg_recipe *recipe, int width, int height, size_t *ret_size)
{
    uint8_t *file = jpeg_draw(recipe, ret_size), *at = frame_header(file);
    at[5] = (uint8_t)(height >> 8);
    at[6] = (uint8_t)height;
    at[7] = (uint8_t)(width >> 8);
    at[8] = (uint8_t)width;
    return file;
}

static void limit_memory(size_t bytes)
{
    struct rlimit limit = { bytes, bytes };
    CHECK_INT(setrlimit(RLIMIT_AS, &limit), 0);
}

TEST(a_header_that_claims_too_much_is_refused_before_memory_is_taken)
{
    size_t size;
    CLEANUP(freep) uint8_t *file = draw_claiming(&recipes[2], 60000, 60000, &size);
    if (!SANITIZED)
        limit_memory(128 << 20);
    refused(file, size, -E2BIG, "60000 x 60000 pixels; at most 178956970");
}

TEST(memory_refused_fails_the_image_only)
{
    size_t size;
    CLEANUP(freep) uint8_t *file = draw_claiming(&recipes[2], 13000, 13000, &size);
    if (SANITIZED)
        test_skip("sanitizers need all the address space");
    limit_memory(256 << 20);
    refused(file, size, -ENOMEM, "13000 x 13000 pixels");
}

TEST(a_limit_of_pixels_is_kept_to_the_pixel)
{
    struct preprocess_spec spec = { .resize = 256, .crop = 224, .max_pixels = 61 * 83 };
    struct why why;
    size_t size;
    CLEANUP(freep) uint8_t *file = jpeg_draw(&recipes[0], &size);
    CLEANUP(preprocess_freep) struct preprocess *p = NULL, *tight = NULL;
    CHECK_INT(preprocess_new(&spec, &p), 0);
    CHECK_INT(preprocess_decode(p, file, size, &why), 0);
    spec.max_pixels--;
    CHECK_INT(preprocess_new(&spec, &tight), 0);
    CHECK_INT(preprocess_decode(tight, file, size, &why), -E2BIG);
}

TEST(variants_that_are_not_read_are_named)
{
    size_t size;
    struct jpeg_recipe two = { .name = "two", .width = 20, .height = 20, .colour = JPEG_TWO };
    CLEANUP(freep) uint8_t *file = jpeg_draw(&two, &size), *deep = NULL;
    refused(file, size, -EOPNOTSUPP, "JPEG with 2 components");
    deep = jpeg_draw(&recipes[0], &size);
    frame_header(deep)[4] = 12;
    refused(deep, size, -EOPNOTSUPP, "12");
    frame_header(deep)[4] = 8;
    frame_header(deep)[1] = 0xc3; /* lossless */
    refused(deep, size, -EOPNOTSUPP, "SOF type 0xc3");
}

TEST(a_cut_file_says_where_it_ends)
{
    size_t size;
    CLEANUP(freep) uint8_t *file = jpeg_draw(&recipes[0], &size), *progressive = NULL;
    refused(file, 100, -EBADMSG, "JPEG data ends inside the header");
    refused(file, size - 100, -EBADMSG, "of 83");
    progressive = jpeg_draw(&recipes[2], &size);
    refused(progressive, size - 2, -EBADMSG, "before its last scan");
}

/* Pillow takes it: the one place where we refuse more. */
TEST(a_progressive_file_with_a_thousand_scans_is_refused)
{
    size_t size, room = 1 << 20, used;
    struct jpeg_recipe recipe = { .name = "scans", .width = 8, .height = 8, .colour = JPEG_GREY, .progressive = true };
    CLEANUP(freep) uint8_t *file = jpeg_draw(&recipe, &size), *bomb = malloc(room);
    uint8_t *scan = memmem(file, size, "\xff\xda", 2), *end = memmem(scan + 2, size, "\xff", 1);
    used = (size_t)(scan - file);
    memcpy(bomb, file, used);
    for (int i = 0; i < 1000; i++) {
        memcpy(bomb + used, scan, (size_t)(end - scan));
        used += (size_t)(end - scan);
    }
    memcpy(bomb + used, "\xff\xd9", 2);
    refused(bomb, used + 2, -EBADMSG, "more than 500 scans");
}

/* Pillow refuses it, because libjpeg cannot wait for more of such a file. */
TEST(an_arithmetic_coded_file_longer_than_a_piece_has_the_pixels_of_the_same_picture_coded_otherwise)
{
    struct preprocess_spec spec = { .resize = RESIZE, .crop = CROP };
    struct jpeg_recipe recipe = { .name = "arithmetic", .width = 1000, .height = 800, .quality = 80 };
    static uint8_t pixels[2][3 * CROP * CROP];
    CLEANUP(preprocess_freep) struct preprocess *p = NULL;
    CHECK_INT(preprocess_new(&spec, &p), 0);
    for (int i = 0; i < 2; i++) {
        struct why why;
        size_t size;
        CLEANUP(freep) uint8_t *file = jpeg_draw(&recipe, &size);
        CHECK(size > PIECE);
        CHECK_INT(preprocess_decode(p, file, size, &why), 0);
        preprocess_render(p, pixels[i]);
        refused(file, size - 500, -EBADMSG, "JPEG data ends after line");
        recipe.arithmetic = true;
    }
    CHECK(!memcmp(pixels[0], pixels[1], sizeof(pixels[0])));
}

TEST(an_image_has_so_much_processor_time_and_no_more)
{
    struct preprocess_spec spec = { .resize = RESIZE, .crop = CROP, .cpu_limit_ns = 1 };
    CLEANUP(preprocess_freep) struct preprocess *hasty = NULL, *patient = NULL;
    struct png_recipe png = { .name = "png", .width = 60, .height = 50, .bits = 8, .type = 2 };
    struct webp_recipe webp = { .name = "webp", .width = 60, .height = 50 };
    size_t sizes[3];
    uint8_t *files[] = { jpeg_draw(&recipes[2], &sizes[0]), png_draw(&png, &sizes[1]), webp_draw(&webp, &sizes[2]) };
    CHECK_INT(preprocess_new(&spec, &hasty), 0);
    spec.cpu_limit_ns = (uint64_t)3600 * 1000000000;
    CHECK_INT(preprocess_new(&spec, &patient), 0);
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        struct why why = { "" };
        CHECK_INT(preprocess_decode(hasty, files[i], sizes[i], &why), -ETIMEDOUT);
        CHECK_CONTAINS(why.text, "--image-cpu-limit");
        CHECK_INT(preprocess_decode(patient, files[i], sizes[i], &why), 0);
        free(files[i]);
    }
}

static int decode_within(struct preprocess_spec spec, const uint8_t *file, size_t size, uint64_t *ret_ns)
{
    CLEANUP(preprocess_freep) struct preprocess *p = NULL;
    struct why why;
    CHECK_INT(preprocess_new(&spec, &p), 0);
    uint64_t begin = clock_thread_cpu_ns();
    int r = preprocess_decode(p, file, size, &why);
    *ret_ns = clock_thread_cpu_ns() - begin;
    return r;
}

TEST(an_image_whose_time_is_over_in_the_middle_is_not_decoded_to_its_end)
{
    struct preprocess_spec spec = { .resize = RESIZE, .crop = CROP };
    struct jpeg_recipe jpeg = { .name = "jpeg", .width = 3000, .height = 2000 };
    struct png_recipe png = { .name = "png", .width = 3000, .height = 2000, .bits = 8, .type = 2 };
    size_t sizes[4];
    uint64_t whole, ns;
    uint8_t *files[] = { jpeg_draw(&jpeg, &sizes[0]), jpeg_draw((jpeg.progressive = true, &jpeg), &sizes[1]), png_draw(&png, &sizes[2]),
                         png_draw((png.interlaced = true, &png), &sizes[3]) };
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        spec.cpu_limit_ns = 0;
        CHECK_INT(decode_within(spec, files[i], sizes[i], &whole), 0);
        CHECK_INT(decode_within(spec, files[i], sizes[i], &whole), 0); /* all that is slow but once is behind us */
        spec.cpu_limit_ns = whole / 4;
        CHECK_INT(decode_within(spec, files[i], sizes[i], &ns), -ETIMEDOUT);
        free(files[i]);
    }
}

/* Its pixels cost no bits, so the decoder would not come up for air. */
TEST(a_webp_that_could_take_too_long_is_not_begun)
{
    struct preprocess_spec spec = { .resize = RESIZE, .crop = CROP, .cpu_limit_ns = 1000000000 };
    CLEANUP(preprocess_freep) struct preprocess *p = NULL;
    struct why why = { "" };
    size_t size;
    CLEANUP(freep) uint8_t *large = vp8l_flat(13000, 13000, &size), *small = NULL;
    CHECK_INT(preprocess_new(&spec, &p), 0);
    uint64_t begin = clock_thread_cpu_ns();
    CHECK_INT(preprocess_decode(p, large, size, &why), -ETIMEDOUT);
    CHECK_CONTAINS(why.text, "13000 x 13000 pixels, which may take longer to decode than --image-cpu-limit allows");
    CHECK(clock_thread_cpu_ns() - begin < 100000000);
    small = vp8l_flat(1300, 1300, &size);
    CHECK_INT(preprocess_decode(p, small, size, &why), 0);
}

/* 400 KB that ask for 800 MB. */
TEST(a_webp_gets_no_more_memory_for_tables_than_was_asked_for)
{
    size_t size;
    CLEANUP(freep) uint8_t *file = vp8l_tables(1024, &size), *few = NULL;
    struct why why = { "" };
    refused(file, size, -E2BIG, "WebP that asks for more memory than such a picture needs");
    few = vp8l_tables(32, &size);
    CHECK_INT(decode(few, size, &why), 0);
}

static int admit(void *arg, uint64_t bytes, struct why *why)
{
    uint64_t *asked = arg;
    *asked = bytes;
    return because(why, -E2BIG, "no");
}

/* What a decoder will take for these, in bytes a pixel: a whole number or nearly. */
static void check_asked(uint8_t *file, size_t size, double pixels, double least, double most)
{
    uint64_t asked = 0;
    struct preprocess_spec spec = { .resize = 8, .crop = 8, .admit = admit, .admit_arg = &asked };
    CLEANUP(preprocess_freep) struct preprocess *p = NULL;
    struct why why;
    CHECK_INT(preprocess_new(&spec, &p), 0);
    CHECK_INT(preprocess_decode(p, file, size, &why), -E2BIG);
    CHECK_STR(why.text, "no");
    if ((double)asked < least * pixels || (double)asked > most * pixels)
        test_fail(__FILE__, __LINE__, "%g bytes a pixel", (double)asked / pixels);
    free(file);
}

TEST(memory_for_whole_pictures_is_asked_for_before_it_is_taken)
{
    struct jpeg_recipe jpeg = { .name = "jpeg", .width = 640, .height = 480, .h = 2, .v = 2 };
    struct png_recipe png = { .name = "png", .width = 640, .height = 480, .bits = 16, .type = 6 };
    struct webp_recipe webp = { .name = "webp", .width = 640, .height = 480 };
    const double pixels = 640 * 480;
    size_t size;
    uint8_t *file = jpeg_draw(&jpeg, &size);
    check_asked(file, size, pixels, 0, 0.2);
    jpeg.progressive = true;
    file = jpeg_draw(&jpeg, &size);
    check_asked(file, size, pixels, 3, 3.5);
    file = png_draw(&png, &size);
    check_asked(file, size, pixels, 0, 0.2);
    png.interlaced = true;
    file = png_draw(&png, &size);
    check_asked(file, size, pixels, 8, 8.5);
    file = webp_draw(&webp, &size);
    check_asked(file, size, pixels, 3, 3.5);
    webp.lossless = true;
    file = webp_draw(&webp, &size);
    double tables = (double)(2 << 20) + 4 * (double)size;
    check_asked(file, size, pixels, 8 + tables / pixels, 8.5 + tables / pixels);
    webp = (struct webp_recipe){ .name = "webp", .width = 640, .height = 480, .alpha = true };
    file = webp_draw(&webp, &size);
    tables = (double)(2 << 20) + 4 * (double)size;
    check_asked(file, size, pixels, 9 + tables / pixels, 9.5 + tables / pixels);
}

/* Tables of one file must not serve the next. */
TEST(nothing_of_a_file_is_left_for_the_next)
{
    struct preprocess_spec spec = { .resize = RESIZE, .crop = CROP };
    struct why why;
    size_t size;
    CLEANUP(freep) uint8_t *file = jpeg_draw(&recipes[0], &size);
    CLEANUP(preprocess_freep) struct preprocess *p = NULL;
    CHECK_INT(preprocess_new(&spec, &p), 0);
    CHECK_INT(preprocess_decode(p, file, size, &why), 0);
    for (uint8_t *at = file + 2; at[1] != 0xda; at += 2 + at[2] * 256 + at[3])
        if (at[1] == 0xdb)
            at[1] = 0xfe; /* the quantisation tables become comments */
    CHECK_INT(preprocess_decode(p, file, size, &why), -EBADMSG);
    CHECK_CONTAINS(why.text, "Quantization table");
}

TEST(a_recipe_without_sense_is_refused)
{
    struct preprocess *p = NULL;
    static const struct preprocess_spec bad[] = {
        { .resize = 0, .crop = 1 },     { .resize = 1, .crop = 0 },     { .resize = -1, .crop = 5 },
        { .resize = 16385, .crop = 5 }, { .resize = 5, .crop = 16385 }, { .resize = 5, .crop = 5, .interpolation = INTERPOLATION_COUNT },
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        CHECK_INT(preprocess_new(&bad[i], &p), -EINVAL);
    CHECK(!p);
    preprocess_free(NULL);
}
