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

TEST(an_axis_that_keeps_its_size_copies_the_crop)
{
    CLEANUP(axis_done) struct axis axis = { 0 };
    CHECK_INT(axis_plan(&axis, INTERPOLATION_BILINEAR, 256, 256, 224), 0);
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
    CHECK_INT(axis_plan(&axis, INTERPOLATION_BILINEAR, 341, 341, 224), 0);
    CHECK_INT(axis.first, 58); /* 58.5 */
    CHECK_INT(axis_plan(&axis, INTERPOLATION_BILINEAR, 343, 343, 224), 0);
    CHECK_INT(axis.first, 60); /* 59.5 */
}

TEST(a_crop_larger_than_the_image_has_the_odd_zero_behind)
{
    CLEANUP(axis_done) struct axis axis = { 0 };
    CHECK_INT(axis_plan(&axis, INTERPOLATION_BILINEAR, 10, 37, 64), 0);
    CHECK_INT(axis.padding, 13);
    CHECK_INT(axis.kept, 37);
    CHECK_INT(axis.first, 0);
    CHECK_INT(axis.count, 10);
}

static void check_output(const struct axis *axis, int i)
{
    const int32_t *weight = axis->weight + i * axis->groups * AXIS_GROUP;
    const int16_t *halves = axis->halves + 2 * i * axis->groups * AXIS_GROUP;
    int64_t sum = 0;
    CHECK(axis->start[i] >= 0 && axis->taps[i] > 0 && axis->start[i] + axis->taps[i] <= axis->count);
    for (int k = 0; k < axis->groups * AXIS_GROUP; k++) {
        int at = k / AXIS_GROUP * 2 * AXIS_GROUP + k % AXIS_GROUP;
        CHECK_INT(halves[at] + halves[at + AXIS_GROUP] * 32768, weight[k]);
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
        CHECK_INT(axis_plan(&axis, roll(0, INTERPOLATION_COUNT - 1), source, resized, roll(1, 300)), 0);
        CHECK(axis.first >= 0 && axis.first + axis.count <= source);
        for (int i = 0; i < axis.kept; i++)
            check_output(&axis, i);
    }
}

static uint8_t *noise(size_t size)
{
    uint8_t *bytes = malloc(size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(roll(0, 3) ? roll(0, 255) : 255); /* much white: sums reach the end of the range */
    return bytes;
}

static void compare_rows(const struct axis *axis)
{
    size_t bytes = 3 * (size_t)axis->kept;
    CLEANUP(freep) uint8_t *from = noise(3 * (size_t)axis->count + ROW_PADDING);
    CLEANUP(freep) uint8_t *plain = malloc(bytes + RESIZE_PADDING), *best = malloc(bytes + RESIZE_PADDING);
    resizer_plain.row(axis, from, plain);
    resizer_best()->row(axis, from, best);
    CHECK(memcmp(plain, best, bytes) == 0);
}

static void compare_columns(const struct axis *axis)
{
    size_t stride = (size_t)roll(1, 200);
    CLEANUP(freep) uint8_t *from = noise(stride * (size_t)axis->count + RESIZE_PADDING);
    CLEANUP(freep) uint8_t *plain = malloc(stride), *best = malloc(stride);
    for (int i = 0; i < axis->kept; i++) {
        const uint8_t *first = from + stride * (size_t)axis->start[i];
        resizer_plain.column(axis, i, first, stride, plain, stride);
        resizer_best()->column(axis, i, first, stride, best, stride);
        CHECK(memcmp(plain, best, stride) == 0);
    }
}

TEST(the_fastest_passes_equal_the_plain_ones)
{
    CLEANUP(axis_done) struct axis axis = { 0 };
    if (resizer_best() == &resizer_plain)
        test_skip("this machine has only the plain passes");
    for (int round = 0; round < 400; round++) {
        CHECK_INT(axis_plan(&axis, roll(0, INTERPOLATION_COUNT - 1), roll(1, round % 3 ? 900 : 9), roll(1, 400), roll(1, 300)), 0);
        compare_rows(&axis);
        compare_columns(&axis);
    }
}
