#include "coordinator/html/thumbnail.h"

#include "common/cleanup.h"
#include "tests/jpegs.h"
#include "tests/test.h"

#include <sys/stat.h>

static void draw(const char *path, const struct jpeg_recipe *recipe)
{
    size_t size;
    CLEANUP(freep) uint8_t *data = jpeg_draw(recipe, &size);
    test_write_file(path, data, size);
}

static int make(const char *path, const char *out)
{
    struct bytes jpeg;
    bytes_init(&jpeg, 1 << 20);
    int r = thumbnail_make(path, &jpeg);
    if (r == 0)
        test_write_file(out, jpeg.data, jpeg.size);
    else
        CHECK_INT(jpeg.size, 0);
    bytes_done(&jpeg);
    return r;
}

TEST(every_variant_of_jpeg_becomes_a_small_one_that_looks_alike)
{
    static const struct jpeg_recipe recipes[] = {
        { .name = "photo", .width = 1300, .height = 900, .h = 2, .v = 2 },
        { .name = "tall", .width = 301, .height = 1999, .progressive = true },
        { .name = "grey", .width = 640, .height = 480, .colour = JPEG_GREY },
        { .name = "rgb", .width = 170, .height = 161, .colour = JPEG_RGB },
        { .name = "cmyk", .width = 500, .height = 375, .colour = JPEG_CMYK },
        { .name = "ycck", .width = 500, .height = 375, .colour = JPEG_YCCK },
        { .name = "tiny", .width = 3, .height = 2 },
        { .name = "thin", .width = 3000, .height = 1 },
    };
    char *output;
    for (size_t i = 0; i < ARRAY_SIZE(recipes); i++) {
        char path[64], out[64];
        snprintf(path, sizeof(path), "%s.jpg", recipes[i].name);
        snprintf(out, sizeof(out), "%s.small.jpg", recipes[i].name);
        draw(path, &recipes[i]);
        CHECK_INT(make(path, out), 0);
    }
    int status = test_shell(&output, "/usr/bin/python3 -c 'import PIL' 2>/dev/null || exit 77; /usr/bin/python3 %s/tests/golden/check_thumbnails.py",
                            test_source());
    if (status == 77)
        test_skip("no judge: python3-pil for /usr/bin/python3");
    if (status)
        test_fail(__FILE__, __LINE__, "%s", output);
    free(output);
}

TEST(what_is_no_photo_gives_an_error_and_never_waits)
{
    CHECK_INT(make("gone.jpg", "out"), -ENOENT);
    CHECK_INT(mkdir("folder", 0777), 0);
    CHECK_INT(make("folder", "out"), -EINVAL);
    CHECK_INT(mkfifo("pipe", 0666), 0);
    CHECK_INT(make("pipe", "out"), -EINVAL);
    test_write_file("empty", "", 0);
    CHECK_INT(make("empty", "out"), -EINVAL);
    test_write_file("text", "no photo", 8);
    CHECK_INT(make("text", "out"), -EINVAL);
}

/* The header of a baseline picture says its height and width in big-endian, after FF C0, length and precision. */
static void claim(uint8_t *data, size_t size, uint8_t marker, int side)
{
    for (size_t i = 0; i + 9 < size; i++)
        if (data[i] == 0xff && data[i + 1] == marker) {
            data[i + 5] = data[i + 7] = (uint8_t)(side >> 8);
            data[i + 6] = data[i + 8] = (uint8_t)side;
            return;
        }
    test_fail(__FILE__, __LINE__, "no frame header");
}

TEST(a_bomb_is_refused_and_a_cut_file_harmless)
{
    const struct jpeg_recipe plain = { .name = "photo", .width = 640, .height = 480 };
    const struct jpeg_recipe progressive = { .name = "photo", .width = 640, .height = 480, .progressive = true };
    size_t size;
    uint8_t *data = jpeg_draw(&plain, &size);
    for (size_t cut = 0; cut < size; cut += 1 + size / 97) {
        test_write_file("cut.jpg", data, cut);
        int r = make("cut.jpg", "out");
        CHECK(r == 0 || r == -EINVAL);
    }
    claim(data, size, 0xc0, 65000);
    test_write_file("bomb.jpg", data, size);
    CHECK_INT(make("bomb.jpg", "out"), -EFBIG);
    free(data);
    data = jpeg_draw(&progressive, &size);
    claim(data, size, 0xc2, 5000);
    test_write_file("bomb.jpg", data, size);
    CHECK_INT(make("bomb.jpg", "out"), -EFBIG);
    free(data);
}
