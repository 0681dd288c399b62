/* The cuDNN engine on a GPU that is not one: how a network is wired, and how slots go through it. */
#include "common/cleanup.h"
#include "tests/gpu_engine.h"
#include "tests/test.h"
#include "tests/cluster/lib/process.h"
#include "worker/engines/cudnn.h"
#include "worker/engines/rows.h"
#include "worker/weights/seeded.h"

#include <math.h>

/* ---- wiring, against the oneDNN engine, which is compared with PyTorch ------------------------------------------------------ */

/* Three images in batches of two, wider than high; large networks get the smaller ones. */
static void compare(const struct network *network, enum precision precision, enum emit emit, double most)
{
    bool large = network->count > 80 || network->width * network->groups > 64;
    if (large && is_sanitized())
        test_skip("a sanitizer makes minutes of this; the small networks are wired by the same lines");
    struct fake_settings settings = fake_one_device();
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = engine_spec_of(network, &weights);
    spec.height = large ? 17 : 33;
    spec.width = large ? 22 : 40;
    spec.emit = emit;
    spec.precision = precision;
    CLEANUP(freep) uint8_t *pixels = engine_pixels(&spec, 3);
    CLEANUP(freep) float *expected = engine_run_on_cpu(spec, pixels, 3);
    fake_gpu_reset(&settings);
    struct engines_opened it = engine_open_fake(&spec);
    CLEANUP(freep) float *values = engine_run(it, pixels, 3, NULL);
    double error = engine_difference(values, expected, 3 * engine_info_of(it)->values);
    printf("%s in %s: normalised error %.2e\n", network->name, engine_info_of(it)->device, error);
    CHECK(error <= most);
    engine_close(it);
    fake_gpu_reset(&settings);
}

