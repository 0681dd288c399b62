/* test_webp.c: the judge is Pillow; files are libwebp's, cut, damaged and put together by hand. (What Pillow itself writes is in
 * test_png.c.) */
#include "worker/image/preprocess.h"

#include "tests/jpegs.h"
#include "tests/pictures.h"
#include "tests/test.h"
#include "tests/trial.h"

#define RESIZE 48
#define CROP   40

static const struct webp_recipe recipes[] = {
    { .name = "lossy", .width = 61, .height = 53 },
    { .name = "rough", .width = 61, .height = 53, .quality = 3 },
    { .name = "alpha", .width = 61, .height = 53, .alpha = true },
    { .name = "lossless", .width = 61, .height = 53, .lossless = true },
    { .name = "lossless-alpha", .width = 61, .height = 53, .lossless = true, .alpha = true },
};

TEST(every_kind_of_webp_has_pillows_pixels)
{
    static const int sizes[][2] = { { 61, 53 }, { 1, 1 }, { 2, 3 }, { 16, 16 }, { 17, 1 }, { 1, 33 }, { 500, 333 }, { 1200, 900 } };
    struct trial trial;
    int accepted;
    trial_new(&trial, RESIZE, CROP);
    for (size_t i = 0; i < ARRAY_SIZE(recipes) * ARRAY_SIZE(sizes); i++) {
        struct webp_recipe recipe = recipes[i / ARRAY_SIZE(sizes)];
        size_t size;
        recipe.width = sizes[i % ARRAY_SIZE(sizes)][0];
        recipe.height = sizes[i % ARRAY_SIZE(sizes)][1];
        CLEANUP(freep) uint8_t *file = webp_draw(&recipe, &size);
        trial_add(&trial, file, size, recipe.name, i);
    }
    trial_end(&trial, &accepted);
    CHECK_INT(accepted, trial.count);
}

TEST(a_webp_cut_anywhere_is_taken_as_pillow_takes_it)
{
    struct trial trial;
    int accepted;
    trial_new(&trial, RESIZE, CROP);
    for (size_t i = 0; i < ARRAY_SIZE(recipes); i++) {
        size_t size;
        CLEANUP(freep) uint8_t *file = webp_draw(&recipes[i], &size);
        for (size_t cut = 12; cut < size; cut += cut < 100 || cut + 50 > size ? 1 : 29)
            trial_add(&trial, file, cut, recipes[i].name, cut);
    }
    trial_end(&trial, &accepted);
    CHECK_INT(accepted, 0);
}

