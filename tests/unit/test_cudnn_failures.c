/* What the cuDNN engine cannot do, and what it does when a GPU fails, lacks memory, hangs or computes nonsense. */
#include "common/cleanup.h"
#include "tests/gpu_engine.h"
#include "tests/test.h"
#include "worker/engines/cudnn.h"
#include "worker/engines/cudnn_shows.h"

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
    struct fake_settings one = fake_one_device(), none = { 0 }, old = { .devices = 1, .major = 7, .minor = 5 };
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec good = engine_spec_of(&tiny_network, &weights), spec = good;
    check_refused(&good, &none, -ENODEV, "engine cudnn: no usable GPU");
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
    struct engine_spec spec = engine_spec_of(&tiny_network, &weights);
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
    engine_close(engine_open_fake(&spec));
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
    struct fake_settings settings = fake_one_device();
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = engine_spec_of(&tiny_network, &weights);
    overwrite(weights, "a2.weight", 3e6f);
    spec.precision = PRECISION_AUTO;
    check_refused(&spec, &settings, -ERANGE, "a2: its folded weight");
    check_refused(&spec, &settings, -ERANGE, "does not fit f16, whose largest number is 65504; use --precision bf16 or f32");
    spec.precision = PRECISION_BF16;
    fake_gpu_reset(&settings);
    engine_close(engine_open_fake(&spec));
    fake_gpu_reset(&settings);
}

/* What is added before the last ReLU is infinite in f16, in one channel or in all, and what is multiplied before it as well. */
static void overflow(struct weights *weights)
{
    overwrite(weights, "b2.weight", 60000);
    overwrite(weights, "b2_bn.running_var", 0.5f);
    overwrite(weights, "b2_bn.weight", 0.7f);
    overwrite(weights, "b1_bn.bias", 60000); /* 60000 * 60000 */
}

/* In the last layer but two: infinite numbers meet weights of both signs, so that most sums are not numbers. */
static void overflow_early(struct weights *weights)
{
    const struct tensor *bias = weights_find(weights, "a2_bn.bias"), *scale = weights_find(weights, "a2_bn.weight");
    for (int i = 0; i < 16; i++) {
        ((float *)bias->data)[i] = 60000;
        ((float *)scale->data)[i] = 3000;
    }
}

/* One channel between the last two convolutions, of which the second has only negative weights for it. */
static void overflow_unseen(struct weights *weights)
{
    const struct tensor *before = weights_find(weights, "b1.weight"), *after = weights_find(weights, "b2.weight");
    for (int i = 0; i < 16 * 9; i++)
        ((float *)before->data)[i] = 1;
    overwrite(weights, "b1_bn.bias", 60000);
    overwrite(weights, "b1_bn.weight", 30000);
    for (int o = 0; o < 16; o++) {
        ((float *)weights_find(weights, "b2_bn.weight")->data)[o] = 1;
        for (int tap = 0; tap < 9; tap++)
            ((float *)after->data)[o * 16 * 9 + tap] = -0.25f;
    }
}

static void check_overflow(void (*spoil)(struct weights *weights), bool swallows, enum emit emit)
{
    struct fake_settings settings = { .devices = 2, .swallows = swallows };
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = engine_spec_of(&tiny_network, &weights);
    struct engine_slot *slot;
    struct why why = { "" };
    spec.emit = emit;
    spec.precision = PRECISION_F16;
    spec.device = "all";
    spoil(weights);
    fake_gpu_reset(&settings);
    struct engines_opened it = engine_open_fake(&spec);
    CHECK_INT(it.ops->slot_acquire(it.engine, &slot), 0);
    memset(slot->pixels, 200, 2 * engine_info_of(it)->image_bytes);
    CHECK_INT(it.ops->submit(it.engine, slot, 2, NULL), 0);
    CHECK_INT(it.ops->wait(it.engine, &slot, &why), -ERANGE);
    CHECK_CONTAINS(why.text, "values that are not finite; its weights are damaged, or too large for f16");
    engine_close(it);
    fake_gpu_reset(&settings);
}

TEST(values_that_are_not_finite_break_the_engine_with_a_sentence)
{
    for (enum emit emit = EMIT_TOPK; emit <= EMIT_FEATURES; emit++) {
        check_overflow(overflow, false, emit);
        check_overflow(overflow_early, false, emit);
        check_overflow(overflow_unseen, false, emit);
    }
}

