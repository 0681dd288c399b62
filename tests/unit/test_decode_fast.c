/* --decode fast: nearly the pixels of the exact way for photos much larger than wanted, and the same for all others. */
#include "common/cleanup.h"
#include "tests/jpegs.h"
#include "tests/pictures.h"
#include "tests/test.h"
#include "worker/image/exif.h"
#include "worker/image/preprocess.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define RESIZE 64
#define CROP   56
#define BYTES  (3 * CROP * CROP)

static uint64_t admitted;

static int admit(void *arg, uint64_t bytes, struct why *why)
{
    (void)arg;
    (void)why;
    admitted = bytes;
    return 0;
}

static int decode(const void *file, size_t size, bool fast, int orient, uint8_t *pixels, struct why *why)
{
    CLEANUP(preprocess_freep) struct preprocess *p = NULL;
    struct preprocess_spec spec = { .resize = RESIZE, .crop = CROP, .fast = fast, .exif_orient = orient != 0, .admit = admit };
    CHECK_INT(preprocess_new(&spec, &p), 0);
    int r = preprocess_decode(p, file, size, why);
    if (r == 0)
        preprocess_render(p, pixels);
    return r;
}

/* Mean difference of a channel, of 255. */
static double difference(const void *file, size_t size, int orient)
{
    static uint8_t exact[BYTES], fast[BYTES];
    struct why why;
    double sum = 0;
    if (decode(file, size, false, orient, exact, &why) < 0 || decode(file, size, true, orient, fast, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    for (int i = 0; i < BYTES; i++)
        sum += fabs((double)exact[i] - (double)fast[i]);
    return sum / BYTES;
}

static double drawn_difference(const struct jpeg_recipe *recipe)
{
    size_t size;
    CLEANUP(freep) uint8_t *file = jpeg_draw(recipe, &size);
    double mean = difference(file, size, 0);
    printf("%s, %dx%d: %.3f\n", recipe->name, recipe->width, recipe->height, mean);
    return mean;
}

TEST(photos_less_than_four_times_as_large_have_the_exact_pixels)
{
    CHECK(drawn_difference(&(struct jpeg_recipe){ .name = "small", .width = 300, .height = 255, .h = 2, .v = 2 }) == 0);
    CHECK(drawn_difference(&(struct jpeg_recipe){ .name = "tiny", .width = 20, .height = 30 }) == 0);
}

/* Reduced to a half, a quarter and an eighth, in sizes of which the last pixel is a part, and in every variant. */
TEST(larger_photos_have_nearly_the_exact_pixels)
{
    static const struct jpeg_recipe recipes[] = {
        { .name = "half", .width = 400, .height = 256, .h = 2, .v = 2 },
        { .name = "half, odd", .width = 257, .height = 401, .h = 2, .v = 1 },
        { .name = "quarter", .width = 800, .height = 600, .h = 2, .v = 2 },
        { .name = "quarter, odd", .width = 803, .height = 601, .h = 1, .v = 2 },
        { .name = "eighth", .width = 1400, .height = 1030, .h = 2, .v = 2 },
        { .name = "eighth, odd", .width = 1031, .height = 1401 },
        { .name = "grey", .width = 803, .height = 601, .colour = JPEG_GREY },
        { .name = "CMYK", .width = 803, .height = 601, .colour = JPEG_CMYK },
        { .name = "YCCK", .width = 803, .height = 601, .colour = JPEG_YCCK, .h = 2, .v = 2 },
        { .name = "progressive", .width = 803, .height = 601, .h = 2, .v = 2, .progressive = true },
        { .name = "restarts", .width = 803, .height = 601, .h = 2, .v = 2, .restart = 7 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(recipes); i++) {
        double mean = drawn_difference(&recipes[i]);
        CHECK(mean > 0 && mean < 2);
    }
}

/* A step beside its place would show: every orientation of a picture whose last column and row are parts. */
TEST(turned_photos_are_as_near_as_upright_ones)
{
    size_t size;
    CLEANUP(freep) uint8_t *file = jpeg_draw(&(struct jpeg_recipe){ .name = "turned", .width = 803, .height = 601, .h = 2, .v = 2 }, &size);
    double upright = difference(file, size, 0);
    uint8_t app1[] = { 0xff, 0xe1, 0, 34, 'E', 'x', 'i', 'f', 0, 0, 'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0 };
    for (int orientation = 1; orientation <= 8; orientation++) {
        CLEANUP(freep) uint8_t *turned = malloc(size + sizeof(app1));
        app1[28] = (uint8_t)orientation;
        memcpy(turned, file, 2);
        memcpy(turned + 2, app1, sizeof(app1));
        memcpy(turned + 2 + sizeof(app1), file + 2, size - 2);
        CHECK_INT(exif_orientation_of_jpeg(turned, size + sizeof(app1)), orientation);
        double mean = difference(turned, size + sizeof(app1), orientation);
        printf("%d: %.3f, upright %.3f\n", orientation, mean, upright);
        CHECK(mean < 1.1 * upright);
    }
}

TEST(a_photo_that_ends_early_is_refused_as_well)
{
    static uint8_t pixels[BYTES];
    size_t size;
    struct why why;
    CLEANUP(freep) uint8_t *file = jpeg_draw(&(struct jpeg_recipe){ .name = "cut", .width = 803, .height = 600, .h = 2, .v = 2 }, &size);
    CHECK_INT(decode(file, size / 2, true, 0, pixels, &why), -EBADMSG);
    CHECK_CONTAINS(why.text, " of 600");
}

TEST(memory_is_asked_for_the_reduced_photo)
{
    static uint8_t pixels[BYTES];
    size_t size;
    struct why why;
    CLEANUP(freep) uint8_t *file = jpeg_draw(&(struct jpeg_recipe){ .name = "large", .width = 1400, .height = 1030 }, &size);
    CHECK_INT(decode(file, size, false, 0, pixels, &why), 0);
    uint64_t exact = admitted;
    CHECK_INT(decode(file, size, true, 0, pixels, &why), 0);
    CHECK(admitted < exact / 2);
}

TEST(other_formats_have_the_exact_pixels)
{
    size_t size;
    CLEANUP(freep) uint8_t *png = png_draw(&(struct png_recipe){ .name = "png", .width = 800, .height = 600, .bits = 8, .type = 2 }, &size);
    CHECK(difference(png, size, 0) == 0);
    CLEANUP(freep) uint8_t *webp = webp_draw(&(struct webp_recipe){ .name = "webp", .width = 800, .height = 600 }, &size);
    CHECK(difference(webp, size, 0) == 0);
}
