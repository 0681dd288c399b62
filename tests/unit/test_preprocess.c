/* test_preprocess.c: the judge is Pillow with torchvision; the files are all that libjpeg can write, and real photos. */
#include "worker/image/preprocess.h"

#include "tests/jpegs.h"
#include "tests/judge.h"
#include "tests/test.h"

#include <glob.h>

static const struct jpeg_recipe recipes[] = {
    { .name = "baseline-444", .width = 500, .height = 375 },
    { .name = "baseline-422", .width = 500, .height = 333, .h = 2 },
    { .name = "baseline-420", .width = 375, .height = 500, .h = 2, .v = 2 },
    { .name = "baseline-440", .width = 333, .height = 500, .v = 2 },
    { .name = "baseline-411", .width = 501, .height = 377, .h = 4 },
    { .name = "baseline-410", .width = 499, .height = 376, .h = 4, .v = 2 },
    { .name = "baseline-311", .width = 402, .height = 301, .h = 3 },
    { .name = "baseline-441", .width = 301, .height = 403, .v = 4 },
    { .name = "progressive-444", .width = 500, .height = 375, .progressive = true },
    { .name = "progressive-422", .width = 601, .height = 333, .h = 2, .progressive = true },
    { .name = "progressive-420", .width = 333, .height = 601, .h = 2, .v = 2, .progressive = true },
    { .name = "progressive-440", .width = 512, .height = 512, .v = 2, .progressive = true },
    { .name = "grey", .width = 640, .height = 480, .colour = JPEG_GREY },
    { .name = "grey-progressive", .width = 481, .height = 639, .colour = JPEG_GREY, .progressive = true },
    { .name = "rgb", .width = 300, .height = 400, .colour = JPEG_RGB },
    { .name = "cmyk", .width = 400, .height = 300, .colour = JPEG_CMYK },
    { .name = "cmyk-bare", .width = 300, .height = 401, .colour = JPEG_CMYK_BARE },
    { .name = "ycck", .width = 411, .height = 300, .colour = JPEG_YCCK },
    { .name = "ycck-420", .width = 300, .height = 411, .colour = JPEG_YCCK, .h = 2, .v = 2 },
    { .name = "cmyk-progressive", .width = 350, .height = 350, .colour = JPEG_CMYK, .progressive = true },
    { .name = "arithmetic", .width = 320, .height = 300, .h = 2, .v = 2, .arithmetic = true },
    { .name = "restarts", .width = 500, .height = 375, .h = 2, .v = 2, .restart = 7 },
    { .name = "restarts-progressive", .width = 500, .height = 375, .h = 2, .v = 2, .restart = 5, .progressive = true },
    { .name = "optimised", .width = 500, .height = 375, .h = 2, .v = 2, .optimised = true },
    { .name = "quality-5", .width = 500, .height = 375, .h = 2, .v = 2, .quality = 5 },
    { .name = "quality-5-progressive", .width = 500, .height = 375, .h = 2, .v = 2, .quality = 5, .progressive = true },
    { .name = "quality-100", .width = 500, .height = 375, .quality = 100 },
    { .name = "1x1", .width = 1, .height = 1 },
    { .name = "1x1-420", .width = 1, .height = 1, .h = 2, .v = 2 },
    { .name = "2x3", .width = 2, .height = 3, .h = 2, .v = 2 },
    { .name = "3x2", .width = 3, .height = 2, .h = 2 },
    { .name = "1x300", .width = 1, .height = 300, .h = 2, .v = 2 },
    { .name = "300x1", .width = 300, .height = 1, .h = 2, .v = 2 },
    { .name = "17x19", .width = 17, .height = 19, .h = 2, .v = 2 },
    { .name = "4000x10", .width = 4000, .height = 10, .h = 2, .v = 2 },
    { .name = "10x4000", .width = 10, .height = 4000, .h = 2, .v = 2 },
    { .name = "256x256", .width = 256, .height = 256, .h = 2, .v = 2 },
    { .name = "256x391", .width = 256, .height = 391, .h = 2, .v = 2 },
    { .name = "391x256", .width = 391, .height = 256, .h = 2, .v = 2 },
    { .name = "224x224", .width = 224, .height = 224 },
    { .name = "255x257", .width = 255, .height = 257, .h = 2, .v = 2 },
    { .name = "250x250", .width = 250, .height = 250, .h = 2, .v = 2 },
    { .name = "373x256", .width = 373, .height = 256 }, /* odd margins round to the even side, either way */
    { .name = "371x256", .width = 371, .height = 256 },
    { .name = "1999x1501", .width = 1999, .height = 1501, .h = 2, .v = 2 },
    { .name = "1501x1999-progressive", .width = 1501, .height = 1999, .h = 2, .v = 2, .progressive = true },
};

