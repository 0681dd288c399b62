/* The command `calibrate`, its histograms and its ways of cutting off. */
#include "common/cleanup.h"
#include "tests/jpegs.h"
#include "tests/random_weights.h"
#include "tests/test.h"
#include "worker/calibration/clipping.h"
#include "worker/calibration/gallery.h"

#include <float.h>
#include <math.h>
#include <sys/stat.h>

/* ---- histograms ----------------------------------------------------------------------------------------------------------- */

static struct histogram make_histogram(void)
{
    struct histogram h;
    CHECK_INT(histogram_init(&h), 0);
    return h;
}

TEST(a_histogram_counts_by_magnitude_and_knows_the_extremes)
{
    struct histogram h = make_histogram();
    const float values[] = { 0, 1, 1, -2.5f, 3e-20f, 7 };
    CHECK_INT(histogram_add(&h, values, ARRAY_SIZE(values)), 0);
    CHECK(h.low == -2.5f && h.high == 7 && h.total == 6);
    uint64_t above = 0, below = 0;
    for (uint32_t i = 0; i < HISTOGRAM_BINS; i++) {
        above += h.above[i];
        below += h.below[i];
    }
    CHECK(above == 5 && below == 1);
    CHECK_INT(histogram_add(&h, (float[]){ -1, 2 }, 2), 0);
    CHECK(h.low == -2.5f && h.high == 7 && h.total == 8);
    CHECK_INT(histogram_add(&h, (float[]){ NAN }, 1), -ERANGE);
    CHECK_INT(histogram_add(&h, (float[]){ -INFINITY }, 1), -ERANGE);
    histogram_done(&h);
}

static int way_of(const char *name)
{
    for (int way = 0; way < CLIPPINGS; way++)
        if (!strcmp(clipping_name(way), name))
            return way;
    test_fail(__FILE__, __LINE__, "no way is called %s", name);
}

static struct range range_of(const char *name, const struct histogram *h)
{
    struct range range;
    CHECK_INT(clipping_range(way_of(name), h, &range), 0);
    return range;
}

/* 0 to 1 evenly, a hundred thousand values, and one far out. */
TEST(a_lone_outlier_is_cut_off_by_all_ways_but_none)
{
    struct histogram h = make_histogram();
    for (int i = 0; i < 100000; i++)
        CHECK_INT(histogram_add(&h, (float[]){ (float)i / 100000 }, 1), 0);
    CHECK_INT(histogram_add(&h, (float[]){ 8 }, 1), 0);
    CHECK(range_of("none", &h).high == 8);
    CHECK(fabsf(range_of("percentile 99.999", &h).high - 1) < 0.01f);
    CHECK(fabsf(range_of("percentile 99.99", &h).high - 1) < 0.01f);
    CHECK(range_of("entropy", &h).high < 2);
    float least = range_of("least error", &h).high;
    CHECK(least > 1 && least < 8);
    CHECK(fabsf(range_of("least error and a fifth", &h).high - fminf(8, 1.2f * least)) < 1e-3f);
    CHECK(range_of("least error", &h).low == 0);
    histogram_done(&h);
}

TEST(a_tensor_of_zeros_and_one_of_a_single_value_have_ranges_too)
{
    struct histogram h = make_histogram();
    CHECK_INT(histogram_add(&h, (float[]){ 0, -0.0f }, 2), 0);
    for (int way = 0; way < CLIPPINGS; way++) {
        struct range range = range_of(clipping_name(way), &h);
        CHECK(range.low == 0 && range.high > 0);
    }
    CHECK_INT(histogram_add(&h, (float[]){ -3 }, 1), 0);
    for (int way = 0; way < CLIPPINGS; way++) {
        struct range range = range_of(clipping_name(way), &h);
        CHECK(range.low < 0 && range.low >= -3 && range.high == 0);
    }
    histogram_done(&h);
}

/* As weights leave them that decay shrank for long: ranges_finish() refuses a pair without a step. */
TEST(a_tensor_of_next_to_nothing_has_a_range_with_a_step)
{
    struct histogram h = make_histogram();
    CHECK_INT(histogram_add(&h, (float[]){ 1e-40f, -FLT_MIN }, 2), 0);
    for (int way = 0; way < CLIPPINGS; way++)
        CHECK(ranges_has_step(range_of(clipping_name(way), &h)));
    for (int i = 0; i < 100000; i++)
        CHECK_INT(histogram_add(&h, (float[]){ 1e-40f }, 1), 0);
    CHECK_INT(histogram_add(&h, (float[]){ 8 }, 1), 0);
    for (int way = 0; way < CLIPPINGS; way++)
        CHECK(ranges_has_step(range_of(clipping_name(way), &h)));
    histogram_done(&h);
}

/* ---- the command ---------------------------------------------------------------------------------------------------------- */

static void draw(const char *path, int number)
{
    struct jpeg_recipe recipe = { .name = path, .width = 40 + number, .height = 48 };
    size_t size;
    CLEANUP(freep) uint8_t *file = jpeg_draw(&recipe, &size);
    test_write_file(path, file, size);
}

