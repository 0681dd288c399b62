#include "tests/gpu_engine.h"

#include "common/cleanup.h"
#include "tests/test.h"
#include "worker/engines/cudnn.h"
#include "worker/weights/seeded.h"

/* Every kind of layer, a block with a downsample, grouped, and one without, of 1x1 in part: small enough to be run hundreds of times. */
#define CONV(name_, in_, out_, k_, s_, g_, relu_, input_, residual_)                                                                     \
    { .kind = LAYER_CONV, .name = name_, .norm = name_ "_bn", .inputs = in_, .outputs = out_, .kernel = k_, .stride = s_,               \
      .padding = (k_) / 2, .groups = g_, .relu = relu_, .input = input_, .residual = residual_ }
static const struct layer tiny_layers[] = {
    CONV("conv1", 3, 8, 7, 2, 1, true, NETWORK_IMAGE, NETWORK_NONE),
    { .kind = LAYER_MAX_POOL, .name = "maxpool", .inputs = 8, .outputs = 8, .kernel = 3, .stride = 2, .padding = 1, .groups = 1, .input = 1,
      .residual = NETWORK_NONE },
    CONV("a1", 8, 16, 3, 2, 2, true, 2, NETWORK_NONE),
    CONV("down", 8, 16, 1, 2, 1, false, 2, NETWORK_NONE),
    CONV("a2", 16, 16, 3, 1, 1, true, 3, 4),
    CONV("b1", 16, 16, 1, 1, 1, true, 5, NETWORK_NONE),
    CONV("b2", 16, 16, 3, 1, 1, true, 6, 5),
    { .kind = LAYER_AVG_POOL, .name = "avgpool", .inputs = 16, .outputs = 16, .groups = 1, .input = 7, .residual = NETWORK_NONE },
    { .kind = LAYER_FC, .name = "fc", .inputs = 16, .groups = 1, .input = 8, .residual = NETWORK_NONE },
};
const struct network tiny_network = { .name = "tiny", .features = 16, .count = ARRAY_SIZE(tiny_layers), .layers = tiny_layers };

struct fake_settings fake_one_device(void)
{
    return (struct fake_settings){ .devices = 1 };
}

struct engine_spec engine_spec_of(const struct network *network, struct weights **weights)
{
    struct why why;
    if (seeded_weights(network, SEEDED_CLASSES, weights, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    return (struct engine_spec){
        .network = network, .weights = *weights, .height = 19, .width = 22, .mean = { 0.485f, 0.456f, 0.406f },
        .std = { 0.229f, 0.224f, 0.225f }, .emit = EMIT_LOGITS, .top = 3, .batch = 2, .precision = PRECISION_F32, .no_tuning = true,
    };
}

struct engines_opened engine_open_fake(const struct engine_spec *spec)
{
    struct engines_opened it = { .ops = cudnn_engine(&fake_gpu) };
    struct why why;
    if (it.ops->open(spec, &it.engine, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    return it;
}

uint8_t *engine_pixels(const struct engine_spec *spec, int count)
{
    size_t size = (size_t)count * (size_t)spec->height * (size_t)spec->width * 3;
    uint8_t *pixels = malloc(size);
    CHECK(pixels);
    seeded_pixels("pixels", pixels, size);
    return pixels;
}

int engine_run_slots(const struct engine_ops *ops, struct engine *engine, struct why *why)
{
    struct engine_slot *slot;
    int r = 0;
    for (int i = 0; i < 2 && r == 0; i++) {
        CHECK_INT(ops->slot_acquire(engine, &slot), 0);
        memset(slot->pixels, 77, 2 * ops->info(engine)->image_bytes);
        r = ops->submit(engine, slot, 2, why);
    }
    for (int i = 0; i < 2 && r == 0; i++)
        if ((r = ops->wait(engine, &slot, why)) == 0)
            ops->slot_release(engine, slot);
    return r;
}