static void decode_file(struct preprocess *p, const char *path, uint8_t *pixels)
{
    size_t size;
    struct why why;
    CLEANUP(freep) char *file = test_read_file(path, &size);
    int r = preprocess_decode(p, file, size, &why);
    if (r < 0)
        test_fail(__FILE__, __LINE__, "%s: %s", path, why.text);
    preprocess_render(p, pixels);
}

static void compare(const char *path, const uint8_t *ours, const uint8_t *theirs, int crop)
{
    if (!theirs)
        test_fail(__FILE__, __LINE__, "%s: Pillow refuses it", path);
    for (int i = 0; i < crop * crop * 3; i++)
        if (ours[i] != theirs[i])
            test_fail(__FILE__, __LINE__, "%s: row %d, column %d, channel %d is %d, Pillow has %d", path, i / (3 * crop),
                      i / 3 % crop, i % 3, ours[i], theirs[i]);
}

static void compare_all(char **paths, size_t count, int resize, int crop, enum interpolation interpolation)
{
    struct judge judge;
    struct preprocess_spec spec = { .resize = resize, .crop = crop, .interpolation = interpolation };
    CLEANUP(preprocess_freep) struct preprocess *p = NULL;
    CLEANUP(freep) uint8_t *pixels = malloc((size_t)crop * (size_t)crop * 3);
    judge_ask(&judge, resize, crop);
    judge.interpolation = interpolation_name(interpolation);
    for (size_t i = 0; i < count; i++)
        judge_add(&judge, paths[i]);
    judge_run(&judge);
    CHECK_INT(preprocess_new(&spec, &p), 0);
    for (size_t i = 0; i < count; i++) {
        memset(pixels, 0xaa, (size_t)crop * (size_t)crop * 3);
        decode_file(p, paths[i], pixels);
        compare(paths[i], pixels, judge_next(&judge), crop);
    }
    free(judge.answers);
}

static void compare_drawn_with(enum interpolation interpolation, int resize, int crop)
{
    char *paths[ARRAY_SIZE(recipes)];
    for (size_t i = 0; i < ARRAY_SIZE(recipes); i++) {
        size_t size;
        CLEANUP(freep) uint8_t *file = jpeg_draw(&recipes[i], &size);
        CHECK(asprintf(&paths[i], "%s.jpg", recipes[i].name) > 0);
        test_write_file(paths[i], file, size);
    }
    compare_all(paths, ARRAY_SIZE(recipes), resize, crop, interpolation);
    for (size_t i = 0; i < ARRAY_SIZE(recipes); i++)
        free(paths[i]);
}

static void compare_drawn(int resize, int crop)
{
    compare_drawn_with(INTERPOLATION_BILINEAR, resize, crop);
}

TEST(drawn_files_have_torchvisions_pixels)
{
    compare_drawn(256, 224);
}

TEST(drawn_files_have_torchvision_v2s_pixels)
{
    compare_drawn(232, 224);
}

TEST(drawn_files_have_the_articles_pixels)
{
    compare_drawn(256, 250);
}

TEST(a_crop_larger_than_the_image_is_padded_as_torchvision_pads)
{
    compare_drawn(37, 64);
}

TEST(an_odd_crop_of_a_small_resize_has_torchvisions_pixels)
{
    compare_drawn(100, 37);
}

TEST(bicubic_resizing_has_torchvisions_pixels)
{
    compare_drawn_with(INTERPOLATION_BICUBIC, 256, 224);
    compare_drawn_with(INTERPOLATION_BICUBIC, 37, 30);
    compare_drawn_with(INTERPOLATION_BICUBIC, 400, 387);
}

TEST(nearest_resizing_has_torchvisions_pixels)
{
    compare_drawn_with(INTERPOLATION_NEAREST, 256, 224);
    compare_drawn_with(INTERPOLATION_NEAREST, 37, 30);
    compare_drawn_with(INTERPOLATION_NEAREST, 400, 387);
}

TEST(box_resizing_has_torchvisions_pixels)
{
    compare_drawn_with(INTERPOLATION_BOX, 256, 224);
    compare_drawn_with(INTERPOLATION_BOX, 37, 30);
    compare_drawn_with(INTERPOLATION_BOX, 400, 387);
}

