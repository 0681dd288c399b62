/* test_exif.c: photos turned as their EXIF data say, against Pillow's exif_transpose; EXIF data that lie. */
#include "worker/image/exif.h"

#include "tests/jpegs.h"
#include "tests/pictures.h"
#include "tests/test.h"
#include "tests/trial.h"

#include <malloc.h>

struct block {
    uint8_t data[128];
    size_t size;
};

static void put(struct block *block, uint32_t value, int bytes, bool little)
{
    for (int i = 0; i < bytes; i++)
        block->data[block->size++] = (uint8_t)(value >> 8 * (little ? i : bytes - 1 - i));
}

/* An entry with one value of a type. */
static void put_entry(struct block *block, uint32_t tag, uint32_t type, uint32_t value, bool little)
{
    int bytes = type == 1 || type == 6 ? 1 : type == 3 || type == 8 ? 2 : 4;
    put(block, tag, 2, little);
    put(block, type, 2, little);
    put(block, 1, 4, little);
    put(block, value, bytes, little);
    put(block, 0, 4 - bytes, little);
}

static struct block exif_of(uint32_t orientation, uint32_t type, bool little)
{
    struct block block = { 0 };
    memcpy(block.data, little ? "Exif\0\0II*\0" : "Exif\0\0MM\0*", 10);
    block.size = 10;
    put(&block, 8, 4, little);
    put(&block, 3, 2, little);
    put_entry(&block, 0x0100, 4, 77, little);
    put_entry(&block, 0x0112, type, orientation, little);
    put_entry(&block, 0x0128, 3, 2, little);
    put(&block, 0, 4, little);
    return block;
}

/* A JPEG with the block as its first segment. */
static uint8_t *jpeg_with(const struct jpeg_recipe *recipe, const struct block *block, size_t *ret_size)
{
    size_t size;
    CLEANUP(freep) uint8_t *file = jpeg_draw(recipe, &size);
    uint8_t *whole = malloc(size + block->size + 4);
    memcpy(whole, file, 2);
    memcpy(whole + 2, "\xff\xe1", 2);
    whole[4] = (uint8_t)((block->size + 2) >> 8);
    whole[5] = (uint8_t)(block->size + 2);
    memcpy(whole + 6, block->data, block->size);
    memcpy(whole + 6 + block->size, file + 2, size - 2);
    *ret_size = size + block->size + 4;
    return whole;
}

static void add_jpeg(struct trial *trial, const struct jpeg_recipe *recipe, uint32_t orientation, uint32_t type, bool little)
{
    size_t size;
    struct block block = exif_of(orientation, type, little);
    CLEANUP(freep) uint8_t *file = jpeg_with(recipe, &block, &size);
    trial_add(trial, file, size, recipe->name, orientation);
}

/* A JPEG that has something between its begin and the block. */
static void add_jpeg_behind(struct trial *trial, const struct jpeg_recipe *recipe, uint32_t orientation, const char *between, size_t count)
{
    size_t size;
    struct block block = exif_of(orientation, 3, true);
    CLEANUP(freep) uint8_t *file = jpeg_with(recipe, &block, &size), *whole = malloc(size + count);
    memcpy(whole, file, 2);
    memcpy(whole + 2, between, count);
    memcpy(whole + 2 + count, file + 2, size - 2);
    trial_add(trial, whole, size + count, recipe->name, orientation);
}

static void add_png(struct trial *trial, uint32_t orientation, bool interlaced, const char *before)
{
    struct png_recipe recipe = { .name = "png", .width = 75, .height = 52, .bits = 8, .type = 2, .interlaced = interlaced };
    size_t size;
    struct block block = exif_of(orientation, 3, true);
    uint8_t *file = png_draw(&recipe, &size);
    file = png_insert(file, &size, before, "eXIf", block.data + 6, block.size - 6);
    trial_add(trial, file, size, "png", orientation);
    free(file);
}

