#include "coordinator/html/thumbnail.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/s3/session.h"
#include "coordinator/html/photo.h"
#include "tests/jpegs.h"
#include "tests/origin.h"
#include "tests/pictures.h"
#include "tests/test.h"

#include <errno.h>
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

static void make_others(void)
{
    static const struct png_recipe pngs[] = {
        { .name = "png-rgb", .width = 400, .height = 300, .bits = 8, .type = 2, .interlaced = true },
        { .name = "png-deep", .width = 400, .height = 300, .bits = 16, .type = 2 },
        { .name = "png-palette", .width = 333, .height = 400, .bits = 8, .type = 3 },
        { .name = "png-grey", .width = 200, .height = 100, .bits = 4, .type = 0 },
        { .name = "png-tiny", .width = 2, .height = 3, .bits = 8, .type = 2 },
    };
    static const struct webp_recipe webp = { .name = "webp", .width = 500, .height = 300 };
    size_t size;
    for (size_t i = 0; i < ARRAY_SIZE(pngs); i++) {
        char path[64], out[64];
        CLEANUP(freep) uint8_t *data = png_draw(&pngs[i], &size);
        snprintf(path, sizeof(path), "%s.png", pngs[i].name);
        snprintf(out, sizeof(out), "%s.small.jpg", pngs[i].name);
        test_write_file(path, data, size);
        CHECK_INT(make(path, out), 0);
    }
    CLEANUP(freep) uint8_t *data = webp_draw(&webp, &size);
    test_write_file("webp.webp", data, size);
    CHECK_INT(make("webp.webp", "webp.small.jpg"), 0);
}

TEST(every_kind_of_photo_becomes_a_small_one_that_looks_alike)
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
    make_others();
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

/* Each is a pass over the whole picture. */
TEST(a_progressive_photo_with_very_many_scans_is_refused)
{
    enum { TIMES = 100 };
    const struct jpeg_recipe recipe = { .name = "scans", .width = 64, .height = 64, .colour = JPEG_GREY, .progressive = true };
    size_t size;
    CLEANUP(freep) uint8_t *file = jpeg_draw(&recipe, &size);
    const uint8_t *scan = memmem(file, size, "\xff\xda", 2), *end = memmem(scan + 2, size - (size_t)(scan + 2 - file), "\xff", 1);
    size_t head = (size_t)(scan - file), one = (size_t)(end - scan), used = head;
    CLEANUP(freep) uint8_t *many = malloc(size + TIMES * one);
    memcpy(many, file, head);
    for (int i = 0; i < TIMES; i++, used += one)
        memcpy(many + used, scan, one);
    memcpy(many + used, end, size - head - one);
    test_write_file("scans.jpg", many, used + size - head - one);
    CHECK_INT(make("scans.jpg", "out"), -EINVAL);
    test_write_file("scans.jpg", file, size);
    CHECK_INT(make("scans.jpg", "out"), 0);
}

TEST(pngs_and_webps_that_would_take_much_or_are_cut_are_refused)
{
    const struct png_recipe png = { .name = "png", .width = 64, .height = 48, .bits = 8, .type = 6 };
    const struct webp_recipe lossless = { .name = "webp", .width = 64, .height = 48, .lossless = true };
    const struct webp_recipe lossy = { .name = "webp", .width = 64, .height = 48 }, alpha = { .name = "webp", .width = 64, .height = 48, .alpha = true };
    size_t size;
    CLEANUP(freep) uint8_t *file = png_draw(&png, &size), *tables = webp_draw(&lossless, &size), *other = NULL;
    test_write_file("lossless.webp", tables, size);
    CHECK_INT(make("lossless.webp", "out"), -EINVAL);
    CLEANUP(freep) uint8_t *transparent = webp_draw(&alpha, &size);
    test_write_file("alpha.webp", transparent, size);
    CHECK_INT(make("alpha.webp", "out"), -EINVAL); /* that is lossless */
    other = webp_draw(&lossy, &size);
    for (size_t cut = 0; cut < size; cut += 1 + size / 97) {
        test_write_file("cut.webp", other, cut);
        CHECK_INT(make("cut.webp", "out"), -EINVAL);
    }
    free(file);
    file = png_draw(&png, &size);
    test_write_file("alpha.png", file, size);
    CHECK_INT(make("alpha.png", "out"), 0);
    for (size_t cut = 0; cut + 20 < size; cut += 1 + size / 97) {
        test_write_file("cut.png", file, cut);
        int r = make("cut.png", "out");
        CHECK(r == 0 || r == -EINVAL);
    }
    uint8_t *header = png_find(file, size, "IHDR");
    header[10] = header[14] = 0x20; /* 8256 x 8240 pixels */
    png_seal(header);
    test_write_file("bomb.png", file, size);
    CHECK_INT(make("bomb.png", "out"), -EFBIG);
}

/* ---- pictures out of a store that does not answer ---- */

static void say_nothing(void *arg, int fd, const struct origin_request *request)
{
    (void)arg, (void)fd, (void)request;
}

static void have_nothing(void *arg, int fd, const struct origin_request *request)
{
    (void)arg, (void)request;
    origin_answer(fd, 404, "", "", 0);
}

struct shop {
    struct origin *origin;
    struct s3_session *session;
    struct photos photos;
    struct bytes out;
};

static void shop_open(struct shop *shop, origin_handler *handler, uint64_t within_ns)
{
    struct why why;
    shop->origin = origin_start(handler, NULL);
    setenv("AWS_ENDPOINT_URL", origin_url(shop->origin), 1);
    setenv("AWS_CONFIG_FILE", "/dev/null", 1);
    CHECK_INT(s3_session_open(&(struct s3_options){ .no_sign_request = true, .region = "us-east-1" }, &shop->session, &why), 0);
    bytes_init(&shop->out, 1 << 20);
    photos_open(&shop->photos, shop->session, within_ns);
}

static void shop_close(struct shop *shop)
{
    CHECK_INT(shop->out.size, 0);
    photos_close(&shop->photos);
    s3_session_close(shop->session);
    origin_stop(shop->origin);
}

TEST(pictures_from_a_store_that_is_silent_take_no_more_than_their_time_together)
{
    struct shop shop;
    uint64_t start = clock_now_ns();
    shop_open(&shop, say_nothing, NS_PER_S);
    CHECK(photos_make_small(&shop.photos, "s3://bucket/0.jpg", &shop.out) < 0);
    CHECK(clock_now_ns() - start >= NS_PER_S);
    CHECK(shop.photos.until_ns == shop.photos.end_ns);
    for (int i = 1; i < 20; i++)
        CHECK_INT(photos_make_small(&shop.photos, "s3://bucket/1.jpg", &shop.out), -ETIME);
    CHECK_INT(origin_count(shop.origin), 1);
    shop_close(&shop);
}

TEST(one_picture_does_not_take_the_time_of_all)
{
    struct shop shop;
    uint64_t start = clock_now_ns();
    shop_open(&shop, have_nothing, 3600 * NS_PER_S);
    CHECK(photos_make_small(&shop.photos, "s3://bucket/0.jpg", &shop.out) < 0);
    CHECK(shop.photos.until_ns >= start + 10 * NS_PER_S);
    CHECK(shop.photos.until_ns <= clock_now_ns() + 10 * NS_PER_S);
    CHECK_INT(origin_count(shop.origin), 1);
    shop_close(&shop);
}