TEST(hamming_resizing_has_torchvisions_pixels)
{
    compare_drawn_with(INTERPOLATION_HAMMING, 256, 224);
    compare_drawn_with(INTERPOLATION_HAMMING, 37, 30);
    compare_drawn_with(INTERPOLATION_HAMMING, 400, 387);
}

TEST(lanczos_resizing_has_torchvisions_pixels)
{
    compare_drawn_with(INTERPOLATION_LANCZOS, 256, 224);
    compare_drawn_with(INTERPOLATION_LANCZOS, 37, 30);
    compare_drawn_with(INTERPOLATION_LANCZOS, 400, 387);
}

static void compare_photos(int resize, int crop)
{
    glob_t found = { 0 };
    char pattern[4096];
    snprintf(pattern, sizeof(pattern), "%s/images/imagenet/*", test_data());
    glob(pattern, 0, NULL, &found);
    snprintf(pattern, sizeof(pattern), "%s/images/dogs/Images/*/*", test_data());
    glob(pattern, GLOB_APPEND, NULL, &found);
    CHECK(found.gl_pathc > 0);
    compare_all(found.gl_pathv, found.gl_pathc, resize, crop, INTERPOLATION_BILINEAR);
    globfree(&found);
}

TEST_WITHIN(300, photos_have_torchvisions_pixels)
{
    compare_photos(256, 224);
}

TEST_WITHIN(300, photos_have_the_articles_pixels)
{
    compare_photos(256, 250);
}

/* What libjpeg-turbo 2.1.5 made of drawn files, for machines without Pillow: should the library of the day decode differently,
 * results differ from those computed elsewhere. The first hash is of the file; one that is written differently says nothing. */
static const struct golden {
    const char *name;
    uint64_t file, pixels;
} goldens[] = {
    { "baseline-444", 0xc38d62b8bdf23c19, 0xb304fda40dcb5c09 },
    { "baseline-422", 0xc8f0b400d3b04bd9, 0xc7b13f33c8617066 },
    { "baseline-420", 0x8d13b4239458ebc4, 0xb236ecb70258ec65 },
    { "baseline-440", 0xa4b3a34327ea68d3, 0x8cf3ad4216e84b7f },
    { "baseline-411", 0xd4f0d0ed70aa9271, 0x2fd454e370cdbce3 },
    { "progressive-420", 0x285a7ec24f37ad4f, 0x4109af73a6974685 },
    { "grey", 0x8a66acee3b3c113f, 0xfa0e7de7385a1e14 },
    { "cmyk", 0x98313eedbb67b711, 0x5a92af7d976e9ca5 },
    { "ycck", 0x0c27cc7952a2e13d, 0x1a4e11063d95e374 },
    { "arithmetic", 0x1c848e3b8d5649c8, 0xb280c7ee0d980205 },
    { "quality-5-progressive", 0x4476bc594d262621, 0x9040fd8af5f0c6ce },
    { "1x1", 0xec17bfac9106f305, 0x8a9347b72d37eb25 },
    { "4000x10", 0x4ef386b7755e02d7, 0xa3462b8a3ad5210f },
    { "10x4000", 0x2046729182f5270e, 0x6aaa5c9857a70ebe },
    { "256x256", 0x42afbcf02c5bec2b, 0x1dd30511d4cd9eef },
};

static const struct jpeg_recipe *recipe_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(recipes); i++)
        if (strcmp(recipes[i].name, name) == 0)
            return &recipes[i];
    test_fail(__FILE__, __LINE__, "no recipe %s", name);
}

TEST(libjpeg_decodes_as_it_did)
{
    static uint8_t pixels[224 * 224 * 3];
    struct preprocess_spec spec = { .resize = 256, .crop = 224 };
    CLEANUP(preprocess_freep) struct preprocess *p = NULL;
    CHECK_INT(preprocess_new(&spec, &p), 0);
    for (size_t i = 0; i < ARRAY_SIZE(goldens); i++) {
        struct why why;
        size_t size;
        CLEANUP(freep) uint8_t *file = jpeg_draw(recipe_find(goldens[i].name), &size);
        if (test_hash(file, size) != goldens[i].file)
            test_skip("this libjpeg writes %s differently, so it cannot be compared", goldens[i].name);
        CHECK_INT(preprocess_decode(p, file, size, &why), 0);
        preprocess_render(p, pixels);
        if (test_hash(pixels, sizeof(pixels)) != goldens[i].pixels)
            test_fail(__FILE__, __LINE__, "%s: pixels have the hash %016llx", goldens[i].name,
                      (unsigned long long)test_hash(pixels, sizeof(pixels)));
    }
}
