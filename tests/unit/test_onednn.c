/* The oneDNN engine: against PyTorch, and against itself in every position, batch and number of threads. */
#include "common/cleanup.h"
#include "common/machine.h"
#include "tests/cluster/lib/process.h"
#include "tests/engine_run.h"
#include "tests/random_weights.h"
#include "tests/test.h"
#include "worker/weights/check.h"

#include <dirent.h>
#include <pthread.h>

struct setting {
    const char *network;
    int size, classes, batch, threads;
    enum emit emit;
    enum dtype dtype;
};

static void find_plugins(void)
{
    setenv("SLEDDOG_ENGINES", test_build(), 0);
}

static const char *weights_path(const struct setting *setting)
{
    static char path[128];
    snprintf(path, sizeof(path), "%s-%d-%s.safetensors", setting->network, setting->classes, dtype_name(setting->dtype));
    struct why why;
    if (access(path, F_OK) < 0 &&
        random_weights_write(path, network_find(setting->network), setting->classes, setting->dtype, 7, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    return path;
}

static struct engine_spec spec_for(const struct setting *setting)
{
    return (struct engine_spec){
        .network = network_find(setting->network), .height = setting->size, .width = setting->size,
        .mean = { 0.485f, 0.456f, 0.406f }, .std = { 0.229f, 0.224f, 0.225f }, .emit = setting->emit, .top = 3,
        .batch = setting->batch, .threads = setting->threads,
    };
}

static struct engines_opened open_engine(const struct setting *setting)
{
    struct engines_opened it;
    struct why why;
    CLEANUP(weights_closep) struct weights *weights = NULL;
    find_plugins();
    struct engine_spec spec = spec_for(setting);
    const struct network *network;
    if (weights_open(weights_path(setting), &weights, &why) < 0 || network_detect(weights, &network, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    CHECK_STR(network->name, setting->network);
    spec.weights = weights;
    if (engines_open("onednn", &spec, &it, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    return it;
}

static uint8_t *noise(size_t size, uint64_t seed)
{
    uint8_t *pixels = malloc(size);
    CHECK(pixels);
    for (size_t i = 0; i < size; i++)
        pixels[i] = (uint8_t)(256 * random_unit(&seed));
    return pixels;
}

static struct engine_slot *acquire(struct engines_opened it)
{
    struct engine_slot *slot;
    CHECK_INT(it.ops->slot_acquire(it.engine, &slot), 0);
    return slot;
}

static struct engine_slot *wait_slot(struct engines_opened it)
{
    struct engine_slot *slot;
    struct why why;
    if (it.ops->wait(it.engine, &slot, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    return slot;
}

/* |a - b| / |b|, and prints the first values of both. */
static double difference(const float *a, const float *b, size_t count, const char *what)
{
    double error = engine_difference(a, b, count);
    printf("%s: normalised error %.2e; engine %g %g %g, PyTorch %g %g %g\n", what, error, (double)a[0], (double)a[1], (double)a[2],
           (double)b[0], (double)b[1], (double)b[2]);
    return error;
}

/* ---- against PyTorch -------------------------------------------------------------------------------------------------- */

static void compare_emit(struct setting setting, enum emit emit, const uint8_t *pixels, int images, const float *expected)
{
    setting.emit = emit;
    struct engines_opened it = open_engine(&setting);
    CLEANUP(freep) float *values = engine_run(it, pixels, images, NULL);
    size_t count = (size_t)images * engine_info_of(it)->values;
    CHECK(difference(values, expected, count, emit == EMIT_FEATURES ? "features" : "logits") <= 1e-5);
    engine_close(it);
}

static void compare_with_pytorch(struct setting setting, int images)
{
    size_t size = (size_t)setting.size, features = (size_t)network_find(setting.network)->features, got, n = (size_t)images;
    CLEANUP(freep) uint8_t *pixels = noise(n * size * size * 3, 5);
    test_write_file("pixels", pixels, n * size * size * 3);
    CLEANUP(freep) char *output = NULL;
    if (test_shell(&output, "/usr/bin/python3 %s/tests/golden/engine_torch.py %s %s pixels %d expected", test_source(),
                   setting.network, weights_path(&setting), setting.size))
        test_fail(__FILE__, __LINE__, "%s", output);
    char *file = test_read_file("expected", &got);
    CHECK_INT(got, n * (features + (size_t)setting.classes) * sizeof(float));
    float *expected = malloc(got);
    memcpy(expected, file, got);
    if (images > 1) /* the logits follow from the features: once is enough for the large networks */
        compare_emit(setting, EMIT_FEATURES, pixels, images, expected);
    compare_emit(setting, EMIT_LOGITS, pixels, images, expected + n * features);
    free(expected);
    free(file);
}

/* Three images in batches of two: the second batch is partial. */
TEST(resnet18_agrees_with_pytorch_on_random_statistics)
{
    compare_with_pytorch((struct setting){ "resnet18", 224, 7, 2, 1, 0, DTYPE_F32 }, 3);
}

TEST(resnet50_agrees_with_pytorch_on_random_statistics)
{
    compare_with_pytorch((struct setting){ "resnet50", 224, 1000, 2, 1, 0, DTYPE_F32 }, 3);
    compare_with_pytorch((struct setting){ "resnet50", 250, 1000, 2, 1, 0, DTYPE_F32 }, 1);
}

/* The others of the layer table; in BF16 where f32 would only make large files. */
#define AGREES(network, classes, dtype)                                                        \
    TEST(network##_agrees_with_pytorch_on_random_statistics)                       \
    {                                                                                          \
        compare_with_pytorch((struct setting){ #network, 224, classes, 1, 1, 0, dtype }, 1);   \
    }
AGREES(resnet34, 10, DTYPE_F32)
AGREES(resnet101, 10, DTYPE_F32)
AGREES(resnet152, 10, DTYPE_BF16)
AGREES(wide_resnet50_2, 1000, DTYPE_BF16)
AGREES(wide_resnet101_2, 10, DTYPE_BF16)
AGREES(resnext50_32x4d, 120, DTYPE_F32)
AGREES(resnext101_32x8d, 10, DTYPE_BF16)
AGREES(resnext101_64x4d, 10, DTYPE_BF16)

TEST(grouped_convolutions_agree_with_pytorch_in_batches_and_at_250)
{
    compare_with_pytorch((struct setting){ "resnext50_32x4d", 250, 10, 2, 1, 0, DTYPE_F32 }, 3);
}

TEST(weights_of_half_precision_are_read_exactly)
{
    compare_with_pytorch((struct setting){ "resnet18", 224, 10, 2, 1, 0, DTYPE_F16 }, 3);
    compare_with_pytorch((struct setting){ "resnet18", 224, 10, 2, 1, 0, DTYPE_BF16 }, 3);
}

/* ---- against itself --------------------------------------------------------------------------------------------------- */

/* One image among others, alone in a partial batch, first or last: always the same bytes. */
static void check_positions(struct setting setting)
{
    setting.emit = EMIT_LOGITS;
    struct engines_opened it = open_engine(&setting);
    const struct engine_info *info = engine_info_of(it);
    size_t bytes = info->image_bytes, width = info->values * sizeof(float);
    CLEANUP(freep) uint8_t *image = noise(bytes, 1);
    float reference[1000];
    for (int n = 1; n <= info->batch; n++)
        for (int at = 0; at < n; at++) {
            struct engine_slot *slot = acquire(it);
            CLEANUP(freep) uint8_t *others = noise((size_t)info->batch * bytes, (uint64_t)(100 * n + at));
            memcpy(slot->pixels, others, (size_t)info->batch * bytes);
            memcpy(slot->pixels + (size_t)at * bytes, image, bytes);
            CHECK_INT(it.ops->submit(it.engine, slot, n, NULL), 0);
            slot = wait_slot(it);
            CHECK_INT(slot->count, n);
            if (n == 1)
                memcpy(reference, slot->values, width);
            if (memcmp(reference, slot->values + (size_t)at * info->values, width))
                test_fail(__FILE__, __LINE__, "%s batch %d: image %d of %d differs", setting.network, info->batch, at, n);
            it.ops->slot_release(it.engine, slot);
        }
    engine_close(it);
}

TEST(rows_do_not_depend_on_place_or_neighbours)
{
    check_positions((struct setting){ "resnet18", 224, 1000, 5, 1, 0, DTYPE_F32 });
    check_positions((struct setting){ "resnet18", 250, 10, 4, 1, 0, DTYPE_F32 });
    check_positions((struct setting){ "resnet50", 224, 1000, 4, 1, 0, DTYPE_F32 });
}

TEST(rows_do_not_depend_on_the_number_of_threads_and_come_in_order)
{
    struct setting setting = { "resnet18", 224, 10, 2, 1, EMIT_LOGITS, DTYPE_F32 };
    size_t bytes = 224 * 224 * 3;
    CLEANUP(freep) uint8_t *pixels = noise(13 * bytes, 3);
    struct engines_opened one = open_engine(&setting);
    setting.threads = 3;
    struct engines_opened three = open_engine(&setting);
    CLEANUP(freep) float *first = engine_run(one, pixels, 13, NULL);
    CLEANUP(freep) float *second = engine_run(three, pixels, 13, NULL);
    CHECK(!memcmp(first, second, 13 * 10 * sizeof(float)));
    CHECK(memcmp(first, first + 10, 10 * sizeof(float)));
    CHECK_STR(engine_info_of(one)->fingerprint, engine_info_of(three)->fingerprint);
    engine_close(one);
    engine_close(three);
}

TEST(the_fingerprint_tells_batch_sizes_apart_and_repeats)
{
    struct setting setting = { "resnet18", 224, 10, 1, 1, EMIT_TOPK, DTYPE_F32 };
    struct engines_opened one = open_engine(&setting), again = open_engine(&setting);
    setting.batch = 2;
    struct engines_opened two = open_engine(&setting);
    CHECK_STR(engine_info_of(one)->fingerprint, engine_info_of(again)->fingerprint);
    CHECK(strcmp(engine_info_of(one)->fingerprint, engine_info_of(two)->fingerprint));
    CHECK_CONTAINS(engine_info_of(one)->fingerprint, "f32, batch 1");
    engine_close(one);
    engine_close(again);
    engine_close(two);
}

struct job {
    struct engines_opened it;
    const uint8_t *pixels;
    float *values;
};

static void *run_job(void *argument)
{
    struct job *job = argument;
    job->values = engine_run(job->it, job->pixels, 5, NULL);
    return NULL;
}

TEST(two_engines_work_at_once)
{
    struct setting settings[2] = { { "resnet18", 224, 10, 2, 1, EMIT_LOGITS, DTYPE_F32 },
                                   { "resnet34", 250, 7, 3, 2, EMIT_FEATURES, DTYPE_F32 } };
    CLEANUP(freep) uint8_t *pixels = noise(5 * 250 * 250 * 3, 4);
    struct job jobs[2];
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        jobs[i] = (struct job){ open_engine(&settings[i]), pixels, NULL };
    for (int i = 0; i < 2; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, run_job, &jobs[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 2; i++) {
        CLEANUP(freep) float *alone = engine_run(jobs[i].it, pixels, 5, NULL);
        CHECK(!memcmp(alone, jobs[i].values, 5 * engine_info_of(jobs[i].it)->values * sizeof(float)));
        free(jobs[i].values);
        engine_close(jobs[i].it);
    }
}

static int count_threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    int count = 0;
    CHECK(tasks);
    for (struct dirent *entry; (entry = readdir(tasks));)
        count += entry->d_name[0] != '.';
    closedir(tasks);
    return count;
}

static void *nothing(void *argument)
{
    return argument;
}

TEST(streams_start_no_threads_of_their_own)
{
    pthread_t first; /* a sanitizer may start a thread of its own with it */
    CHECK_INT(pthread_create(&first, NULL, nothing, NULL), 0);
    pthread_join(first, NULL);
    struct setting setting = { "resnet18", 224, 10, 2, 2, EMIT_LOGITS, DTYPE_F32 };
    CLEANUP(freep) uint8_t *pixels = noise(8 * 224 * 224 * 3, 3);
    int before = count_threads();
    struct engines_opened it = open_engine(&setting);
    free(engine_run(it, pixels, 8, NULL));
    CHECK_INT(count_threads(), before + 2);
    engine_close(it);
    CHECK_INT(count_threads(), before);
}

/* ---- life and errors -------------------------------------------------------------------------------------------------- */

TEST(an_interrupt_lets_submitted_slots_out_and_then_ends_the_wait)
{
    struct setting setting = { "resnet18", 224, 10, 1, 1, EMIT_TOPK, DTYPE_F32 };
    struct engines_opened it = open_engine(&setting);
    struct engine_slot *slot = acquire(it), *other = acquire(it), *none;
    CHECK_INT(it.ops->submit(it.engine, slot, 1, NULL), 0);
    it.ops->interrupt(it.engine);
    CHECK_INT(it.ops->slot_acquire(it.engine, &none), -EPIPE);
    CHECK(wait_slot(it) == slot);
    CHECK(slot->busy_ns > 0);
    CHECK(slot->predictions[0].probability >= slot->predictions[1].probability);
    struct why why;
    CHECK_INT(it.ops->wait(it.engine, &none, &why), -EPIPE);
    it.ops->slot_release(it.engine, slot);
    it.ops->slot_release(it.engine, other);
    engine_close(it);
}

TEST(an_engine_with_slots_under_way_can_be_closed)
{
    struct setting setting = { "resnet18", 224, 10, 1, 2, EMIT_TOPK, DTYPE_F32 };
    struct engines_opened it = open_engine(&setting);
    for (int i = 0; i < engine_info_of(it)->slots; i++)
        CHECK_INT(it.ops->submit(it.engine, acquire(it), 1, NULL), 0);
    engine_close(it);
}

static void check_refused(struct engine_spec spec, int code, const char *part)
{
    struct engines_opened it;
    struct why why = { "" };
    CHECK_INT(engines_open("onednn", &spec, &it, &why), code);
    CHECK_CONTAINS(why.text, part);
}

TEST(what_it_cannot_do_is_refused_in_words)
{
    struct setting setting = { "resnet18", 224, 10, 1, 1, EMIT_TOPK, DTYPE_F32 };
    struct weights *weights;
    CHECK_INT(weights_open(weights_path(&setting), &weights, NULL), 0);
    find_plugins();
    struct engine_spec good = spec_for(&setting), spec = good;
    good.weights = spec.weights = weights;
    spec.precision = PRECISION_F16;
    check_refused(spec, -ENOTSUP, "computes in f32 or int8");
    spec = good;
    spec.network = network_find("resnet50");
    check_refused(spec, -EINVAL, "is this a resnet50?");
    spec = good;
    spec.classes = 1000;
    check_refused(spec, -EINVAL, "the weights have 10 classes, expected 1000");
    spec = good;
    spec.top = 11;
    check_refused(spec, -EINVAL, "top 11 of 10");
    spec = good;
    spec.device = "cuda:0";
    check_refused(spec, -ENODEV, "cuda:0");
    spec = good;
    spec.height = 0;
    check_refused(spec, -EINVAL, "224x0");
    spec = good;
    spec.batch = -1;
    check_refused(spec, -EINVAL, "batch -1 is impossible");
    spec = good;
    spec.weights = NULL;
    check_refused(spec, -EINVAL, "weights");
    weights_close(weights);
}

/* Of an engine with all its slots in use, measured. */
static void check_memory(const struct setting *setting)
{
    const struct engine_ops *ops;
    struct why why;
    find_plugins();
    CHECK_INT(engines_find("onednn", &ops, &why), 0);
    struct engine_spec spec = spec_for(setting);
    spec.classes = setting->classes;
    weights_path(setting);
    uint64_t before = machine_resident(), said = ops->memory(&spec);
    struct engines_opened it = open_engine(setting);
    const struct engine_info *info = engine_info_of(it);
    for (int i = 0; i < info->slots; i++)
        memset(acquire(it)->pixels, i, (size_t)info->batch * info->image_bytes);
    uint64_t held = machine_resident() - before;
    if (said > held || said < held / 3 * 2)
        test_fail(__FILE__, __LINE__, "%s at %d: said %llu bytes, holds %llu", setting->network, setting->size, (unsigned long long)said, (unsigned long long)held);
}

TEST(what_it_says_it_will_need_is_near_what_it_holds_and_never_more)
{
    static const struct setting settings[] = {
        { "resnet18", 224, 1000, 4, 2, EMIT_TOPK, DTYPE_F32 },
        { "resnet18", 96, 1000, 64, 1, EMIT_LOGITS, DTYPE_F32 },
        { "resnet50", 224, 1000, 8, 1, EMIT_FEATURES, DTYPE_F32 },
    };
    if (is_sanitized())
        test_skip("a sanitizer holds memory of its own");
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        check_memory(&settings[i]);
}

TEST(what_it_needs_grows_with_images_batch_and_threads)
{
    const struct engine_ops *ops;
    struct why why;
    struct setting setting = { "resnet50", 224, 1000, 4, 1, EMIT_TOPK, DTYPE_F32 };
    struct engine_spec spec = spec_for(&setting);
    find_plugins();
    CHECK_INT(engines_find("onednn", &ops, &why), 0);
    spec.classes = 1000;
    uint64_t small = ops->memory(&spec), weights = 25557032 * sizeof(float); /* the parameters of a ResNet-50 */
    CHECK(small > weights);
    spec.batch *= 2;
    uint64_t batch = ops->memory(&spec);
    CHECK(batch - weights > 19 * (small - weights) / 10 && batch - weights < 21 * (small - weights) / 10);
    spec.threads = 8;
    CHECK(ops->memory(&spec) - weights > 7 * (batch - weights));
    spec.height = spec.width = 4096;
    spec.batch = 4096;
    CHECK(ops->memory(&spec) > 1ull << 40);
}

TEST(logits_that_overflow_are_told_at_open)
{
    struct setting setting = { "resnet18", 224, 10, 1, 1, EMIT_TOPK, DTYPE_F32 };
    static float huge[10 * 512];
    for (size_t i = 0; i < ARRAY_SIZE(huge); i++)
        huge[i] = 3e38f;
    struct weights *weights;
    CHECK_INT(weights_open(weights_path(&setting), &weights, NULL), 0);
    ((struct tensor *)weights_find(weights, "fc.weight"))->data = huge;
    find_plugins();
    struct engine_spec spec = spec_for(&setting);
    spec.weights = weights;
    check_refused(spec, -ERANGE, "not finite");
    weights_close(weights);
}