static void make_model(void)
{
    struct why why;
    if (random_weights_write("model.safetensors", network_find("resnet18"), 7, DTYPE_F32, 3, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
}

static int calibrate(char **output, const char *options)
{
    setenv("SLEDDOG_ENGINES", test_build(), 0);
    return test_shell(output, "%s/sleddog-worker calibrate --weights model.safetensors --resize 40 --crop 32 %s", test_build(), options);
}

static void expect(int status, const char *options, const char *part)
{
    char *output;
    int got = calibrate(&output, options);
    if (got != status)
        test_fail(__FILE__, __LINE__, "%s: status %d: %s", options, got, output);
    CHECK_CONTAINS(output, part);
    free(output);
}

TEST(ranges_are_kept_beside_the_weights_and_int8_takes_them)
{
    char path[64], *output;
    make_model();
    CHECK_INT(mkdir("photos", 0755) + mkdir("photos/more", 0755), 0);
    for (int i = 0; i < 8; i++) {
        snprintf(path, sizeof(path), "photos/%s%d.jpg", i % 2 ? "more/" : "", i);
        draw(path, i);
    }
    test_write_file("photos/notes.txt", "no photo", 8);
    CHECK_INT(calibrate(&output, "--images photos"), 0);
    CHECK_CONTAINS(output, "notes.txt: ");
    CHECK_CONTAINS(output, "1 image could not be read");
    CHECK_CONTAINS(output, "only 8 images");
    CHECK_CONTAINS(output, "percentile 99.99 ");
    CHECK_CONTAINS(output, "model.safetensors.ranges.json: ");
    free(output);
    CHECK_INT(test_shell(&output, "seq 7 >labels; %s/sleddog-worker classify --weights model.safetensors --labels labels --precision int8 --resize 40 "
                                  "--crop 32 photos/0.jpg", test_build()), 0);
    CHECK_CONTAINS(output, "photos/0.jpg\n   0.");
    free(output);
    CHECK(test_shell(&output, "%s/sleddog-worker classify --weights model.safetensors --labels labels --precision int8 --preset article photos/0.jpg",
                     test_build()) != 0);
    CHECK_CONTAINS(output, "its ranges are for other preprocessing");
    CHECK_CONTAINS(output, "calibrate for these, too: sleddog-worker calibrate --preset article\n");
    free(output);
    CHECK(test_shell(&output, "%s/sleddog-worker classify --weights model.safetensors --labels labels --precision int8 --std 0.5,0.5,0.25 photos/0.jpg",
                     test_build()) != 0);
    CHECK_CONTAINS(output, "sleddog-worker calibrate --mean 0.485,0.456,0.406 --std 0.5,0.5,0.25\n");
    free(output);
    make_model(); /* the same again: the ranges still fit */
    CHECK_INT(test_shell(&output, "%s/sleddog-worker classify --weights model.safetensors --labels labels --precision int8 photos/0.jpg", test_build()), 0);
    free(output);
    struct why why;
    CHECK_INT(random_weights_write("model.safetensors", network_find("resnet18"), 7, DTYPE_F32, 4, &why), 0);
    CHECK(test_shell(&output, "%s/sleddog-worker classify --weights model.safetensors --labels labels photos/0.jpg", test_build()) != 0);
    CHECK_CONTAINS(output, "is of other weights");
    free(output);
}

static char *read_ranges(void)
{
    size_t size;
    return test_read_file("model.safetensors.ranges.json", &size);
}

TEST(ranges_of_more_images_are_not_replaced_unless_that_is_meant)
{
    static const char said[] = "model.safetensors.ranges.json: has ranges from 6 images for this mean and standard deviation, these would be from 3; give more images, --output FILE for "
                               "another place, or --replace";
    make_model();
    CHECK_INT(mkdir("photos", 0755) + mkdir("few", 0755), 0);
    for (int i = 0; i < 8; i++) {
        char path[32];
        snprintf(path, sizeof(path), "%s/%d.jpg", "photos", i);
        draw(path, i);
        snprintf(path, sizeof(path), "few/%d.jpg", i);
        draw(path, i);
    }
    expect(0, "--images photos", "model.safetensors.ranges.json: ");
    CLEANUP(freep) char *before = read_ranges();
    CHECK_INT(test_shell(NULL, "rm few/[4-7].jpg"), 0);
    expect(1, "--images few", said);
    CHECK_INT(test_shell(NULL, "for i in 4 5 6 7; do echo x >few/$i.jpg; done"), 0);
    expect(1, "--images few", said); /* known only when they have been read */
    CLEANUP(freep) char *after = read_ranges();
    CHECK_STR(after, before);
    expect(0, "--images few -o elsewhere", "elsewhere: ");
    expect(0, "--images few --preset article", "model.safetensors.ranges.json: "); /* another set */
    expect(0, "--images photos", "model.safetensors.ranges.json: ");
    expect(0, "--images few --replace", "model.safetensors.ranges.json: ");
    CLEANUP(freep) char *replaced = read_ranges();
    CHECK(strcmp(replaced, before));
}

TEST(what_cannot_be_calibrated_is_said_in_words)
{
    make_model();
    CHECK_INT(mkdir("empty", 0755) + mkdir("texts", 0755) + mkdir("one", 0755), 0);
    for (int i = 0; i < 30; i++) {
        char path[32];
        snprintf(path, sizeof(path), "texts/%d", i);
        test_write_file(path, "x", 1);
    }
    draw("one/1.jpg", 1);
    expect(2, "", "no --images DIR given");
    expect(2, "--images one more", "takes no arguments");
    expect(1, "--images none", "none: cannot be looked into: No such file or directory; give --images a folder of images");
    expect(1, "--images empty", "empty: there are no files in it");
    expect(1, "--images texts", "--images: 30 files are in it, 0 of them readable as an image, which leaves 0 to look at");
    expect(1, "--images one -o texts/1", "texts/1: damaged: line 1 is not valid JSON");
    expect(1, "--images one -o no/folder", "no/folder: cannot write the activation ranges: No such file or directory; choose another place with --output");
    expect(0, "--images one -o ranges", "ranges: ");
    struct stat status;
    CHECK(stat("model.safetensors.ranges.json", &status) < 0);
}

/* ---- the gallery ---------------------------------------------------------------------------------------------------------- */

struct rows {
    int images[8], count;
    float values[8];
};

static void keep_row(void *arg, int image, const float *values)
{
    struct rows *rows = arg;
    rows->images[rows->count] = image;
    rows->values[rows->count++] = values[0];
}

static struct rows run_gallery(struct gallery *gallery, bool judges)
{
    const struct preset preset = { .resize = 40, .crop = 32 };
    const struct engine_spec spec = { .height = 32, .width = 32, .std = { 1, 1, 1 }, .emit = EMIT_LOGITS, .top = 1, .batch = 2 };
    struct engines_opened sim;
    struct rows rows = { .count = 0 };
    struct why why;
    CHECK_INT(engines_open("sim", &spec, &sim, &why), 0);
    CHECK_INT(gallery_run(gallery, judges, &preset, &sim, keep_row, &rows, &why), 0);
    sim.ops->close(sim.engine);
    return rows;
}

TEST(photos_that_judge_are_read_once_and_the_others_when_they_are_wanted)
{
    struct gallery gallery = { .images = NULL };
    struct why why;
    char path[32];
    CHECK_INT(mkdir("photos", 0755), 0);
    for (int i = 0; i < 8; i++) {
        snprintf(path, sizeof(path), "photos/%d.jpg", i);
        draw(path, i);
    }
    CHECK_INT(gallery_open(&gallery, "photos", 100, &why), 0);
    struct rows first = run_gallery(&gallery, true);
    CHECK_INT(test_shell(NULL, "rm photos/*"), 0);
    struct rows again = run_gallery(&gallery, true);
    CHECK(first.count == 2 && first.images[0] == 3 && first.images[1] == 7);
    CHECK(again.count == 2 && again.images[0] == 3 && again.images[1] == 7);
    CHECK(again.values[0] == first.values[0] && again.values[1] == first.values[1] && first.values[0] != first.values[1]);
    CHECK_INT(run_gallery(&gallery, false).count, 0);
    CHECK_INT(gallery.unreadable, 6);
    gallery_done(&gallery);
}

/* ---- real photos ---------------------------------------------------------------------------------------------------------- */

/* Calibrated on some photos, judged on dogs. tests/bench/int8 does it with all of them. */
TEST(int8_gives_the_top_1_of_f32_on_photos_of_another_kind)
{
    const char *data = test_data();
    char *output;
    int status = test_shell(&output,
        "set -e; w=%s/weights/resnet18-imagenet-pqf.safetensors; SLEDDOG_ENGINES=${SLEDDOG_ENGINES:-%s}; export SLEDDOG_ENGINES; p=%s/sleddog-worker; "
        "$p calibrate --images %s/images/imagenet --weights $w --count 40 -o ranges >said 2>&1; "
        "dogs=$(ls %s/images/dogs/Images/*/*.jpg | awk 'NR %% 5 == 0'); "
        "$p classify --top 1 --weights $w --precision f32 $dogs | awk '$1 ~ /^[01]\\./ { print $2 }' >f32; "
        "$p classify --top 1 --weights $w --precision int8 --ranges ranges $dogs | awk '$1 ~ /^[01]\\./ { print $2 }' >int8; "
        "[ $(grep -cE '^  --recheck (5|10|20|30) +[0-9]+ of [0-9]+ .* %%$' said) = 4 ]; "
        "paste f32 int8 | awk '$1 == $2 { same++ } END { print same + 0, NR }'", data, test_build(), test_build(), data, data);
    int same, count;
    if (status || sscanf(output, "%d %d", &same, &count) != 2)
        test_fail(__FILE__, __LINE__, "status %d: %s", status, output);
    test_note("top-1 is f32's on %d of %d", same, count);
    CHECK(count >= 25 && same >= count - count / 10);
    free(output);
}
