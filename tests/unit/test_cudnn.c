/* The cuDNN engine on a GPU that is not one: how a network is wired, and what happens when things go wrong. */
#include "common/cleanup.h"
#include "tests/cluster/lib/process.h"
#include "tests/fake_gpu.h"
#include "tests/test.h"
#include "worker/engines.h"
#include "worker/engines/cudnn.h"
#include "worker/engines/rows.h"
#include "worker/weights/seeded.h"

#include <math.h>
#include <sys/stat.h>

#define CLASSES 10

/* Every kind of layer, a block with a downsample, grouped, and one without: small enough to be run hundreds of times. */
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
    CONV("b1", 16, 16, 3, 1, 1, true, 5, NETWORK_NONE),
    CONV("b2", 16, 16, 3, 1, 1, true, 6, 5),
    { .kind = LAYER_AVG_POOL, .name = "avgpool", .inputs = 16, .outputs = 16, .groups = 1, .input = 7, .residual = NETWORK_NONE },
    { .kind = LAYER_FC, .name = "fc", .inputs = 16, .groups = 1, .input = 8, .residual = NETWORK_NONE },
};
static const struct network tiny = { .name = "tiny", .features = 16, .count = ARRAY_SIZE(tiny_layers), .layers = tiny_layers };

static struct fake_settings one_device(void)
{
    return (struct fake_settings){ .devices = 1 };
}

