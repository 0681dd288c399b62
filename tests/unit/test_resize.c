/* test_resize.c: the plan of an axis, and that every way to compute the passes gives the same bytes. The bytes themselves are
 * judged by Pillow in test_preprocess.c. */
#include "worker/image/resize.h"

#include "common/cleanup.h"
#include "tests/test.h"
#include "worker/image/format.h"

static uint32_t dice = 1;

static int roll(int from, int to)
{
    dice = dice * 1664525u + 1013904223u;
    return from + (int)((dice >> 8) % (uint32_t)(to - from + 1));
}

/* Of a picture that is there as it is. */
static int plan_whole(struct axis *axis, enum interpolation interpolation, int source, int resized, int crop)
{
    return axis_plan(axis, interpolation, &(struct extent){ source, 0, source }, resized, crop);
}

TEST(an_axis_that_keeps_its_size_copies_the_crop)
{
    CLEANUP(axis_done) struct axis axis = { 0 };
    CHECK_INT(plan_whole(&axis, INTERPOLATION_BILINEAR, 256, 256, 224), 0);
    CHECK_INT(axis.first, 16);
    CHECK_INT(axis.kept, 224);
    for (int i = 0; i < 224; i++) {
        CHECK_INT(axis.start[i], i);
        CHECK_INT(axis.weight[i * axis.groups * AXIS_GROUP], 1 << 22);
        for (int k = 1; k < axis.taps[i]; k++)
            CHECK_INT(axis.weight[i * axis.groups * AXIS_GROUP + k], 0);
    }
}

TEST(half_a_pixel_of_margin_goes_to_the_even_side)
{
    CLEANUP(axis_done) struct axis axis = { 0 };
    CHECK_INT(plan_whole(&axis, INTERPOLATION_BILINEAR, 341, 341, 224), 0);
    CHECK_INT(axis.first, 58); /* 58.5 */
    CHECK_INT(plan_whole(&axis, INTERPOLATION_BILINEAR, 343, 343, 224), 0);
    CHECK_INT(axis.first, 60); /* 59.5 */
}

TEST(a_crop_larger_than_the_image_has_the_odd_zero_behind)
{
    CLEANUP(axis_done) struct axis axis = { 0 };
    CHECK_INT(plan_whole(&axis, INTERPOLATION_BILINEAR, 10, 37, 64), 0);
    CHECK_INT(axis.padding, 13);
    CHECK_INT(axis.kept, 37);
    CHECK_INT(axis.first, 0);
    CHECK_INT(axis.count, 10);
}

#define PLANE (AXIS_BLOCK * AXIS_GROUP)

static void check_output(const struct axis *axis, int i)
{
    const int32_t *weight = axis->weight + i * axis->groups * AXIS_GROUP;
    const int16_t *halves = axis->halves + 2 * i * axis->groups * AXIS_GROUP;
    const int8_t *thirds = axis->thirds + 3 * PLANE * (i / AXIS_BLOCK) * axis->groups + AXIS_GROUP * (i % AXIS_BLOCK);
    int64_t sum = 0;
    CHECK(axis->start[i] >= 0 && axis->taps[i] > 0 && axis->start[i] + axis->taps[i] <= axis->count);
    for (int k = 0; k < axis->groups * AXIS_GROUP; k++) {
        int at = k / AXIS_GROUP * 2 * AXIS_GROUP + k % AXIS_GROUP;
        CHECK_INT(halves[at] + halves[at + AXIS_GROUP] * 32768, weight[k]);
        const int8_t *third = thirds + k / AXIS_GROUP * 3 * PLANE + k % AXIS_GROUP;
        CHECK_INT(third[0] + third[PLANE] * 256 + third[2 * PLANE] * 65536, weight[k]);
        CHECK(k < axis->taps[i] || weight[k] == 0);
        sum += weight[k];
    }
    CHECK(llabs(sum - (1 << 22)) <= axis->taps[i]);
}

TEST(weights_sum_to_one_and_stay_inside_the_source)
{
    CLEANUP(axis_done) struct axis axis = { 0 };
    for (int round = 0; round < 2000; round++) {
        int source = roll(1, round % 2 ? 30 : 5000), resized = roll(1, 700);
        CHECK_INT(plan_whole(&axis, roll(0, INTERPOLATION_COUNT - 1), source, resized, roll(1, 300)), 0);
        CHECK(axis.first >= 0 && axis.first + axis.count <= source);
        for (int i = 0; i < axis.kept; i++)
            check_output(&axis, i);
    }
}