TEST(a_damaged_byte_is_taken_as_pillow_takes_it)
{
    struct trial trial;
    int accepted;
    uint32_t dice = 1;
    trial_new(&trial, RESIZE, CROP);
    for (size_t i = 0; i < ARRAY_SIZE(recipes); i++) {
        size_t size;
        CLEANUP(freep) uint8_t *file = webp_draw(&recipes[i], &size);
        for (size_t at = 12; at < size; at += at < 100 ? 1 : 7) {
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

static void put_at(uint8_t *file, size_t at, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        file[at + (size_t)i] = (uint8_t)(value >> (8 * i));
}

/* A whole picture in a file whose container claims `more` bytes than there are, or has as many behind it. */
static void add_container(struct trial *trial, const struct webp_recipe *recipe, int more, size_t behind)
{
    size_t size;
    CLEANUP(freep) uint8_t *file = webp_draw(recipe, &size), *longer = calloc(1, size + behind);
    memcpy(longer, file, size);
    put_at(longer, 4, (uint32_t)((int)size - 8 + more), 4);
    trial_add(trial, longer, size + behind, recipe->name, (size_t)(100 + more));
}

TEST(a_file_shorter_than_its_container_says_is_refused_even_if_the_picture_is_whole)
{
    struct trial trial;
    int accepted;
    trial_new(&trial, RESIZE, CROP);
    for (size_t i = 0; i < ARRAY_SIZE(recipes); i++) {
        add_container(&trial, &recipes[i], 0, 50);
        add_container(&trial, &recipes[i], 0, 0);
        add_container(&trial, &recipes[i], 1, 0);
        add_container(&trial, &recipes[i], 2, 1);
        add_container(&trial, &recipes[i], 2, 2);
        add_container(&trial, &recipes[i], 60, 0);
        add_container(&trial, &recipes[i], -2, 0);
    }
    trial_end(&trial, &accepted);
    CHECK(accepted >= 2 * (int)ARRAY_SIZE(recipes) && accepted <= 3 * (int)ARRAY_SIZE(recipes));
}

/* Its modes are among the bytes that a decoder reads with the header, whatever length it says. */
TEST(a_picture_of_one_block_is_taken_as_pillow_takes_it_whatever_the_length_of_its_first_partition)
{
    static const int sides[] = { 1, 16, 32 };
    const size_t tag = 20; /* three bytes behind RIFF, its size, WEBP, VP8 and its size: the length is in the upper 19 bits */
    struct trial trial;
    int accepted;
    trial_new(&trial, RESIZE, CROP);
    for (size_t i = 0; i < 2 * ARRAY_SIZE(sides); i++) {
        struct webp_recipe recipe = { .name = "partition", .width = sides[i / 2], .height = sides[i / 2], .quality = i % 2 ? 3 : 80 };
        size_t size;
        CLEANUP(freep) uint8_t *file = webp_draw(&recipe, &size);
        for (uint32_t length = 0; length < 40; length++) {
            put_at(file, tag, (file[tag] & 31u) | length << 5, 3);
            trial_add(&trial, file, size, recipe.name, length);
        }
    }
    trial_end(&trial, &accepted);
    CHECK(accepted > 0 && accepted < trial.count);
}

/* ---- animations by hand ---------------------------------------------------------------------------------------------- */

struct riff {
    uint8_t data[1 << 16];
    size_t size;
};

static void put(struct riff *riff, uint32_t value, int bytes)
{
    put_at(riff->data, riff->size, value, bytes);
    riff->size += (size_t)bytes;
}

static void put_name(struct riff *riff, const char *name)
{
    memcpy(riff->data + riff->size, name, 4);
    riff->size += 4;
}

/* A container of 90 x 70 pixels, and one frame of a lossless 31 x 21 at (x, y). */
static void animate(struct riff *riff, uint32_t x, uint32_t y, bool blend)
{
    struct webp_recipe recipe = { .name = "frame", .width = 31, .height = 21, .lossless = true, .alpha = true };
    size_t size;
    CLEANUP(freep) uint8_t *frame = webp_draw(&recipe, &size);
    riff->size = 0;
    put_name(riff, "RIFF");
    put(riff, 0, 4);
    put_name(riff, "WEBP");
    put_name(riff, "VP8X");
    put(riff, 10, 4);
    put(riff, 0x12, 4); /* animation, alpha */
    put(riff, 89, 3);
    put(riff, 69, 3);
    put_name(riff, "ANIM");
    put(riff, 6, 4);
    put(riff, 0xff336699, 4); /* a background, which nobody draws */
    put(riff, 0, 2);
    put_name(riff, "ANMF");
    put(riff, (uint32_t)(16 + size - 12), 4);
    put(riff, x / 2, 3);
    put(riff, y / 2, 3);
    put(riff, 30, 3);
    put(riff, 20, 3);
    put(riff, 100, 3);
    put(riff, blend ? 0 : 2, 1);
    memcpy(riff->data + riff->size, frame + 12, size - 12);
    riff->size += size - 12;
    put_at(riff->data, 4, (uint32_t)riff->size - 8, 4);
}

TEST(a_first_frame_that_is_a_part_is_on_black_as_in_pillow)
{
    static struct riff riff;
    struct trial trial;
    int accepted;
    trial_new(&trial, 70, 68);
    for (uint32_t x = 0; x < 60; x += 14)
        for (uint32_t y = 0; y < 52; y += 12) {
            animate(&riff, x, y, y % 24);
            trial_add(&trial, riff.data, riff.size, "part", x);
        }
    animate(&riff, 60, 50, true); /* beyond the edge */
    trial_add(&trial, riff.data, riff.size, "beyond", 0);
    trial_end(&trial, &accepted);
    CHECK_INT(accepted, trial.count - 1);
}

TEST(a_damaged_animation_is_taken_as_pillow_takes_it)
{
    static struct riff riff;
    struct trial trial;
    int accepted;
    trial_new(&trial, 70, 68);
    animate(&riff, 2, 2, true);
    for (size_t at = 12; at < 110; at++)
        for (int bit = 0; bit < 8; bit += 3) {
            riff.data[at] ^= (uint8_t)(1 << bit);
            trial_add(&trial, riff.data, riff.size, "bit", at);
            riff.data[at] ^= (uint8_t)(1 << bit);
        }
    trial_end(&trial, &accepted);
    CHECK(accepted > 0 && accepted < trial.count);
}

/* The VP8X chunk, which comes first, made longer by zeros. */
static void lengthen_header(struct riff *riff, size_t by)
{
    const size_t header = 12, end = header + 8 + 10;
    memmove(riff->data + end + by, riff->data + end, riff->size - end);
    memset(riff->data + end, 0, by);
    riff->size += by;
    put_at(riff->data, header + 4, (uint32_t)(10 + by), 4);
    put_at(riff->data, 4, (uint32_t)riff->size - 8, 4);
}

TEST(a_container_that_begins_otherwise_than_the_standard_says_is_refused_as_pillow_refuses_it)
{
    static struct riff riff;
    struct trial trial;
    int accepted;
    trial_new(&trial, RESIZE, CROP);
    for (size_t by = 0; by <= 6; by += 2) {
        animate(&riff, 0, 0, false);
        lengthen_header(&riff, by);
        trial_add(&trial, riff.data, riff.size, "longer", by);
    }
    animate(&riff, 0, 0, false);
    memcpy(riff.data, "RIFX", 4);
    trial_add(&trial, riff.data, riff.size, "rifx", 0);
    trial_end(&trial, &accepted);
    CHECK_INT(accepted, 1);
}

/* What libwebp 1.2.4 made of drawn files. */
TEST(webp_pixels_are_what_they_were)
{
    static const struct golden {
        uint64_t file, pixels;
    } goldens[] = {
        { 0xf19fcc3d1d7615bd, 0xa81fd27436e64303 },
        { 0x57ac68b7972d22a8, 0xbb7ff033381b28b2 },
        { 0xac7b5f3e4cecf487, 0x058ef058c6c55885 },
        { 0x288baafa0bb0a950, 0x83da476cb6a325af },
        { 0xcc925cc9e1ddbb9d, 0x294854bf7c998406 },
    };
    static uint8_t pixels[3 * CROP * CROP];
    struct preprocess_spec spec = { .resize = RESIZE, .crop = CROP };
    CLEANUP(preprocess_freep) struct preprocess *p = NULL;
    CHECK_INT(preprocess_new(&spec, &p), 0);
    for (size_t i = 0; i < ARRAY_SIZE(recipes); i++) {
        struct why why = { "" };
        size_t size;
        CLEANUP(freep) uint8_t *file = webp_draw(&recipes[i], &size);
        uint64_t hash = test_hash(file, size);
        if (hash != goldens[i].file)
            test_skip("this libwebp writes %s differently, so it cannot be compared", recipes[i].name);
        CHECK_INT(preprocess_decode(p, file, size, &why), 0);
        preprocess_render(p, pixels);
        if (test_hash(pixels, sizeof(pixels)) != goldens[i].pixels)
            test_fail(__FILE__, __LINE__, "%s: file 0x%016llx, pixels 0x%016llx", recipes[i].name, (unsigned long long)hash,
                      (unsigned long long)test_hash(pixels, sizeof(pixels)));
    }
}