#define WIRED(name)                                                                     \
    TEST(name##_is_wired_as_in_the_cpu_engine)                                          \
    {                                                                                   \
        compare(network_find(#name), PRECISION_F32, EMIT_LOGITS, 1e-5);                 \
    }
WIRED(resnet18)
WIRED(resnet34)
WIRED(resnet50)
WIRED(resnet101)
WIRED(resnet152)
WIRED(wide_resnet50_2)
WIRED(wide_resnet101_2)
WIRED(resnext50_32x4d)
WIRED(resnext101_32x8d)
WIRED(resnext101_64x4d)

TEST(half_precision_is_near_and_features_are_the_pooled_ones)
{
    compare(network_find("resnet18"), PRECISION_F16, EMIT_LOGITS, 5e-3);
    compare(network_find("resnet18"), PRECISION_BF16, EMIT_LOGITS, 4e-2);
    compare(network_find("resnet50"), PRECISION_AUTO, EMIT_FEATURES, 5e-3);
    compare(&tiny_network, PRECISION_F32, EMIT_FEATURES, 1e-5);
}

/* What a preset says of pixels, and how many classes there are, as in the CPU engine. */
static void compare_variant(int classes, float mean, float std, int height)
{
    struct fake_settings settings = fake_one_device();
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = engine_spec_of(&tiny_network, &weights);
    struct why why;
    weights_closep(&weights);
    CHECK_INT(seeded_weights(&tiny_network, classes, &weights, &why), 0);
    spec.weights = weights;
    spec.height = height;
    spec.top = 1;
    for (int c = 0; c < 3; c++) {
        spec.mean[c] = mean * (float)(c + 1);
        spec.std[c] = std;
    }
    CLEANUP(freep) uint8_t *pixels = engine_pixels(&spec, 3);
    CLEANUP(freep) float *expected = engine_run_on_cpu(spec, pixels, 3);
    fake_gpu_reset(&settings);
    struct engines_opened it = engine_open_fake(&spec);
    CHECK_INT(engine_info_of(it)->classes, classes);
    CLEANUP(freep) float *values = engine_run(it, pixels, 3, NULL);
    CHECK(engine_difference(values, expected, 3 * (size_t)classes) <= 1e-5);
    engine_close(it);
    fake_gpu_reset(&settings);
}

TEST(presets_and_class_counts_are_those_of_the_cpu_engine)
{
    compare_variant(1, 0.2f, 0.25f, 19);
    compare_variant(7, 0, 1, 23); /* as in the preset `article` */
    compare_variant(1000, 0.2f, 0.25f, 1);
}

/* ---- slots ---------------------------------------------------------------------------------------------------------------- */

TEST(predictions_are_those_of_the_logits)
{
    struct fake_settings settings = fake_one_device();
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = engine_spec_of(&tiny_network, &weights);
    CLEANUP(freep) uint8_t *pixels = engine_pixels(&spec, 3);
    fake_gpu_reset(&settings);
    struct engines_opened it = engine_open_fake(&spec);
    struct prediction predictions[3 * 3], expected[3];
    CLEANUP(freep) float *values = engine_run(it, pixels, 3, predictions);
    for (int n = 0; n < 3; n++) {
        CHECK_INT(rows_predict(values + (ptrdiff_t)n * SEEDED_CLASSES, SEEDED_CLASSES, 3, expected), 0);
        for (int k = 0; k < 3; k++) {
            CHECK_INT(predictions[3 * n + k].index, expected[k].index);
            CHECK(fabsf(predictions[3 * n + k].probability - expected[k].probability) < 1e-6f);
        }
    }
    engine_close(it);
    fake_gpu_reset(&settings);
}

TEST(on_this_machine_it_will_hold_its_slots_and_nothing_else)
{
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = engine_spec_of(&tiny_network, &weights);
    uint64_t image = (uint64_t)spec.height * (uint64_t)spec.width * 3 + (uint64_t)spec.top * sizeof(struct prediction);
    spec.emit = EMIT_TOPK;
    spec.batch = 10;
    CHECK_INT(cudnn_engine(NULL)->memory(&spec), 4 * 10 * image);
    spec.device = "0,1,2";
    CHECK_INT(cudnn_engine(NULL)->memory(&spec), 8 * 10 * image);
    spec.batch = 0;
    CHECK_INT(cudnn_engine(NULL)->memory(&spec), 8 * 256 * image);
}

TEST(rows_do_not_depend_on_place_slot_lane_or_device)
{
    struct fake_settings settings = { .devices = 3 };
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = engine_spec_of(&tiny_network, &weights);
    CLEANUP(freep) uint8_t *pixels = engine_pixels(&spec, 41);
    fake_gpu_reset(&settings);
    struct engines_opened it = engine_open_fake(&spec);
    CHECK_INT(engine_info_of(it)->threads, 1);
    CHECK_INT(engine_info_of(it)->slots, 4);
    CLEANUP(freep) float *one = engine_run(it, pixels, 41, NULL);
    engine_close(it);
    spec.device = "all";
    it = engine_open_fake(&spec);
    CHECK_INT(engine_info_of(it)->threads, 3);
    CHECK_CONTAINS(engine_info_of(it)->device, "3 x Fake GPU, f32, batch 2");
    CLEANUP(freep) float *three = engine_run(it, pixels, 41, NULL);
    CHECK(!memcmp(one, three, 41 * SEEDED_CLASSES * sizeof(*one)));
    CHECK(memcmp(one, one + SEEDED_CLASSES, SEEDED_CLASSES * sizeof(*one)));
    engine_close(it);
    fake_gpu_reset(&settings);
}

TEST(two_slots_are_in_flight_at_once_and_come_back_in_order)
{
    struct fake_settings settings = fake_one_device();
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = engine_spec_of(&tiny_network, &weights);
    spec.slots = 3;
    fake_gpu_reset(&settings);
    struct engines_opened it = engine_open_fake(&spec);
    struct engine_slot *slots[3], *slot;
    for (int i = 0; i < 3; i++) {
        CHECK_INT(it.ops->slot_acquire(it.engine, &slots[i]), 0);
        memset(slots[i]->pixels, 40 * i, 2 * engine_info_of(it)->image_bytes);
        CHECK_INT(it.ops->submit(it.engine, slots[i], 1 + i % 2, NULL), 0);
    }
    for (int i = 0; i < 3; i++) {
        CHECK_INT(it.ops->wait(it.engine, &slot, NULL), 0);
        CHECK(slot == slots[i]);
        CHECK(slot->busy_ns > 0);
        it.ops->slot_release(it.engine, slot);
    }
    CHECK_INT(fake_gpu_launches(0), 3);
    it.ops->interrupt(it.engine);
    CHECK_INT(it.ops->slot_acquire(it.engine, &slot), -EPIPE);
    engine_close(it);
    fake_gpu_reset(&settings);
}

TEST(an_engine_with_slots_under_way_can_be_closed)
{
    struct fake_settings settings = fake_one_device();
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = engine_spec_of(&tiny_network, &weights);
    fake_gpu_reset(&settings);
    struct engines_opened it = engine_open_fake(&spec);
    for (int i = 0; i < engine_info_of(it)->slots; i++) {
        struct engine_slot *slot;
        CHECK_INT(it.ops->slot_acquire(it.engine, &slot), 0);
        CHECK_INT(it.ops->submit(it.engine, slot, 1, NULL), 0);
    }
    engine_close(it);
    fake_gpu_reset(&settings);
}