static void add_webp(struct trial *trial, uint32_t orientation)
{
    struct webp_recipe recipe = { .name = "webp", .width = 75, .height = 52, .lossless = true };
    struct block block = exif_of(orientation, 3, true);
    size_t size, at = 30;
    CLEANUP(freep) uint8_t *file = webp_draw(&recipe, &size);
    uint8_t whole[1 << 16];
    memcpy(whole, file, 12);
    memcpy(whole + 12, "VP8X\x0a\0\0\0\x08\0\0\0\x4a\0\0\x33\0\0", 18);
    memcpy(whole + at, file + 12, size - 12);
    at += size - 12;
    memcpy(whole + at, "EXIF", 4);
    memcpy(whole + at + 4, &(uint32_t){ (uint32_t)block.size }, 4); /* little-endian machines only, like the others here */
    memcpy(whole + at + 8, block.data, block.size);
    at += 8 + block.size;
    memcpy(whole + 4, &(uint32_t){ (uint32_t)at - 8 }, 4);
    trial_add(trial, whole, at, "webp", orientation);
}

static void compare_turns(enum interpolation interpolation, int resize, int crop, bool exif_orient)
{
    static const struct jpeg_recipe wide = { .name = "wide", .width = 101, .height = 63, .h = 2, .v = 2 },
                                    high = { .name = "high", .width = 43, .height = 97, .progressive = true },
                                    tiny = { .name = "tiny", .width = 1, .height = 2 },
                                    ink = { .name = "ink", .width = 60, .height = 50, .colour = JPEG_CMYK };
    struct trial trial;
    int accepted;
    trial_new_spec(&trial, &(struct preprocess_spec){ .resize = resize, .crop = crop, .interpolation = interpolation,
                                                      .exif_orient = exif_orient });
    for (uint32_t o = 0; o <= 9; o++) {
        add_jpeg(&trial, &wide, o, 3, true);
        add_jpeg(&trial, &high, o, 3, false);
        add_jpeg(&trial, &wide, o, 4, false);
        add_jpeg(&trial, &tiny, o, 3, true);
        add_jpeg(&trial, &ink, o, 3, true);
        add_png(&trial, o, false, "IDAT");
        add_png(&trial, o, true, "IDAT");
        add_png(&trial, o, false, "IEND");
        add_webp(&trial, o);
    }
    trial_end(&trial, &accepted);
    CHECK_INT(accepted, trial.count);
}

TEST(photos_are_turned_as_pillow_turns_them)
{
    compare_turns(INTERPOLATION_BILINEAR, 48, 40, true);
}

TEST(photos_are_turned_before_they_are_resized)
{
    compare_turns(INTERPOLATION_BICUBIC, 37, 37, true);
    compare_turns(INTERPOLATION_NEAREST, 31, 50, true);
}

TEST(photos_are_not_turned_unless_asked)
{
    compare_turns(INTERPOLATION_BILINEAR, 48, 40, false);
}

TEST(orientations_of_all_types_are_taken_as_pillow_takes_them)
{
    static const struct jpeg_recipe wide = { .name = "wide", .width = 101, .height = 63 };
    static const uint32_t types[] = { 1, 3, 4, 6, 8, 9, 13 };
    struct trial trial;
    int accepted;
    trial_new_spec(&trial, &(struct preprocess_spec){ .resize = 48, .crop = 40, .exif_orient = true });
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        add_jpeg(&trial, &wide, 6, types[i], true);
        add_jpeg(&trial, &wide, 6, types[i], false);
    }
    trial_end(&trial, &accepted);
    CHECK_INT(accepted, trial.count);
}

