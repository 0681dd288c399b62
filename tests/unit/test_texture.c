#include "tests/demo/texture.h"

#include "common/cleanup.h"
#include "tests/demo/photo.h"
#include "tests/test.h"

#include <math.h>

#include <jpeglib.h>

static uint8_t *render(const struct texture_style *style)
{
    uint8_t *pixels = malloc((size_t)style->width * (size_t)style->height * 3);
    CHECK(pixels);
    texture_render(style, pixels);
    return pixels;
}

TEST(there_are_ten_kinds_of_texture_and_no_name_is_part_of_another)
{
    int kinds = 0;
    for (; texture_class(kinds); kinds++)
        for (int other = 0; other < kinds; other++)
            CHECK(!strstr(texture_class(kinds), texture_class(other)) && !strstr(texture_class(other), texture_class(kinds)));
    CHECK_INT(kinds, 10);
    CHECK(!texture_class(-1));
}

TEST(the_same_seed_draws_the_same_picture_and_another_seed_another)
{
    for (int kind = 0; texture_class(kind); kind++) {
        struct texture_style a = texture_style(7, kind, 3), b = texture_style(7, kind, 3), c = texture_style(8, kind, 3);
        CLEANUP(freep) uint8_t *pixels = render(&a), *again = render(&b);
        CHECK(a.width == b.width && a.height == b.height);
        CHECK(!memcmp(pixels, again, (size_t)a.width * (size_t)a.height * 3));
        CHECK(a.noise_seed != c.noise_seed);
    }
}

TEST(colours_differ_by_the_promised_contrast_either_way_round)
{
    int lighter = 0, darker = 0, grey = 0;
    for (int kind = 0; texture_class(kind); kind++)
        for (int i = 0; i < 50; i++) {
            struct texture_style style = texture_style(1, kind, i);
            double contrast = texture_luma(style.colour[0]) - texture_luma(style.colour[1]);
            CHECK(fabs(contrast) >= TEXTURE_CONTRAST);
            lighter += contrast > 0;
            darker += contrast < 0;
            grey += style.grey;
        }
    CHECK(lighter > 150 && darker > 150 && grey > 40);
}

/* Share of the pixels that have exactly this colour. */
static double share_of(const struct texture_style *style, const uint8_t *pixels, const uint8_t colour[3])
{
    size_t count = (size_t)style->width * (size_t)style->height, same = 0;
    for (size_t i = 0; i < count; i++)
        same += !memcmp(pixels + 3 * i, colour, 3);
    return (double)same / (double)count;
}

TEST(without_noise_a_picture_has_two_tones_and_soft_edges)
{
    for (int kind = 0; texture_class(kind); kind++) {
        struct texture_style style = texture_style(2, kind, 0);
        style.noise = 0;
        CLEANUP(freep) uint8_t *pixels = render(&style);
        double first = share_of(&style, pixels, style.colour[0]), second = share_of(&style, pixels, style.colour[1]);
        if (first < 0.12 || second < 0.12 || first + second < 0.5 || first + second > 0.999)
            test_fail(__FILE__, __LINE__, "%s: %.2f and %.2f", texture_class(kind), first, second);
    }
}

TEST(straight_stripes_stay_near_the_angle_of_their_class)
{
    static const double angles[3][2] = { { 0, 0 }, { 90, 90 }, { 45, 135 } };
    for (int kind = 0; kind < 3; kind++)
        for (int i = 0; i < 100; i++) {
            double angle = texture_style(1, kind, i).angle;
            CHECK(fabs(angle - angles[kind][0]) <= TEXTURE_TILT || fabs(angle - angles[kind][1]) <= TEXTURE_TILT);
        }
}

TEST(horizontal_stripes_run_from_left_to_right)
{
    struct texture_style style = texture_style(1, 0, 0);
    style.noise = style.angle = 0;
    CLEANUP(freep) uint8_t *pixels = render(&style);
    size_t row = (size_t)style.width * 3;
    for (int y = 0; y < style.height; y++)
        CHECK(!memcmp(pixels + (size_t)y * row, pixels + (size_t)y * row + 3, row - 3));
}

TEST(a_photo_is_a_jpeg_of_the_size_and_components_of_its_style)
{
    for (int i = 0; i < 20; i++) {
        struct texture_style style = texture_style(3, 4, i);
        struct why why = { "" };
        if (photo_write("photo.jpg", &style, &why) < 0)
            test_fail(__FILE__, __LINE__, "%s", why.text);
        struct jpeg_error_mgr errors;
        struct jpeg_decompress_struct jpeg = { .err = jpeg_std_error(&errors) };
        CLEANUP(fclosep) FILE *file = fopen("photo.jpg", "rb");
        jpeg_create_decompress(&jpeg);
        jpeg_stdio_src(&jpeg, file);
        jpeg_read_header(&jpeg, TRUE);
        CHECK_INT(jpeg.image_width, style.width);
        CHECK_INT(jpeg.image_height, style.height);
        CHECK_INT(jpeg.num_components, style.grey ? 1 : 3);
        int factors = jpeg.comp_info[0].h_samp_factor * jpeg.comp_info[0].v_samp_factor;
        CHECK_INT(factors, style.grey ? 1 : style.subsampling);
        jpeg_destroy_decompress(&jpeg);
    }
}

TEST(photos_lie_in_a_folder_a_class)
{
    struct why why;
    CHECK_INT(photo_write_all("photos", 1, 2, &why), 0);
    CHECK_INT(access("photos/diagonal_stripes/diagonal_stripes_001.jpg", R_OK), 0);
    CHECK_INT(access("photos/noise/noise_000.jpg", R_OK), 0);
    CHECK(access("photos/noise/noise_002.jpg", R_OK) < 0);
}

TEST(a_folder_that_cannot_be_made_is_named)
{
    struct why why;
    CHECK_INT(photo_write_all("missing/photos", 1, 1, &why), -ENOENT);
    CHECK_CONTAINS(why.text, "missing/photos");
}

TEST(a_full_disk_is_noticed)
{
    struct why why;
    struct texture_style style = texture_style(1, 0, 0);
    if (access("/dev/full", W_OK) < 0)
        test_skip("no /dev/full here");
    CHECK(!symlink("/dev/full", "photo.jpg"));
    CHECK_INT(photo_write("photo.jpg", &style, &why), -EIO);
    CHECK_CONTAINS(why.text, "photo.jpg");
}
