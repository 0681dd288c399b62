/* The cuDNN engine in int8: as near to f32 as 8 bits allow, and exactly what the formula in cudnn_weights.c says. */
#include "common/cleanup.h"
#include "tests/cluster/lib/process.h"
#include "tests/gpu_engine.h"
#include "tests/test.h"
#include "worker/engines/cudnn.h"
#include "worker/engines/cudnn_pack.h"
#include "worker/weights/fold.h"
#include "worker/weights/ranges.h"

#include <math.h>

/* ---- ranges of a network on given images ---------------------------------------------------------------------------------- */

/* The values of f32 on the CPU, and the ranges on the way there. */
static float *measure(struct engine_spec spec, const uint8_t *pixels, int count, struct ranges *ranges)
{
    struct why why;
    *ranges = (struct ranges){ .images = count };
    spec.observe = engine_widen;
    spec.observed = ranges;
    float *values = engine_run_on_cpu(spec, pixels, count);
    if (ranges_finish(ranges, spec.network, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    return values;
}

static void compare(const struct network *network, enum emit emit, double most)
{
    struct fake_settings settings = fake_one_device();
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = engine_spec_of(network, &weights);
    struct ranges ranges;
    if (network->count > 80 && is_sanitized())
        test_skip("a sanitizer makes minutes of this; the small networks are wired by the same lines");
    spec.height = 33;
    spec.width = 40;
    spec.emit = emit;
    CLEANUP(freep) uint8_t *pixels = engine_pixels(&spec, 3);
    CLEANUP(freep) float *expected = measure(spec, pixels, 3, &ranges);
    spec.precision = PRECISION_INT8;
    spec.ranges = &ranges;
    fake_gpu_reset(&settings);
    struct engines_opened it = engine_open_fake(&spec);
    CLEANUP(freep) float *values = engine_run(it, pixels, 3, NULL);
    double error = engine_difference(values, expected, 3 * engine_info_of(it)->values);
    test_note("%s: normalised error of %s %.1e", network->name, emit == EMIT_FEATURES ? "features" : "logits", error);
    CHECK_CONTAINS(engine_info_of(it)->device, "Fake GPU, int8 by 3 calibration images, batch 2");
    CHECK_STR(engine_info_of(it)->precision, "int8");
    CHECK_CONTAINS(engine_info_of(it)->fingerprint, "int8, ranges ");
    CHECK(error <= most && error > 0);
    engine_close(it);
    fake_gpu_reset(&settings);
}

TEST(int8_is_near_f32)
{
    compare(&tiny_network, EMIT_FEATURES, 3e-2);
    compare(network_find("resnet18"), EMIT_FEATURES, 1e-1);
    compare(network_find("resnet18"), EMIT_LOGITS, 1e-1);
    compare(network_find("resnet50"), EMIT_FEATURES, 1.5e-1);
    compare(network_find("resnext50_32x4d"), EMIT_FEATURES, 1.5e-1);
}

/* ---- means ---------------------------------------------------------------------------------------------------------------- */

/* Sums of each channel, of the last values of each activation. */
struct sums {
    float *means; /* see ranges_means() */
    const struct network *network;
    double pixels[NETWORK_LAYERS_MAX + 1];
};

// NOLINTNEXTLINE(readability-non-const-parameter): other observers change them
static void add_up(void *observed, int activation, float *values, size_t count, int images)
{
    struct sums *sums = observed;
    size_t from = ranges_means_offset(sums->network, activation), channels = ranges_means_offset(sums->network, activation + 1) - from;
    (void)images;
    for (size_t i = 0; channels && i < count; i++)
        sums->means[from + i % channels] += values[i];
    sums->pixels[activation] += channels ? (double)(count / channels) : 0;
}

static void add_means(struct engine_spec spec, const uint8_t *pixels, int count, struct ranges *ranges)
{
    struct sums sums = { calloc(ranges_means_offset(spec.network, spec.network->count + 1), sizeof(float)), spec.network, { 0 } };
    spec.observe = add_up;
    spec.observed = &sums;
    free(engine_run_on_cpu(spec, pixels, count));
    for (int a = 0; a <= spec.network->count; a++)
        for (size_t i = ranges_means_offset(spec.network, a); i < ranges_means_offset(spec.network, a + 1); i++)
            sums.means[i] /= (float)sums.pixels[a];
    ranges->means = sums.means;
}

static double int8_error(const struct engine_spec *spec, const uint8_t *pixels, int count, const float *expected)
{
    struct fake_settings settings = fake_one_device();
    fake_gpu_reset(&settings);
    struct engines_opened it = engine_open_fake(spec);
    CLEANUP(freep) float *values = engine_run(it, pixels, count, NULL);
    double error = engine_difference(values, expected, (size_t)count * engine_info_of(it)->values);
    engine_close(it);
    fake_gpu_reset(&settings);
    return error;
}

TEST(the_means_of_a_calibration_bring_int8_nearer_to_f32)
{
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = engine_spec_of(network_find("resnet18"), &weights);
    struct ranges ranges;
    spec.height = spec.width = 33;
    CLEANUP(freep) uint8_t *pixels = engine_pixels(&spec, 4);
    CLEANUP(freep) float *expected = measure(spec, pixels, 4, &ranges);
    struct ranges with = ranges;
    add_means(spec, pixels, 4, &with);
    spec.precision = PRECISION_INT8;
    spec.ranges = &ranges;
    double without_means = int8_error(&spec, pixels, 4, expected);
    spec.ranges = &with;
    double with_means = int8_error(&spec, pixels, 4, expected);
    test_note("normalised error %.2e without them, %.2e with them", without_means, with_means);
    CHECK(with_means < 0.95 * without_means);
    ranges_done(&with);
}

/* ---- the formula, said once more and plainly ------------------------------------------------------------------------------- */

struct plain {
    const struct engine_spec *spec;
    struct plane planes[NETWORK_LAYERS_MAX + 1];
    double *real[NETWORK_LAYERS_MAX + 1]; /* by activation, of one image: (height, width, channels) */
};

static double unit(const struct plain *plain, int a)
{
    const struct range *range = &plain->spec->ranges->of[a];
    return (double)fmaxf(-range->low, range->high) / 127;
}

static double rounded(double value, double step)
{
    double whole = nearbyint(value / step);
    return step * (whole > 127 ? 127 : whole < -127 ? -127 : whole);
}

static double as_f16(double value)
{
    return (double)number_from_f16(number_to_f16((float)value));
}

static void plain_conv(struct plain *plain, int i)
{
    const struct layer *layer = &plain->spec->network->layers[i];
    struct plane in = plain->planes[layer->input], out = plain->planes[i + 1];
    int inputs = layer->inputs / layer->groups, k = layer->kernel, per_group = layer->outputs / layer->groups;
    size_t count = (size_t)(layer->outputs * inputs * k * k);
    CLEANUP(freep) float *filter = calloc(count + (size_t)layer->outputs, sizeof(float));
    bool first = layer->input == NETWORK_IMAGE;
    CHECK_INT(fold_conv(plain->spec->weights, layer, filter, filter + count, NULL), 0);
    double step = (double)pack_step(filter, count);
    for (size_t n = 0; n < count; n++)
        filter[n] = (float)(first ? as_f16((double)filter[n]) : rounded((double)filter[n], step));
    for (int at = 0; at < out.height * out.width * layer->outputs; at++) {
        int o = at % layer->outputs, x = at / layer->outputs % out.width, y = at / layer->outputs / out.width;
        double sum = first ? as_f16((double)filter[count + (size_t)o]) : (double)filter[count + (size_t)o];
        for (int tap = 0; tap < k * k; tap++) {
            int h = y * layer->stride - layer->padding + tap / k, w = x * layer->stride - layer->padding + tap % k;
            for (int c = 0; c < inputs && h >= 0 && w >= 0 && h < in.height && w < in.width; c++)
                sum += (double)filter[(o * inputs + c) * k * k + tap] *
                       plain->real[layer->input][(h * in.width + w) * layer->inputs + o / per_group * inputs + c];
        }
        sum += layer->residual == NETWORK_NONE ? 0 : plain->real[layer->residual][at];
        sum = layer->relu && sum < 0 ? 0 : sum;
        plain->real[i + 1][at] = first ? as_f16(sum) : rounded(sum, unit(plain, i + 1));
    }
}

static void plain_pool(struct plain *plain, int i)
{
    const struct layer *layer = &plain->spec->network->layers[i];
    struct plane in = plain->planes[layer->input], out = plain->planes[i + 1];
    bool max = layer->kind == LAYER_MAX_POOL;
    int k = max ? layer->kernel : in.height > in.width ? in.height : in.width;
    for (int at = 0; at < out.height * out.width * layer->inputs; at++) {
        int c = at % layer->inputs, x = at / layer->inputs % out.width, y = at / layer->inputs / out.width;
        double best = max ? -INFINITY : 0;
        for (int tap = 0; tap < k * k; tap++) {
            int h = (max ? y * layer->stride - layer->padding : 0) + tap / k, w = (max ? x * layer->stride - layer->padding : 0) + tap % k;
            if (h < 0 || w < 0 || h >= in.height || w >= in.width)
                continue;
            double value = plain->real[layer->input][(h * in.width + w) * layer->inputs + c];
            best = max ? fmax(best, value) : best + value / (in.height * in.width);
        }
        plain->real[i + 1][at] = max ? rounded(best, unit(plain, layer->input)) : best;
    }
}

static void plain_image(struct plain *plain, const uint8_t *pixels)
{
    const struct engine_spec *spec = plain->spec;
    for (int i = 0; i < spec->height * spec->width * 3; i++)
        plain->real[0][i] = as_f16((pixels[i] / 255.0 - (double)spec->mean[i % 3]) / (double)spec->std[i % 3]);
}

TEST(int8_is_what_its_formula_says)
{
    struct fake_settings settings = fake_one_device();
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = engine_spec_of(&tiny_network, &weights);
    struct ranges ranges;
    spec.emit = EMIT_FEATURES;
    CLEANUP(freep) uint8_t *pixels = engine_pixels(&spec, 1);
    free(measure(spec, pixels, 1, &ranges));
    for (int a = 0; a <= tiny_network.count; a++)
        ranges.of[a].high *= 0.7f; /* something is cut off */
    spec.precision = PRECISION_INT8;
    spec.ranges = &ranges;
    struct plain plain = { .spec = &spec };
    CHECK_INT(network_planes(&tiny_network, (struct plane){ spec.height, spec.width }, plain.planes), 0);
    for (int a = 0; a <= tiny_network.count; a++)
        plain.real[a] = calloc((size_t)(plain.planes[a].height * plain.planes[a].width * network_channels(&tiny_network, a, SEEDED_CLASSES)), sizeof(double));
    plain_image(&plain, pixels);
    for (int i = 0; i < tiny_network.count - 1; i++)
        (tiny_network.layers[i].kind == LAYER_CONV ? plain_conv : plain_pool)(&plain, i);
    fake_gpu_reset(&settings);
    struct engines_opened it = engine_open_fake(&spec);
    CLEANUP(freep) float *values = engine_run(it, pixels, 1, NULL);
    float expected[16];
    for (int c = 0; c < 16; c++)
        expected[c] = (float)plain.real[tiny_network.count - 1][c];
    double error = engine_difference(values, expected, 16);
    test_note("normalised error %.1e", error);
    CHECK(error < 2e-3); /* a tie here and there is rounded the other way */
    engine_close(it);
    fake_gpu_reset(&settings);
    for (int a = 0; a <= tiny_network.count; a++)
        free(plain.real[a]);
}

/* ---- filters and errors ---------------------------------------------------------------------------------------------------- */

TEST(a_filter_is_cut_off_where_that_rounds_better)
{
    static float filter[60000];
    for (int i = 0; i < 60000; i++)
        filter[i] = (float)(i % 101 - 50) / 50;
    CHECK(fabsf(pack_step(filter, 60000) - 1.0f / 127) < 1e-7f);
    filter[7] = 1.3f; /* one number, a third beyond the others: not worth coarser steps for all of them */
    CHECK(pack_step(filter, 60000) < 1.3f / 127);
    filter[7] = 100; /* worth them */
    CHECK(pack_step(filter, 60000) > 40.0f / 127);
    memset(filter, 0, sizeof(filter));
    CHECK(pack_step(filter, 60000) > 0);
}

TEST(what_rounding_takes_from_a_sum_on_average_is_given_back)
{
    const struct layer layer = { .kind = LAYER_CONV, .inputs = 4, .outputs = 2, .kernel = 1, .groups = 2 };
    const float filter[2][2] = { { 1.27f, 0.004f }, { -1.0f, 0.017f } }, means[] = { 1, 2, 3, 10 };
    float bias[] = { 5, 6 };
    int8_t packed[4];
    pack_filter_s8(&layer, &filter[0][0], 0.01f, packed);
    pack_correct_bias(&layer, &filter[0][0], packed, 0.01f, means, bias);
    CHECK(fabsf(bias[0] - (5 + 2 * 0.004f)) < 1e-5f);
    CHECK(fabsf(bias[1] - (6 - 10 * 0.003f)) < 1e-5f);
}

TEST(a_range_of_next_to_nothing_is_none)
{
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = engine_spec_of(&tiny_network, &weights);
    struct fake_settings settings = fake_one_device();
    struct ranges ranges;
    float *values[2];
    CLEANUP(freep) uint8_t *pixels = engine_pixels(&spec, 1);
    free(measure(spec, pixels, 1, &ranges));
    spec.precision = PRECISION_INT8;
    spec.ranges = &ranges;
    for (int i = 0; i < 2; i++) {
        ranges.of[3].high = i ? 1e-43f : 0; /* divided by 127 it is 0 */
        fake_gpu_reset(&settings);
        struct engines_opened it = engine_open_fake(&spec);
        values[i] = engine_run(it, pixels, 1, NULL);
        engine_close(it);
    }
    CHECK(!memcmp(values[0], values[1], SEEDED_CLASSES * sizeof(float)));
    fake_gpu_reset(&settings);
    free(values[0]);
    free(values[1]);
}

TEST(int8_without_ranges_is_refused_with_a_way_to_get_them)
{
    struct fake_settings settings = fake_one_device();
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = engine_spec_of(&tiny_network, &weights);
    struct engine *engine = NULL;
    struct why why = { "" };
    spec.precision = PRECISION_INT8;
    fake_gpu_reset(&settings);
    CHECK_INT(cudnn_engine(&fake_gpu)->open(&spec, &engine, &why), -ENOENT);
    CHECK_STR(why.text, "engine cudnn: int8 needs activation ranges of these weights; make them with: sleddog-worker calibrate");
}

TEST(a_gpu_that_shall_compute_images_again_says_what_to_do_instead)
{
    struct fake_settings settings = fake_one_device();
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = engine_spec_of(&tiny_network, &weights);
    struct ranges ranges = { .images = 1 };
    struct engine *engine = NULL;
    struct why why = { "" };
    spec.precision = PRECISION_INT8;
    spec.ranges = &ranges;
    spec.recheck = 10;
    fake_gpu_reset(&settings);
    CHECK_INT(cudnn_engine(&fake_gpu)->open(&spec, &engine, &why), -ENOTSUP);
    CHECK_STR(why.text, "engine cudnn: int8 on a GPU computes no image again; leave out --recheck, or use --precision f16 without it");
}

TEST(rows_in_int8_do_not_depend_on_place_slot_lane_or_device)
{
    struct fake_settings settings = { .devices = 2 };
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = engine_spec_of(&tiny_network, &weights);
    struct ranges ranges;
    CLEANUP(freep) uint8_t *pixels = engine_pixels(&spec, 11);
    free(measure(spec, pixels, 11, &ranges));
    spec.precision = PRECISION_INT8;
    spec.ranges = &ranges;
    spec.no_tuning = false;
    spec.plans = "plans";
    float *values[2];
    for (int i = 0; i < 2; i++) {
        spec.device = i ? "all" : NULL;
        fake_gpu_reset(&settings);
        struct engines_opened it = engine_open_fake(&spec);
        CHECK((fake_gpu_searches() == 0) == i);
        values[i] = engine_run(it, pixels, 11, NULL);
        engine_close(it);
        fake_gpu_reset(&settings);
    }
    CHECK(!memcmp(values[0], values[1], 11 * SEEDED_CLASSES * sizeof(float)));
    free(values[0]);
    free(values[1]);
}