TEST(an_orientation_is_found_behind_other_markers_as_pillow_finds_it)
{
    static const struct jpeg_recipe wide = { .name = "wide", .width = 101, .height = 63 };
    struct trial trial;
    int accepted;
    trial_new_spec(&trial, &(struct preprocess_spec){ .resize = 48, .crop = 40, .exif_orient = true });
    add_jpeg_behind(&trial, &wide, 6, "\xff\xfe\0\4no", 6);
    add_jpeg_behind(&trial, &wide, 6, "\xff\xff\xff", 3);
    add_jpeg_behind(&trial, &wide, 6, "\xff\xd9\xff\xd8", 4); /* tables only, and then the image */
    add_jpeg_behind(&trial, &wide, 6, "\xff\xd0\xff\xd7", 4);
    add_jpeg_behind(&trial, &wide, 6, "\xff\xe1\0\4no", 6);
    add_jpeg_behind(&trial, &wide, 6, "\xff\xe0\0\0", 4); /* a segment that says that not even its length is in it */
    add_jpeg_behind(&trial, &wide, 6, "\xff\xfe\0\1", 4);
    trial_end(&trial, &accepted);
    CHECK_INT(accepted, trial.count);
}

static int admit(void *arg, uint64_t bytes, struct why *why)
{
    (void)why;
    *(uint64_t *)arg = bytes;
    return 0;
}

/* What a photo of 640 x 480 that is needed up to its middle square takes. */
static uint64_t asked_for(uint32_t orientation)
{
    static const struct jpeg_recipe photo = { .name = "photo", .width = 640, .height = 480 };
    uint64_t asked = 0;
    struct preprocess_spec spec = { .resize = 240, .crop = 240, .exif_orient = true, .admit = admit, .admit_arg = &asked };
    CLEANUP(preprocess_freep) struct preprocess *p = NULL;
    struct block block = exif_of(orientation, 3, true);
    struct why why;
    size_t size;
    CLEANUP(freep) uint8_t *file = jpeg_with(&photo, &block, &size);
    CHECK_INT(preprocess_new(&spec, &p), 0);
    CHECK_INT(preprocess_decode(p, file, size, &why), 0);
    return asked;
}

TEST(memory_for_a_picture_whose_rows_become_columns_is_asked_for)
{
    uint64_t upright = asked_for(1), square = 480 * 480 * 3;
    CHECK(asked_for(3) < upright + square / 10);
    CHECK(asked_for(6) > upright + square / 10 * 9);
}