/* The positions are added up, and so are their rounding errors. */
TEST(the_nearest_pixels_of_the_largest_pictures_are_inside_the_source)
{
    CLEANUP(axis_done) struct axis axis = { 0 };
    static const int sources[] = { 1, 2, 3, 7, 8191, 8192, 65521, 65535 };
    for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
        for (int resized = 16384; resized > 16000; resized -= 37)
            for (int part = 0; part < 8; part++) {
                const struct extent extent = { sources[i], part / 8.0, sources[i] };
                CHECK_INT(axis_plan(&axis, INTERPOLATION_NEAREST, &extent, resized, 16384), 0);
                CHECK(axis.first >= 0 && axis.first + axis.count <= sources[i]);
                CHECK_INT(axis.start[axis.kept - 1] + 1, axis.count);
            }
}

static uint8_t *noise(size_t size)
{
    uint8_t *bytes = malloc(size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(roll(0, 3) ? roll(0, 255) : 255); /* much white: sums reach the end of the range */
    return bytes;
}

static void compare_rows(const struct resizer *fast, const struct axis *axis)
{
    size_t bytes = 3 * (size_t)axis->kept;
    CLEANUP(freep) uint8_t *from = noise(3 * (size_t)axis->count + ROW_PADDING);
    CLEANUP(freep) uint8_t *plain = malloc(bytes + RESIZE_PADDING), *other = malloc(bytes + RESIZE_PADDING);
    resizer_plain.row(axis, from, plain);
    fast->row(axis, from, other);
    CHECK(memcmp(plain, other, bytes) == 0);
}

static void compare_columns(const struct resizer *fast, const struct axis *axis)
{
    size_t stride = (size_t)roll(1, 200);
    CLEANUP(freep) uint8_t *from = noise(stride * (size_t)axis->count + RESIZE_PADDING);
    CLEANUP(freep) uint8_t *plain = malloc(stride), *other = malloc(stride);
    for (int i = 0; i < axis->kept; i++) {
        const uint8_t *first = from + stride * (size_t)axis->start[i];
        resizer_plain.column(axis, i, first, stride, plain, stride);
        fast->column(axis, i, first, stride, other, stride);
        CHECK(memcmp(plain, other, stride) == 0);
    }
}

static void compare(const struct resizer *fast)
{
    if (!fast->runs())
        test_skip("this machine cannot run the passes named %s", fast->name);
    CLEANUP(axis_done) struct axis axis = { 0 };
    for (int round = 0; round < 400; round++) {
        CHECK_INT(plan_whole(&axis, roll(0, INTERPOLATION_COUNT - 1), roll(1, round % 3 ? 900 : 9), roll(1, 400), roll(1, 300)), 0);
        compare_rows(fast, &axis);
        compare_columns(fast, &axis);
    }
}

#ifdef __x86_64__
TEST(the_passes_with_avx2_equal_the_plain_ones)
{
    compare(&resizer_avx2);
}

TEST(the_passes_with_avx512_vnni_equal_the_plain_ones)
{
    compare(&resizer_vnni);
}
#endif

TEST(the_plain_passes_are_there_for_every_machine)
{
    int n = 0;
    while (resizer_number(n + 1))
        n++;
    CHECK(resizer_number(n) == &resizer_plain);
    for (int i = 0; i < n; i++)
        CHECK(resizer_number(i)->runs() && resizer_number(i) != &resizer_plain);
}

/* A pixel at the edge of a few ones has the largest weights, and negative ones. */
TEST(the_largest_weights_fit_into_three_digits)
{
    CLEANUP(axis_done) struct axis axis = { 0 };
    int32_t most = 0;
    for (int interpolation = 0; interpolation < INTERPOLATION_COUNT; interpolation++)
        for (int source = 1; source < 8; source++)
            for (int resized = 1; resized < 2000; resized = resized * 5 / 4 + 1) {
                CHECK_INT(plan_whole(&axis, interpolation, source, resized, resized), 0);
                for (int i = 0; i < axis.kept * axis.groups * AXIS_GROUP; i++)
                    most = abs(axis.weight[i]) > most ? abs(axis.weight[i]) : most;
                for (int i = 0; i < axis.kept; i++)
                    check_output(&axis, i);
            }
    CHECK(most > 5 << 20 && most < 6 << 20);
}