TEST(a_relu_that_makes_0_of_what_is_not_a_number_hides_no_overflow)
{
    for (enum emit emit = EMIT_TOPK; emit <= EMIT_FEATURES; emit++) {
        check_overflow(overflow, true, emit);
        check_overflow(overflow_early, true, emit);
        check_overflow(overflow_unseen, true, emit);
    }
}

TEST(which_weights_could_hide_an_infinity_is_known)
{
    struct layer layer = { .kind = LAYER_CONV, .inputs = 4, .outputs = 4, .kernel = 3, .stride = 2, .padding = 1, .groups = 2, .relu = true };
    struct plane in = { 6, 5 };
    float filter[4][2][9];
    for (float *at = &filter[0][0][0]; at <= &filter[3][1][8]; at++)
        *at = -1;
    CHECK(!shows_infinity(&layer, &filter[0][0][0], in));
    for (int i = 0; i < 4; i++) /* channel i is read by filters of its own group */
        for (int tap = 0; tap < 9; tap++)
            filter[i][i % 2][tap] = tap % 2 ? 0 : 1;
    CHECK(shows_infinity(&layer, &filter[0][0][0], in));
    filter[2][0][4] = -1; /* the middle alone reads pixels whose row and column are even */
    CHECK(!shows_infinity(&layer, &filter[0][0][0], in));
    filter[3][0][4] = 0.5f;
    CHECK(shows_infinity(&layer, &filter[0][0][0], in));
    filter[1][1][6] = filter[1][1][8] = -1; /* pixels whose row and column are odd are read by the corners, those of the last row, 5, by the lower ones */
    CHECK(!shows_infinity(&layer, &filter[0][0][0], in));
    in.height = 5;
    CHECK(shows_infinity(&layer, &filter[0][0][0], in));
    layer.kernel = 9;
    CHECK(!shows_infinity(&layer, &filter[0][0][0], in));
}

/* Times that activations are looked through for two images; no weights hide anything. */
static int checks_of(enum precision precision, bool swallows)
{
    struct fake_settings settings = { .devices = 1, .swallows = swallows };
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = engine_spec_of(&tiny_network, &weights);
    CLEANUP(freep) uint8_t *pixels = engine_pixels(&spec, 2);
    float *filters = (float *)weights_find(weights, "a1.weight")->data;
    for (int i = 0; i < 4 * 9; i++) /* of the first filter of each group */
        filters[i] = filters[8 * 4 * 9 + i] = 0.1f;
    spec.precision = precision;
    fake_gpu_reset(&settings);
    struct engines_opened it = engine_open_fake(&spec);
    int before = fake_gpu_checks();
    free(engine_run(it, pixels, 2, NULL));
    int checks = fake_gpu_checks() - before;
    engine_close(it);
    fake_gpu_reset(&settings);
    return checks;
}

TEST(activations_are_looked_through_only_where_a_plan_makes_it_needful)
{
    CHECK_INT(checks_of(PRECISION_F16, false), 0);
    CHECK_INT(checks_of(PRECISION_BF16, true), 0);
    CHECK_INT(checks_of(PRECISION_F32, true), 0);
    CHECK_INT(checks_of(PRECISION_F16, true), 6); /* what a1, a2, b1 and b2 read and two of them add: conv1 reads pixels, `down` has no ReLU */
}

/* ---- failures ------------------------------------------------------------------------------------------------------------- */