static size_t in_use(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

TEST(memory_of_a_large_picture_is_given_back_before_the_next)
{
    static const struct jpeg_recipe large = { .name = "large", .width = 1500, .height = 1200 };
    struct preprocess_spec spec = { .resize = 1200, .crop = 1200, .exif_orient = true };
    CLEANUP(preprocess_freep) struct preprocess *p = NULL;
    struct block block = exif_of(6, 3, true);
    struct why why;
    size_t size, scratch = 1200 * 1200 * 3; /* of its rows, and as much for its columns */
    CLEANUP(freep) uint8_t *file = jpeg_with(&large, &block, &size);
    CHECK_INT(preprocess_new(&spec, &p), 0);
    size_t before = in_use();
    CHECK_INT(preprocess_decode(p, file, size, &why), 0);
    if (in_use() < before + 2 * scratch)
        test_skip("this allocator does not say what is in use");
    preprocess_trim(p);
    CHECK(in_use() < before + scratch / 2);
}

static int orientation_of(const struct block *block, size_t size)
{
    CLEANUP(freep) uint8_t *copy = malloc(size + !size); /* exactly as large, so that ASan sees a read past the end */
    memcpy(copy, block->data, size);
    return exif_orientation(copy, size);
}

TEST(a_block_that_ends_early_is_read_as_far_as_it_goes)
{
    struct block block = exif_of(6, 3, true);
    CHECK_INT(orientation_of(&block, block.size), 6);
    for (size_t cut = 0; cut < 40; cut++)
        CHECK_INT(orientation_of(&block, cut), 1);
    CHECK_INT(orientation_of(&block, 40), 6); /* its entry is complete: 6 + 8 + 2 + 2 * 12 */
}

TEST(blocks_that_lie_mean_nothing)
{
    struct block block = exif_of(6, 3, true);
    for (size_t at = 0; at < block.size; at++)
        for (int value = 0; value < 256; value++) {
            uint8_t right = block.data[at];
            block.data[at] = (uint8_t)value;
            int orientation = orientation_of(&block, block.size);
            CHECK(orientation >= 1 && orientation <= 8);
            block.data[at] = right;
        }
    block = exif_of(6, 3, true);
    memset(block.data + 10, 0xff, 4); /* a directory four gigabytes on */
    CHECK_INT(orientation_of(&block, block.size), 1);
    block = exif_of(6, 3, true);
    block.data[10] = 0; /* a directory that begins with the header: a loop, were it followed */
    CHECK_INT(orientation_of(&block, block.size), 1);
    block = exif_of(6, 3, true);
    memset(block.data + 14, 0xff, 2); /* 65535 entries */
    CHECK_INT(orientation_of(&block, block.size), 6);
    block = exif_of(6, 3, true);
    memset(block.data + 32, 0xff, 4); /* four billion values, elsewhere */
    CHECK_INT(orientation_of(&block, block.size), 1);
}

TEST(of_two_blocks_in_a_png_the_last_counts_as_in_pillow)
{
    struct png_recipe recipe = { .name = "png", .width = 75, .height = 52, .bits = 8, .type = 2 };
    struct block first = exif_of(6, 3, true), last = exif_of(8, 3, true);
    struct trial trial;
    int accepted;
    trial_new_spec(&trial, &(struct preprocess_spec){ .resize = 48, .crop = 40, .exif_orient = true });
    for (int i = 0; i < 2; i++) {
        size_t size;
        uint8_t *file = png_draw(&recipe, &size);
        file = png_insert(file, &size, "IDAT", "eXIf", first.data + 6, first.size - 6);
        file = png_insert(file, &size, i ? "IEND" : "IDAT", "eXIf", last.data + 6, last.size - 6);
        trial_add(&trial, file, size, "twice", (size_t)i);
        free(file);
    }
    trial_end(&trial, &accepted);
    CHECK_INT(accepted, trial.count);
}

TEST(the_last_orientation_of_a_block_counts)
{
    struct block block = { "II*\0\10\0\0\0\3\0", 10 };
    put_entry(&block, 0x0112, 3, 6, true);
    put_entry(&block, 0x0112, 3, 8, true);
    put_entry(&block, 0x0112, 2, 3, true); /* a text is none */
    CHECK_INT(orientation_of(&block, block.size), 8);
}

TEST(a_segment_that_reaches_beyond_the_file_means_nothing)
{
    static const struct jpeg_recipe recipe = { .name = "wide", .width = 101, .height = 63 };
    size_t size;
    struct block block = exif_of(6, 3, true);
    CLEANUP(freep) uint8_t *file = jpeg_with(&recipe, &block, &size);
    CHECK_INT(exif_orientation_of_jpeg(file, 6 + block.size), 6);
    for (size_t cut = 0; cut < 6 + block.size; cut++)
        CHECK_INT(exif_orientation_of_jpeg(file, cut), 1);
}

TEST(a_jpeg_of_nothing_but_segments_is_searched_once)
{
    size_t size = 8 << 20;
    CLEANUP(freep) uint8_t *file = malloc(size);
    memcpy(file, "\xff\xd8", 2);
    for (size_t at = 2; at + 4 <= size; at += 4)
        memcpy(file + at, "\xff\xe1\0\2", 4);
    CHECK_INT(exif_orientation_of_jpeg(file, size), 1);
    memset(file + 2, 0xff, size - 2);
    CHECK_INT(exif_orientation_of_jpeg(file, size), 1);
    CHECK_INT(exif_orientation_of_jpeg(file, 0), 1);
    CHECK_INT(exif_orientation_of_jpeg(file, 3), 1);
}