static struct engine_spec spec_of(const struct network *network, struct weights **weights)
{
    struct why why;
    if (seeded_weights(network, CLASSES, weights, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    return (struct engine_spec){
        .network = network, .weights = *weights, .height = 19, .width = 22, .mean = { 0.485f, 0.456f, 0.406f },
        .std = { 0.229f, 0.224f, 0.225f }, .emit = EMIT_LOGITS, .top = 3, .batch = 2, .precision = PRECISION_F32, .no_tuning = true,
    };
}

static struct engines_opened open_fake(const struct engine_spec *spec)
{
    struct engines_opened it = { .ops = cudnn_engine(&fake_gpu) };
    struct why why;
    if (it.ops->open(spec, &it.engine, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    return it;
}

static void close_engine(struct engines_opened it)
{
    it.ops->close(it.engine);
}

static const struct engine_info *info_of(struct engines_opened it)
{
    return it.ops->info(it.engine);
}

static int collect(struct engines_opened it, float *values, struct prediction *predictions, int done)
{
    const struct engine_info *info = info_of(it);
    struct engine_slot *slot;
    struct why why;
    if (it.ops->wait(it.engine, &slot, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    size_t rows = (size_t)slot->count;
    memcpy(values + (size_t)done * info->values, slot->values, rows * info->values * sizeof(*values));
    if (predictions)
        memcpy(predictions + (size_t)(done * info->top), slot->predictions, rows * (size_t)info->top * sizeof(*predictions));
    it.ops->slot_release(it.engine, slot);
    return (int)rows;
}

/* The values of `count` images, with as many slots under way as there are. */
static float *run_all(struct engines_opened it, const uint8_t *pixels, int count, struct prediction *predictions)
{
    const struct engine_info *info = info_of(it);
    float *values = calloc((size_t)count * info->values, sizeof(*values));
    int sent = 0, done = 0, under_way = 0;
    CHECK(values);
    while (done < count)
        if (sent < count && under_way < info->slots) {
            struct engine_slot *slot;
            int n = count - sent < info->batch ? count - sent : info->batch;
            CHECK_INT(it.ops->slot_acquire(it.engine, &slot), 0);
            memcpy(slot->pixels, pixels + (size_t)sent * info->image_bytes, (size_t)n * info->image_bytes);
            CHECK_INT(it.ops->submit(it.engine, slot, n, NULL), 0);
            sent += n;
            under_way++;
        } else {
            done += collect(it, values, predictions, done);
            under_way--;
        }
    return values;
}

static uint8_t *pixels_for(const struct engine_spec *spec, int count)
{
    size_t size = (size_t)count * (size_t)spec->height * (size_t)spec->width * 3;
    uint8_t *pixels = malloc(size);
    CHECK(pixels);
    seeded_pixels("pixels", pixels, size);
    return pixels;
}

/* |a - b| / |b| */
static double difference(const float *a, const float *b, size_t count)
{
    double apart = 0, norm = 0;
    for (size_t i = 0; i < count; i++) {
        apart += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        norm += (double)b[i] * (double)b[i];
    }
    CHECK(norm > 0);
    return sqrt(apart / norm);
}

/* ---- wiring, against the oneDNN engine, which is compared with PyTorch ------------------------------------------------------ */

static float *ask_onednn(struct engine_spec spec, const uint8_t *pixels, int count)
{
    struct engines_opened it;
    struct why why;
    setenv("SLEDDOG_ENGINES", test_build(), 0);
    spec.precision = PRECISION_F32;
    spec.threads = 1;
    spec.device = NULL;
    int r = engines_open("onednn", &spec, &it, &why);
    if (r == -ENOENT)
        test_skip("%s", why.text);
    if (r < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    float *values = run_all(it, pixels, count, NULL);
    close_engine(it);
    return values;
}

/* Three images in batches of two, wider than high; large networks get the smaller ones. */
static void compare(const struct network *network, enum precision precision, enum emit emit, double most)
{
    bool large = network->count > 80 || network->width * network->groups > 64;
    if (large && is_sanitized())
        test_skip("a sanitizer makes minutes of this; the small networks are wired by the same lines");
    struct fake_settings settings = one_device();
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = spec_of(network, &weights);
    spec.height = large ? 17 : 33;
    spec.width = large ? 22 : 40;
    spec.emit = emit;
    spec.precision = precision;
    CLEANUP(freep) uint8_t *pixels = pixels_for(&spec, 3);
    CLEANUP(freep) float *expected = ask_onednn(spec, pixels, 3);
    fake_gpu_reset(&settings);
    struct engines_opened it = open_fake(&spec);
    CLEANUP(freep) float *values = run_all(it, pixels, 3, NULL);
    double error = difference(values, expected, 3 * info_of(it)->values);
    printf("%s in %s: normalised error %.2e\n", network->name, info_of(it)->device, error);
    CHECK(error <= most);
    close_engine(it);
    fake_gpu_reset(&settings);
}

#define WIRED(name)                                                                     \
    TEST(name##_is_wired_as_in_the_cpu_engine)                              \
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
    compare(&tiny, PRECISION_F32, EMIT_FEATURES, 1e-5);
}

/* ---- slots ---------------------------------------------------------------------------------------------------------------- */

TEST(predictions_are_those_of_the_logits)
{
    struct fake_settings settings = one_device();
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = spec_of(&tiny, &weights);
    CLEANUP(freep) uint8_t *pixels = pixels_for(&spec, 3);
    fake_gpu_reset(&settings);
    struct engines_opened it = open_fake(&spec);
    struct prediction predictions[3 * 3], expected[3];
    CLEANUP(freep) float *values = run_all(it, pixels, 3, predictions);
    for (int n = 0; n < 3; n++) {
        CHECK_INT(rows_predict(values + (ptrdiff_t)n * CLASSES, CLASSES, 3, expected), 0);
        for (int k = 0; k < 3; k++) {
            CHECK_INT(predictions[3 * n + k].index, expected[k].index);
            CHECK(fabsf(predictions[3 * n + k].probability - expected[k].probability) < 1e-6f);
        }
    }
    close_engine(it);
    fake_gpu_reset(&settings);
}

TEST(rows_do_not_depend_on_place_slot_lane_or_device)
{
    struct fake_settings settings = { .devices = 3 };
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = spec_of(&tiny, &weights);
    CLEANUP(freep) uint8_t *pixels = pixels_for(&spec, 41);
    fake_gpu_reset(&settings);
    struct engines_opened it = open_fake(&spec);
    CHECK_INT(info_of(it)->threads, 1);
    CHECK_INT(info_of(it)->slots, 4);
    CLEANUP(freep) float *one = run_all(it, pixels, 41, NULL);
    close_engine(it);
    spec.device = "all";
    it = open_fake(&spec);
    CHECK_INT(info_of(it)->threads, 3);
    CHECK_CONTAINS(info_of(it)->device, "3 x Fake GPU, f32, batch 2");
    CLEANUP(freep) float *three = run_all(it, pixels, 41, NULL);
    CHECK(!memcmp(one, three, 41 * CLASSES * sizeof(*one)));
    CHECK(memcmp(one, one + CLASSES, CLASSES * sizeof(*one)));
    close_engine(it);
    fake_gpu_reset(&settings);
}

TEST(two_slots_are_in_flight_at_once_and_come_back_in_order)
{
    struct fake_settings settings = one_device();
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = spec_of(&tiny, &weights);
    spec.slots = 3;
    fake_gpu_reset(&settings);
    struct engines_opened it = open_fake(&spec);
    struct engine_slot *slots[3], *slot;
    for (int i = 0; i < 3; i++) {
        CHECK_INT(it.ops->slot_acquire(it.engine, &slots[i]), 0);
        memset(slots[i]->pixels, 40 * i, 2 * info_of(it)->image_bytes);
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
    close_engine(it);
    fake_gpu_reset(&settings);
}

TEST(an_engine_with_slots_under_way_can_be_closed)
{
    struct fake_settings settings = one_device();
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = spec_of(&tiny, &weights);
    fake_gpu_reset(&settings);
    struct engines_opened it = open_fake(&spec);
    for (int i = 0; i < info_of(it)->slots; i++) {
        struct engine_slot *slot;
        CHECK_INT(it.ops->slot_acquire(it.engine, &slot), 0);
        CHECK_INT(it.ops->submit(it.engine, slot, 1, NULL), 0);
    }
    close_engine(it);
    fake_gpu_reset(&settings);
}

/* ---- tuning and plans ------------------------------------------------------------------------------------------------------ */

/* Opens, runs an image, closes; the fingerprint and the logits. */
static void run_once(const struct engine_spec *spec, char fingerprint[256], char note[320], float logits[CLASSES])
{
    CLEANUP(freep) uint8_t *pixels = pixels_for(spec, 1);
    struct engines_opened it = open_fake(spec);
    CLEANUP(freep) float *values = run_all(it, pixels, 1, NULL);
    memcpy(logits, values, CLASSES * sizeof(*logits));
    memcpy(fingerprint, info_of(it)->fingerprint, 256);
    memcpy(note, info_of(it)->note, 320);
    close_engine(it);
}

TEST(the_fastest_plans_are_found_once_and_kept)
{
    struct fake_settings settings = one_device();
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = spec_of(&tiny, &weights);
    char first[256], second[256], untuned[256], note[320];
    float logits[3][CLASSES];
    fake_gpu_reset(&settings);
    run_once(&spec, untuned, note, logits[0]);
    CHECK_INT(fake_gpu_searches(), 5); /* of six convolutions a2 and b2 are alike */
    spec.no_tuning = false;
    spec.plans = "plans";
    fake_gpu_reset(&settings);
    run_once(&spec, first, note, logits[1]);
    CHECK(fake_gpu_searches() > 0);
    CHECK_STR(note, "");
    char *book = NULL;
    CHECK_INT(test_shell(&book, "cat plans/*; stat -c %%a plans plans/*"), 0);
    CHECK_CONTAINS(book, "sleddog plans 1\nFake GPU, compute capability 9.0, 7 processors, fake 1\n");
    CHECK_CONTAINS(book, "f32 2 19x22 4->8 7x7/2+3 relu = 1 7=0\n");
    CHECK_CONTAINS(book, "700\n600\n");
    free(book);
    fake_gpu_reset(&settings);
    run_once(&spec, second, note, logits[2]);
    CHECK_INT(fake_gpu_searches(), 0);
    CHECK_STR(first, second);
    CHECK(strcmp(first, untuned));
    CHECK(!memcmp(logits[0], logits[1], sizeof(logits[0])) && !memcmp(logits[1], logits[2], sizeof(logits[0])));
    fake_gpu_reset(&settings);
}

TEST(devices_of_one_kind_share_the_plans_of_the_first)
{
    struct fake_settings settings = { .devices = 3 };
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = spec_of(&tiny, &weights);
    spec.no_tuning = false;
    spec.device = "all";
    fake_gpu_reset(&settings);
    close_engine(open_fake(&spec));
    CHECK_INT(fake_gpu_searches(), 5);
    fake_gpu_reset(&settings);
}

static void spoil(const char *how)
{
    if (test_shell(NULL, "cd plans && %s", how))
        test_fail(__FILE__, __LINE__, "cannot do: %s", how);
}

TEST(plans_that_are_not_to_be_trusted_are_tuned_again)
{
    static const struct {
        const char *how, *note; /* note: NULL when nobody need hear of it */
    } cases[] = {
        { "sed -i 's/ = 1 7=0/ = 99 7=0/' *.plans", NULL },            /* no plan of this library */
        { "sed -i 's/ = 1 7=0/ = 1 7=0; rm -rf/' *.plans", NULL },
        { "truncate -s -5 *.plans", "damaged" },
        { "sed -i 's/Fake GPU/Real GPU/' *.plans", "damaged, or not for this GPU" },
        { "f=$(ls); printf 'sleddog plans 1' >$f", "damaged" },
        { "chmod 644 *.plans", "others may use it (mode 644)" },
        { "chmod 755 .", "others may use it (mode 755)" },
        { "f=$(ls); mv $f /tmp/$$.plans; ln -s /tmp/$$.plans $f", "" },
        { "f=$(ls); rm $f; mkfifo -m 600 $f", "not a file of plans" },
        { "f=$(ls); head -c 2000000 /dev/zero >$f", "not a file of plans" },
    };
    struct fake_settings settings = one_device();
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = spec_of(&tiny, &weights);
    spec.no_tuning = false;
    spec.plans = "plans";
    char first[256], again[256], note[320];
    float logits[CLASSES];
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        test_shell(NULL, "rm -rf plans");
        fake_gpu_reset(&settings);
        run_once(&spec, first, note, logits);
        spoil(cases[i].how);
        fake_gpu_reset(&settings);
        run_once(&spec, again, note, logits);
        if (!fake_gpu_searches() || strcmp(first, again))
            test_fail(__FILE__, __LINE__, "not tuned again after: %s", cases[i].how);
        if (cases[i].note)
            CHECK_CONTAINS(note, cases[i].note);
        else
            CHECK_STR(note, "");
    }
    fake_gpu_reset(&settings);
}

/* ---- what it cannot do ----------------------------------------------------------------------------------------------------- */

static void check_refused(const struct engine_spec *spec, const struct fake_settings *settings, int code, const char *part)
{
    const struct engine_ops *ops = cudnn_engine(&fake_gpu);
    struct engine *engine = NULL;
    struct why why = { "" };
    fake_gpu_reset(settings);
    CHECK_INT(ops->open(spec, &engine, &why), code);
    CHECK_CONTAINS(why.text, part);
    fake_gpu_reset(settings);
}

TEST(what_it_cannot_do_is_refused_in_words)
{
    struct fake_settings one = one_device(), none = { 0 }, old = { .devices = 1, .major = 7, .minor = 5 };
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec good = spec_of(&tiny, &weights), spec = good;
    check_refused(&good, &none, -ENODEV, "engine cudnn: no usable GPU");
    spec.precision = PRECISION_INT8;
    check_refused(&spec, &one, -ENOTSUP, "does not compute in int8; use --precision");
    spec.precision = PRECISION_BF16;
    check_refused(&spec, &old, -ENOTSUP, "Fake GPU (compute capability 7.5) cannot compute in bf16");
    spec = good;
    spec.top = 11;
    check_refused(&spec, &one, -EINVAL, "top 11 of 10 classes");
    spec = good;
    spec.classes = 9;
    check_refused(&spec, &one, -EINVAL, "10 classes, expected 9");
    spec = good;
    spec.std[1] = 0;
    check_refused(&spec, &one, -EINVAL, "std 0");
    spec = good;
    spec.height = 0;
    check_refused(&spec, &one, -EINVAL, "cannot work on images of 22x0 pixels");
    spec = good;
    spec.network = network_find("resnet18");
    check_refused(&spec, &one, -EINVAL, "engine cudnn: device 0, Fake GPU: ");
}

TEST(lists_of_devices_are_read_strictly)
{
    struct fake_settings two = { .devices = 2 }, odd = { .devices = 2, .odd_device = 1 };
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = spec_of(&tiny, &weights);
    static const struct {
        const char *list, *part;
        int code;
    } cases[] = {
        { "2", "there is no device 2; this machine has 2", -ENODEV },
        { "0,0", "device 0 is named twice", -EINVAL },
        { "0,", "not a list like 0,1", -EINVAL },
        { ",0", "not a list like 0,1", -EINVAL },
        { "-1", "not a list like 0,1", -EINVAL },
        { "gpu", "not a list like 0,1", -EINVAL },
        { "99999999999999999999", "not a list like 0,1", -EINVAL },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        spec.device = cases[i].list;
        check_refused(&spec, &two, cases[i].code, cases[i].part);
    }
    spec.device = "0,1";
    check_refused(&spec, &odd, -EINVAL, "device 0 is a Fake GPU and device 1 a Fake Other");
    spec.device = "1,0";
    fake_gpu_reset(&two);
    close_engine(open_fake(&spec));
    fake_gpu_reset(&two);
}

static void overwrite(struct weights *weights, const char *name, float value)
{
    const struct tensor *tensor = weights_find(weights, name);
    CHECK(tensor);
    memcpy((void *)tensor->data, &value, sizeof(value));
}

TEST(weights_too_large_for_the_format_are_named_with_a_way_out)
{
    struct fake_settings settings = one_device();
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = spec_of(&tiny, &weights);
    overwrite(weights, "a2.weight", 3e6f);
    spec.precision = PRECISION_AUTO;
    check_refused(&spec, &settings, -ERANGE, "a2: its folded weight");
    check_refused(&spec, &settings, -ERANGE, "does not fit f16, whose largest number is 65504; use --precision bf16 or f32");
    spec.precision = PRECISION_BF16;
    fake_gpu_reset(&settings);
    close_engine(open_fake(&spec));
    fake_gpu_reset(&settings);
}

TEST(values_that_are_not_finite_break_the_engine_with_a_sentence)
{
    for (enum emit emit = EMIT_TOPK; emit <= EMIT_FEATURES; emit++) {
        struct fake_settings settings = one_device();
        CLEANUP(weights_closep) struct weights *weights = NULL;
        struct engine_spec spec = spec_of(&tiny, &weights);
        struct engine_slot *slot;
        struct why why = { "" };
        spec.emit = emit;
        spec.precision = PRECISION_F16;
        overwrite(weights, "b2.weight", 60000);
        overwrite(weights, "b2_bn.running_var", 0.5f);
        overwrite(weights, "b2_bn.weight", 0.7f);
        overwrite(weights, "b1_bn.bias", 60000); /* 60000 * 60000 is infinite in f16 */
        fake_gpu_reset(&settings);
        struct engines_opened it = open_fake(&spec);
        CHECK_INT(it.ops->slot_acquire(it.engine, &slot), 0);
        CHECK_INT(it.ops->submit(it.engine, slot, 2, NULL), 0);
        CHECK_INT(it.ops->wait(it.engine, &slot, &why), -ERANGE);
        CHECK_CONTAINS(why.text, "values that are not finite; its weights are damaged, or too large for f16");
        close_engine(it);
        fake_gpu_reset(&settings);
    }
}

/* ---- failures ------------------------------------------------------------------------------------------------------------- */

TEST(too_little_memory_halves_the_batch)
{
    struct fake_settings settings = one_device();
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = spec_of(&tiny, &weights);
    CLEANUP(freep) uint8_t *pixels = pixels_for(&spec, 5);
    spec.batch = 64;
    settings.memory = ((size_t)64 << 20) + 150000; /* the workspace, and room for some twenty images */
    fake_gpu_reset(&settings);
    struct engines_opened it = open_fake(&spec);
    int batch = info_of(it)->batch;
    printf("%s; %s\n", info_of(it)->device, info_of(it)->note);
    CHECK(batch < 64 && batch > 1 && (batch & (batch - 1)) == 0);
    CHECK_CONTAINS(info_of(it)->note, "there is no memory for batches of 64: ");
    CLEANUP(freep) float *values = run_all(it, pixels, 5, NULL);
    close_engine(it);
    settings.memory = 1 << 20;
    check_refused(&spec, &settings, -ENOMEM, "no room for the workspace of batch 1");
    settings.memory = 0;
    fake_gpu_reset(&settings);
    spec.batch = batch;
    it = open_fake(&spec);
    CLEANUP(freep) float *expected = run_all(it, pixels, 5, NULL);
    CHECK(!memcmp(values, expected, 5 * CLASSES * sizeof(*values)));
    close_engine(it);
    fake_gpu_reset(&settings);
}

/* One open in which the n-th call fails. Returns false when no call was the n-th any more. */
static bool open_with_failure(const struct engine_spec *spec, int n, int code)
{
    const struct engine_ops *ops = cudnn_engine(&fake_gpu);
    struct fake_settings settings = { .devices = 2, .fail_at = n, .fail_code = code };
    struct engine *engine = NULL;
    struct why why = { "" };
    fake_gpu_reset(&settings);
    int r = ops->open(spec, &engine, &why);
    bool failed = *fake_gpu_failed();
    if (r == 0)
        ops->close(engine);
    else if (!failed)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    /* Short memory is helped by a smaller batch. */
    else if (r != code || !strstr(why.text, "engine cudnn: ") || !strstr(why.text, "made to fail"))
        test_fail(__FILE__, __LINE__, "call %d (%s) failed with %d, open says %d: %s", n, fake_gpu_failed(), code, r, why.text);
    else if (code == -ENOMEM && strcmp(fake_gpu_failed(), "count"))
        test_fail(__FILE__, __LINE__, "call %d (%s) was short of memory once, and open gave up: %s", n, fake_gpu_failed(), why.text);
    fake_gpu_reset(&settings);
    return failed;
}

TEST_WITHIN(300, any_call_may_fail_in_open_and_nothing_is_left_over)
{
    static const int codes[] = { -EIO, -ENOMEM, -ENOTRECOVERABLE };
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = spec_of(&tiny, &weights);
    spec.device = "all";
    int n = 1;
    for (bool more = true; more; n++) {
        more = false;
        for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
            more = open_with_failure(&spec, n, codes[i]) || more;
    }
    printf("%d calls in an open\n", n);
    CHECK(n > 200);
}

TEST_WITHIN(300, any_call_may_fail_while_plans_are_tuned)
{
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = spec_of(&tiny, &weights);
    spec.no_tuning = false;
    spec.batch = 1;
    spec.height = spec.width = 8;
    int n = 1, step = 1;
    for (bool more = true; more; n += step) {
        more = open_with_failure(&spec, n, -ENOTRECOVERABLE);
        more = open_with_failure(&spec, n, -EIO) || more;
        step = n < 100 ? 1 : 61;
    }
    printf("%d calls in an open with tuning\n", n);
}

/* Submits two slots of which one meets the n-th call; false when none did. */
static bool run_with_failure(const struct engine_spec *spec, int n, int code)
{
    struct fake_settings settings = one_device();
    struct engine_slot *slot;
    struct why why = { "" };
    fake_gpu_reset(&settings);
    struct engines_opened it = open_fake(spec);
    fake_gpu_fail(n, code);
    int r = 0;
    for (int i = 0; i < 2; i++) {
        CHECK_INT(it.ops->slot_acquire(it.engine, &slot), 0);
        memset(slot->pixels, 77, 2 * info_of(it)->image_bytes);
        if (r == 0)
            r = it.ops->submit(it.engine, slot, 2, &why);
    }
    for (int i = 0; i < 2 && r == 0; i++)
        if ((r = it.ops->wait(it.engine, &slot, &why)) == 0)
            it.ops->slot_release(it.engine, slot);
    bool failed = *fake_gpu_failed();
    CHECK_INT(r, failed ? code : 0);
    if (failed)
        CHECK_CONTAINS(why.text, "engine cudnn: device 0, Fake GPU: ");
    if (code == -ENOTRECOVERABLE && failed)
        CHECK_CONTAINS(why.text, "the GPU is lost");
    fake_gpu_fail(0, 0);
    close_engine(it);
    fake_gpu_reset(&settings);
    return failed;
}

TEST(any_call_may_fail_while_slots_are_in_flight)
{
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = spec_of(&tiny, &weights);
    int n = 1;
    while (run_with_failure(&spec, n, -EIO) && run_with_failure(&spec, n, -ENOTRECOVERABLE))
        n++;
    printf("%d calls for two slots\n", n - 1);
    CHECK(n > 15);
}
