/* The oneDNN engine in int8: near f32 for every network, the same bytes in every position, and no saturation where the CPU has no VNNI. */
#include "common/cleanup.h"
#include "tests/engine_run.h"
#include "tests/test.h"
#include "worker/engines/rows.h"
#include "worker/weights/ranges.h"
#include "worker/weights/seeded.h"

#define CLASSES 10
#define IMAGES  5

/* One network with seeded weights, and what is measured of it. */
struct bed {
    struct weights *weights;
    struct ranges ranges;
    struct engine_spec spec;
    uint8_t *pixels; /* IMAGES of them */
    size_t bytes;    /* of one */
};

static struct engines_opened open_engine(const struct engine_spec *spec)
{
    struct engines_opened it;
    struct why why;
    if (engines_open("onednn", spec, &it, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    return it;
}

/* Values of the images, in order. */
static float *run_all(const struct engine_spec *spec, const uint8_t *pixels)
{
    struct engines_opened it = open_engine(spec);
    float *values = engine_run(it, pixels, IMAGES, NULL);
    engine_close(it);
    return values;
}

/* Measures the ranges and returns f32's values. */
static float *measure(struct bed *bed)
{
    struct engine_spec spec = bed->spec;
    spec.precision = PRECISION_F32;
    spec.ranges = NULL;
    spec.observe = engine_widen;
    spec.observed = &bed->ranges;
    float *values = run_all(&spec, bed->pixels);
    CHECK_INT(ranges_finish(&bed->ranges, spec.network, NULL), 0);
    return values;
}

static void make_bed(struct bed *bed, const char *network, int size)
{
    struct why why;
    setenv("SLEDDOG_ENGINES", test_build(), 0);
    *bed = (struct bed){ .ranges.images = IMAGES, .bytes = 3 * (size_t)size * (size_t)size };
    bed->spec = (struct engine_spec){
        .network = network_find(network), .height = size, .width = size, .mean = { 0.485f, 0.456f, 0.406f }, .std = { 0.229f, 0.224f, 0.225f },
        .emit = EMIT_LOGITS, .top = 1, .precision = PRECISION_INT8, .ranges = &bed->ranges, .batch = 2, .threads = 1,
    };
    if (seeded_weights(bed->spec.network, CLASSES, &bed->weights, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    bed->spec.weights = bed->weights;
    bed->pixels = malloc(IMAGES * bed->bytes);
    CHECK(bed->pixels);
    seeded_pixels("int8", bed->pixels, IMAGES * bed->bytes);
}

static void done_bed(struct bed *bed)
{
    weights_close(bed->weights);
    free(bed->pixels);
}

static void check_near(struct bed *bed, double most)
{
    CLEANUP(freep) float *f32 = measure(bed);
    CLEANUP(freep) float *int8 = run_all(&bed->spec, bed->pixels);
    double error = engine_difference(int8, f32, IMAGES * CLASSES);
    printf("%s: normalised error %.4f\n", bed->spec.network->name, error);
    CHECK(error <= most);
}

/* ---- against f32 ---------------------------------------------------------------------------------------------------------- */

#define IS_NEAR(network)                                \
    TEST(network##_in_int8_is_near_f32)     \
    {                                                   \
        struct bed bed;                                 \
        make_bed(&bed, #network, 64);                   \
        check_near(&bed, 0.05);                         \
        done_bed(&bed);                                 \
    }
IS_NEAR(resnet18)
IS_NEAR(resnet34)
IS_NEAR(resnet50)
IS_NEAR(resnet101)
IS_NEAR(resnet152)
IS_NEAR(wide_resnet50_2)
IS_NEAR(wide_resnet101_2)
IS_NEAR(resnext50_32x4d)
IS_NEAR(resnext101_32x8d)
IS_NEAR(resnext101_64x4d)

static void check_odd(const char *network, int size, const float mean[3], const float std[3])
{
    struct bed bed;
    make_bed(&bed, network, size);
    memcpy(bed.spec.mean, mean, sizeof(bed.spec.mean));
    memcpy(bed.spec.std, std, sizeof(bed.spec.std));
    check_near(&bed, 0.05);
    done_bed(&bed);
}

TEST(odd_sizes_and_other_normalisations_are_near_too)
{
    check_odd("resnet18", 250, (float[]){ 0, 0, 0 }, (float[]){ 1, 1, 1 });
    check_odd("resnet18", 33, (float[]){ 1, 0, 0.5f }, (float[]){ 0.1f, 3, 0.5f });
    check_odd("resnet50", 71, (float[]){ 0, 0, 0 }, (float[]){ 1, 1, 1 });
}

/* White pictures, whose products are the largest there are. */
static void check_white(const char *network)
{
    struct bed bed;
    make_bed(&bed, network, 64);
    memset(bed.pixels, 255, 2 * bed.bytes);
    check_near(&bed, 0.1);
    struct engines_opened it = open_engine(&bed.spec);
    CHECK_CONTAINS(engine_info_of(it)->note, "no VNNI");
    engine_close(it);
    done_bed(&bed);
}

static void check_isa(const char *isa)
{
    setenv("DNNL_MAX_CPU_ISA", isa, 1);
    check_white("resnet18");
    check_white("resnet50");
}

TEST(sums_do_not_saturate_on_avx512_without_vnni) { check_isa("AVX512_CORE"); }
TEST(sums_do_not_saturate_on_avx2) { check_isa("AVX2"); }
TEST(sums_do_not_saturate_on_sse41) { check_isa("SSE41"); }

/* ---- against itself ------------------------------------------------------------------------------------------------------- */

static void check_same_bytes(const char *network)
{
    struct bed bed;
    make_bed(&bed, network, 64);
    free(measure(&bed));
    bed.spec.emit = EMIT_FEATURES;
    CLEANUP(freep) float *expected = run_all(&bed.spec, bed.pixels);
    for (int batch = 1; batch <= IMAGES; batch += 2) {
        bed.spec.batch = batch;
        bed.spec.threads = 1 + batch % 3;
        CLEANUP(freep) float *values = run_all(&bed.spec, bed.pixels);
        CHECK(!memcmp(values, expected, IMAGES * (size_t)bed.spec.network->features * sizeof(*values)));
    }
    CHECK(memcmp(expected, expected + bed.spec.network->features, 64 * sizeof(*expected)));
    done_bed(&bed);
}

TEST(features_in_int8_are_the_same_bytes_in_every_batch_and_stream)
{
    check_same_bytes("resnet50");
    check_same_bytes("resnet18");
}

TEST(the_fingerprint_names_int8_and_its_ranges)
{
    struct bed bed;
    char hash[17];
    make_bed(&bed, "resnet18", 64);
    free(measure(&bed));
    struct engines_opened it = open_engine(&bed.spec);
    const struct engine_info *info = engine_info_of(it);
    CHECK_STR(info->precision, "int8");
    CHECK_CONTAINS(info->device, ", int8 by 5 calibration images, 1 stream");
    CHECK_CONTAINS(info->fingerprint, ", int8, ranges ");
    snprintf(hash, sizeof(hash), "%.16s", bed.ranges.sha256);
    CHECK_CONTAINS(info->fingerprint, hash);
    engine_close(it);
    done_bed(&bed);
}

TEST(auto_is_int8_with_ranges_and_f32_without)
{
    struct bed bed;
    make_bed(&bed, "resnet18", 64);
    free(measure(&bed));
    bed.spec.precision = PRECISION_AUTO;
    struct engines_opened it = open_engine(&bed.spec);
    CHECK_STR(engine_info_of(it)->precision, "int8");
    engine_close(it);
    bed.spec.ranges = NULL;
    it = open_engine(&bed.spec);
    CHECK_STR(engine_info_of(it)->precision, "f32");
    CHECK_CONTAINS(engine_info_of(it)->fingerprint, ", f32, batch 2,");
    engine_close(it);
    done_bed(&bed);
}

static void check_refused(const struct engine_spec *spec, int code, const char *part)
{
    struct engines_opened it;
    struct why why = { "" };
    CHECK_INT(engines_open("onednn", spec, &it, &why), code);
    CHECK_CONTAINS(why.text, part);
}

TEST(what_int8_cannot_do_is_refused_in_words)
{
    struct bed bed;
    make_bed(&bed, "resnet18", 64);
    free(measure(&bed));
    struct engine_spec spec = bed.spec;
    spec.ranges = NULL;
    check_refused(&spec, -ENOENT, "int8 needs activation ranges of these weights; make them with: sleddog-worker calibrate");
    spec = bed.spec;
    spec.observe = engine_widen;
    check_refused(&spec, -ENOTSUP, "in f32 only");
    spec = bed.spec;
    spec.mean[1] = 1.5f;
    check_refused(&spec, -ENOTSUP, "int8 needs a mean of the pixels from 0 to 1, not 1.5; use --precision f32");
    spec.precision = PRECISION_AUTO;
    struct engines_opened it = open_engine(&spec);
    CHECK_STR(engine_info_of(it)->precision, "f32");
    CHECK_CONTAINS(engine_info_of(it)->note, "int8 needs a mean");
    engine_close(it);
    done_bed(&bed);
}

/* ---- what is undecided -------------------------------------------------------------------------------------------------- */

/* `percent` such that some of the images are undecided and some are not. */
static int choose_recheck(const float *values)
{
    for (int percent = 1; percent < 100; percent++) {
        int close = 0;
        for (int i = 0; i < IMAGES; i++)
            close += rows_are_close(values + i * CLASSES, CLASSES, percent);
        if (close > 0 && close < IMAGES)
            return percent;
    }
    test_fail(__FILE__, __LINE__, "all images are equally undecided");
}

/* The last layer is f32's in int8, too, and on some CPUs its bytes are not those of another batch. */
static void check_rows(struct bed *bed, const float *f32)
{
    struct prediction best[IMAGES], expected;
    struct engine_spec plain = bed->spec;
    plain.recheck = 0;
    CLEANUP(freep) float *int8 = run_all(&plain, bed->pixels);
    struct engines_opened it = open_engine(&bed->spec);
    CLEANUP(freep) float *values = engine_run(it, bed->pixels, IMAGES, best);
    engine_close(it);
    for (int i = 0; i < IMAGES; i++) {
        const float *from = rows_are_close(int8 + i * CLASSES, CLASSES, bed->spec.recheck) ? f32 : int8;
        CHECK(!memcmp(values + i * CLASSES, from + i * CLASSES, CLASSES * sizeof(*values)));
        CHECK_INT(rows_predict(from + i * CLASSES, CLASSES, 1, &expected), 0);
        CHECK(!memcmp(&best[i], &expected, sizeof(expected)));
    }
}

TEST(an_image_that_int8_leaves_undecided_has_the_bytes_of_f32_and_the_others_those_of_int8)
{
    struct bed bed;
    make_bed(&bed, "resnet18", 64);
    bed.spec.batch = 1; /* as it is computed again */
    CLEANUP(freep) float *f32 = measure(&bed);
    CLEANUP(freep) float *int8 = run_all(&bed.spec, bed.pixels);
    bed.spec.recheck = choose_recheck(int8);
    printf("within %d %%\n", bed.spec.recheck);
    for (int batch = 1; batch <= IMAGES; batch += 2) {
        bed.spec.batch = batch;
        bed.spec.threads = 1 + batch % 3;
        check_rows(&bed, f32);
    }
    bed.spec.recheck = 100;
    check_rows(&bed, f32);
    CHECK(memcmp(f32, int8, IMAGES * CLASSES * sizeof(*f32)));
    done_bed(&bed);
}

/* In slots of one image: what is counted in all. */
static int count_rechecked(struct bed *bed)
{
    struct why why;
    int sum = 0;
    bed->spec.batch = 1;
    struct engines_opened it = open_engine(&bed->spec);
    for (int i = 0; i < IMAGES; i++) {
        struct engine_slot *slot;
        CHECK_INT(it.ops->slot_acquire(it.engine, &slot), 0);
        memcpy(slot->pixels, bed->pixels + (size_t)i * bed->bytes, bed->bytes);
        CHECK_INT(it.ops->submit(it.engine, slot, 1, &why), 0);
        CHECK_INT(it.ops->wait(it.engine, &slot, &why), 0);
        sum += slot->rechecked;
        it.ops->slot_release(it.engine, slot);
    }
    engine_close(it);
    return sum;
}

TEST(images_that_were_computed_again_are_counted)
{
    struct bed bed;
    make_bed(&bed, "resnet18", 64);
    free(measure(&bed));
    CHECK_INT(count_rechecked(&bed), 0);
    CLEANUP(freep) float *int8 = run_all(&bed.spec, bed.pixels);
    bed.spec.recheck = choose_recheck(int8);
    int expected = 0;
    for (int i = 0; i < IMAGES; i++)
        expected += rows_are_close(int8 + i * CLASSES, CLASSES, bed.spec.recheck);
    CHECK_INT(count_rechecked(&bed), expected);
    bed.spec.recheck = 100;
    CHECK_INT(count_rechecked(&bed), IMAGES);
    done_bed(&bed);
}

TEST(the_fingerprint_and_the_precision_say_what_is_computed_again)
{
    struct bed bed;
    make_bed(&bed, "resnet18", 64);
    free(measure(&bed));
    bed.spec.recheck = 10;
    struct engines_opened it = open_engine(&bed.spec);
    CHECK_STR(engine_info_of(it)->precision, "int8+f32");
    CHECK_CONTAINS(engine_info_of(it)->fingerprint, ", int8+f32, ranges ");
    CHECK_CONTAINS(engine_info_of(it)->fingerprint, ", within 10 % ");
    engine_close(it);
    bed.spec.emit = EMIT_FEATURES; /* they decide nothing */
    it = open_engine(&bed.spec);
    CHECK_STR(engine_info_of(it)->precision, "int8");
    engine_close(it);
    done_bed(&bed);
}

TEST(what_computes_in_f32_anyway_computes_nothing_again)
{
    struct bed bed;
    make_bed(&bed, "resnet18", 64);
    CLEANUP(freep) float *expected = measure(&bed);
    bed.spec.precision = PRECISION_F32;
    bed.spec.recheck = 100;
    CLEANUP(freep) float *values = run_all(&bed.spec, bed.pixels);
    CHECK(!memcmp(values, expected, IMAGES * CLASSES * sizeof(*values)));
    CHECK_INT(count_rechecked(&bed), 0);
    done_bed(&bed);
}

/* ---- what is not rounded ------------------------------------------------------------------------------------------------ */

/* Coarse steps where blocks end: what the convolutions read suffers, but not what is added. Residuals as coarse would double the error. */
TEST(a_residual_is_not_rounded_between_blocks)
{
    struct bed bed;
    make_bed(&bed, "resnet18", 64);
    CLEANUP(freep) float *f32 = measure(&bed);
    for (int i = 0; i < bed.spec.network->count; i++)
        if (bed.spec.network->layers[i].residual != NETWORK_NONE)
            bed.ranges.of[i + 1].high *= 16;
    CLEANUP(freep) float *coarse = run_all(&bed.spec, bed.pixels);
    double error = engine_difference(coarse, f32, IMAGES * CLASSES);
    printf("normalised error %.4f\n", error);
    CHECK(error < 0.22);
    done_bed(&bed);
}

/* Nothing but the average reads what the last block leaves behind, so its range says nothing. */
TEST(the_last_plane_of_basic_blocks_is_averaged_as_it_is)
{
    struct bed bed;
    make_bed(&bed, "resnet18", 64);
    free(measure(&bed));
    CLEANUP(freep) float *expected = run_all(&bed.spec, bed.pixels);
    for (int i = 0; i < bed.spec.network->count; i++)
        if (bed.spec.network->layers[i].kind == LAYER_AVG_POOL)
            bed.ranges.of[bed.spec.network->layers[i].input].high *= 1000;
    CLEANUP(freep) float *values = run_all(&bed.spec, bed.pixels);
    CHECK(!memcmp(values, expected, IMAGES * CLASSES * sizeof(*values)));
    done_bed(&bed);
}