TEST(too_little_memory_halves_the_batch)
{
    struct fake_settings settings = fake_one_device();
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = engine_spec_of(&tiny_network, &weights);
    CLEANUP(freep) uint8_t *pixels = engine_pixels(&spec, 5);
    spec.batch = 64;
    settings.memory = ((size_t)64 << 20) + 150000; /* the workspace, and room for some twenty images */
    fake_gpu_reset(&settings);
    struct engines_opened it = engine_open_fake(&spec);
    int batch = engine_info_of(it)->batch;
    printf("%s; %s\n", engine_info_of(it)->device, engine_info_of(it)->note);
    CHECK(batch < 64 && batch > 1 && (batch & (batch - 1)) == 0);
    CHECK_CONTAINS(engine_info_of(it)->note, "there is no memory for batches of 64: ");
    CLEANUP(freep) float *values = engine_run(it, pixels, 5, NULL);
    engine_close(it);
    settings.memory = 1 << 20;
    check_refused(&spec, &settings, -ENOMEM, "no room for the workspace of batch 1");
    settings.memory = 0;
    fake_gpu_reset(&settings);
    spec.batch = batch;
    it = engine_open_fake(&spec);
    CLEANUP(freep) float *expected = engine_run(it, pixels, 5, NULL);
    CHECK(!memcmp(values, expected, 5 * SEEDED_CLASSES * sizeof(*values)));
    engine_close(it);
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
    struct engine_spec spec = engine_spec_of(&tiny_network, &weights);
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
    struct engine_spec spec = engine_spec_of(&tiny_network, &weights);
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
    struct fake_settings settings = fake_one_device();
    struct why why = { "" };
    fake_gpu_reset(&settings);
    struct engines_opened it = engine_open_fake(spec);
    fake_gpu_fail(n, code);
    int r = engine_run_slots(it.ops, it.engine, &why);
    bool failed = *fake_gpu_failed();
    CHECK_INT(r, failed ? code : 0);
    if (failed)
        CHECK_CONTAINS(why.text, "engine cudnn: device 0, Fake GPU: ");
    if (code == -ENOTRECOVERABLE && failed)
        CHECK_CONTAINS(why.text, "the GPU is lost");
    fake_gpu_fail(0, 0);
    engine_close(it);
    fake_gpu_reset(&settings);
    return failed;
}

TEST(any_call_may_fail_while_slots_are_in_flight)
{
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = engine_spec_of(&tiny_network, &weights);
    int n = 1;
    while (run_with_failure(&spec, n, -EIO) && run_with_failure(&spec, n, -ENOTRECOVERABLE))
        n++;
    printf("%d calls for two slots\n", n - 1);
    CHECK(n > 15);
}

/* ---- a device that hangs: nothing fails, and nothing ends --------------------------------------------------------------------- */

#define PATIENCE_NS 2000000

/* Opens, and runs two slots; with `in_open` the n-th call of the open is the last that the device does anything for, else that after it.
 * Returns whether anybody noticed. The fake device sees to it that nothing is done that would not return. */
static bool hang_at(const struct engine_spec *spec, int n, bool in_open)
{
    struct fake_settings settings = { .devices = 2, .patience_ns = PATIENCE_NS, .hang_at = in_open ? n : 0 };
    const struct engine_ops *ops = cudnn_engine(&fake_gpu);
    struct engine *engine = NULL;
    struct why why = { "" };
    fake_gpu_reset(&settings);
    int r = ops->open(spec, &engine, &why);
    if (r == 0 && !in_open)
        fake_gpu_hang(n);
    if (r == 0 && !in_open)
        r = engine_run_slots(ops, engine, &why);
    bool noticed = r < 0;
    if (noticed) {
        CHECK_INT(r, -ENOTRECOVERABLE);
        CHECK_CONTAINS(why.text, "engine cudnn: device ");
        CHECK_CONTAINS(why.text, "Fake GPU: the GPU is lost");
        CHECK_CONTAINS(why.text, "the GPU hangs: what it was given was not done after 0.002 s");
    }
    ops->close(engine);
    if (noticed)
        fake_gpu_abandon();
    else
        fake_gpu_reset(&settings);
    return noticed;
}

TEST(a_device_that_hangs_at_any_call_of_an_open_is_lost_after_a_while)
{
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = engine_spec_of(&tiny_network, &weights);
    int n = 1;
    spec.precision = PRECISION_F16;
    spec.device = "all";
    while (hang_at(&spec, n, true))
        n++;
    printf("%d calls in an open\n", n);
    CHECK(n > 200);
    spec.no_tuning = false;
    for (n = 1; hang_at(&spec, n, true);)
        n += n < 20 ? 1 : 97;
    CHECK(n > 1000);
}

TEST(a_device_that_hangs_while_slots_are_in_flight_is_lost_after_a_while)
{
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = engine_spec_of(&tiny_network, &weights);
    int n = 1;
    while (hang_at(&spec, n, false))
        n++;
    CHECK(n > 15);
}
