/* The real gpu (gpu_*.c) over libraries that compute nothing and fail: which of their errors means what. */
#include "tests/test.h"

#if __has_include(<cuda_runtime_api.h>)
#include "common/cleanup.h"
#include "tests/gpu/fake_cuda.h"
#include "tests/gpu_engine.h"
#include "worker/engines/cudnn.h"

#include <fcntl.h>
#include <glob.h>
#include <time.h>
#include <unistd.h>

static struct engine_spec spec_for(struct weights **weights)
{
    struct engine_spec spec = engine_spec_of(&tiny_network, weights);
    spec.precision = PRECISION_F16;
    spec.height = spec.width = 8;
    spec.emit = EMIT_TOPK; /* nothing is computed, and logits would be noise */
    return spec;
}

/* What an open says when this goes wrong; the engine is closed again. */
static int open_with(const struct engine_spec *spec, const struct fake_cuda *wrong, struct why *why)
{
    const struct engine_ops *ops = cudnn_engine(&gpu_cuda);
    struct engine *engine = NULL;
    fake_cuda_set(wrong);
    int r = ops->open(spec, &engine, why);
    ops->close(engine);
    if (fake_cuda_left())
        test_fail(__FILE__, __LINE__, "%d things were not freed after %s failed", fake_cuda_left(), fake_cuda_failed());
    return r;
}

static int run_with(const struct engine_spec *spec, const struct fake_cuda *wrong, struct why *why)
{
    const struct engine_ops *ops = cudnn_engine(&gpu_cuda);
    struct engine *engine = NULL;
    fake_cuda_set(&(struct fake_cuda){ 0 });
    CHECK_INT(ops->open(spec, &engine, why), 0);
    fake_cuda_set(wrong);
    int r = engine_run_slots(ops, engine, why);
    ops->close(engine);
    CHECK_INT(fake_cuda_left(), 0);
    return r;
}

static void open_once(const struct engine_spec *spec)
{
    struct why why = { "" };
    if (open_with(spec, &(struct fake_cuda){ 0 }, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
}

/* The file of plans as it was, or none: a loss that is remembered there would be another test (test_cudnn_plans). */
static void restore_book(const char *text)
{
    glob_t found;
    if (glob("plans/*.plans", 0, NULL, &found))
        return;
    CHECK_INT(unlink(found.gl_pathv[0]), 0);
    if (text) {
        int fd = open(found.gl_pathv[0], O_WRONLY | O_CREAT, 0600);
        CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
        close(fd);
    }
    globfree(&found);
}

static char *read_book(void)
{
    CLEANUP(freep) char *text = NULL;
    return test_shell(&text, "cat plans/*.plans") ? NULL : take(text);
}

/* From each call on in turn, `error` is all that CUDA says. Returns how many calls there are. */
static int lose(int (*with)(const struct engine_spec *, const struct fake_cuda *, struct why *), const struct engine_spec *spec, cudaError_t error,
                bool no_support)
{
    CLEANUP(freep) char *book = spec->plans ? read_book() : NULL;
    for (int n = 1;; n++) {
        struct fake_cuda wrong = { .fail_at = n, .error = error, .sticks = true, .no_support = no_support };
        struct why why = { "" };
        int r = with(spec, &wrong, &why);
        if (r == 0)
            return n;
        if (r != -ENOTRECOVERABLE || !strstr(why.text, "engine cudnn: "))
            test_fail(__FILE__, __LINE__, "lost at call %d, %s: %d, %s", n, fake_cuda_failed(), r, why.text);
        if (spec->plans)
            restore_book(book);
    }
}

TEST(a_device_that_is_lost_at_any_call_of_an_open_is_lost_and_no_plan_is_blamed)
{
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = spec_for(&weights);
    CHECK(lose(open_with, &spec, cudaErrorECCUncorrectable, false) > 1000);
    CHECK(lose(open_with, &spec, cudaErrorIllegalAddress, true) > 1000);
    spec.no_tuning = false;
    spec.plans = "plans";
    test_note("%d calls of an open with tuning", lose(open_with, &spec, cudaErrorLaunchFailure, true));
    open_once(&spec);
    test_note("%d calls of an open with a book", lose(open_with, &spec, cudaErrorLaunchFailure, true));
}

TEST(a_device_in_use_that_is_not_there_any_more_is_lost)
{
    static const cudaError_t errors[] = { cudaErrorNoDevice, cudaErrorUnknown, cudaErrorDevicesUnavailable, cudaErrorInvalidDevice };
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = spec_for(&weights);
    open_once(&spec);
    for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
        CHECK(lose(run_with, &spec, errors[i], false) > 20);
        CHECK(lose(open_with, &spec, errors[i], true) > 1000); /* the next job's model */
    }
}

/* The calls of an open before the device is in use: `code` for every one of them. */
static void check_opening(cudaError_t error, int code, const char *part)
{
    static const char *const opening[] = { "cudaGetDeviceCount", "cudaGetDeviceProperties", "cudaSetDevice", "cudaFree" };
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = spec_for(&weights);
    for (int n = 1; n <= 5; n++) {
        struct fake_cuda wrong = { .fail_at = n, .error = error, .sticks = n != 4 };
        struct why why = { "" };
        if (n == 4)
            continue; /* cudaSetDeviceFlags may fail */
        CHECK_INT(open_with(&spec, &wrong, &why), code);
        CHECK_STR(fake_cuda_failed(), opening[n < 4 ? n - 1 : 3]);
        CHECK_CONTAINS(why.text, fake_cuda_failed());
        CHECK_CONTAINS(why.text, part);
    }
}

TEST(a_busy_card_is_an_error_and_no_reason_to_start_again)
{
    check_opening(cudaErrorDevicesUnavailable, -EBUSY, "another process has the GPU for itself");
}

TEST(a_card_that_is_not_there_is_an_error_and_no_reason_to_start_again)
{
    check_opening(cudaErrorNoDevice, -ENODEV, "made to fail");
    check_opening(cudaErrorUnknown, -ENODEV, "made to fail");
    check_opening(cudaErrorSystemDriverMismatch, -ENODEV, "made to fail");
}

/* Each call fails once, and the device is well. */
TEST(every_call_that_fails_is_named_or_done_without)
{
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = spec_for(&weights);
    int named = 0, without = 0;
    open_once(&spec);
    for (int n = 1, r = -1; r < 0 || fake_cuda_failed(); n++) {
        struct fake_cuda wrong = { .fail_at = n, .error = cudaErrorInvalidValue, .no_support = n % 2 };
        struct why why = { "" };
        r = open_with(&spec, &wrong, &why);
        if (r < 0 && ((r != -EIO && r != -ENOTSUP) || !strstr(why.text, fake_cuda_failed()) || !strstr(why.text, "engine cudnn: ")))
            test_fail(__FILE__, __LINE__, "%s failed: %d, %s", fake_cuda_failed(), r, why.text);
        if (r < 0 && !strcmp(fake_cuda_failed(), "cudnnBackendExecute"))
            CHECK_CONTAINS(why.text, " (f16 2 ");
        named += r < 0;
        without += r == 0;
    }
    test_note("%d failures of an open were named, %d done without", named, without);
    CHECK(named > 500);
}

TEST(memory_that_is_short_for_a_moment_costs_half_the_batch_at_most)
{
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = spec_for(&weights);
    struct why why = { "" };
    int n = 1, r;
    open_once(&spec);
    do {
        struct fake_cuda wrong = { .fail_at = n++, .error = cudaErrorMemoryAllocation };
        r = open_with(&spec, &wrong, &why);
        if (r == -ENOMEM && strcmp(fake_cuda_failed(), "cudaGetDeviceCount"))
            test_fail(__FILE__, __LINE__, "%s was short of memory once: %s", fake_cuda_failed(), why.text);
    } while (r < 0 || fake_cuda_failed());
}

/* ---- time --------------------------------------------------------------------------------------------------------------------- */

/* All that `--tune off` costs but cuDNN's own share (tests/gpu/plans --untuned says that) and the device's. */
TEST(an_open_without_tuning_runs_one_plan_a_shape_and_measures_none)
{
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = engine_spec_of(network_find("resnet50"), &weights);
    struct timespec from, to;
    spec.precision = PRECISION_F16;
    spec.emit = EMIT_TOPK;
    spec.height = spec.width = 224;
    spec.batch = 256;
    struct why why = { "" };
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    CHECK_INT(open_with(&spec, &(struct fake_cuda){ .counted = "cudnnBackendExecute" }, &why), 0);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    test_note("%.2f s of CPU for ResNet-50, batch 256, f16", (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec));
    /* 24 shapes: by itself, in a graph, and 20 with a ReLU on NaNs; 53 layers: to warm up, and in the graphs of two lanes. */
    CHECK_INT(fake_cuda_counted(), 24 * 2 + 20 + 53 * 3);
}

/* ---- a device that hangs ---------------------------------------------------------------------------------------------------- */

static int open_impatiently(int device, struct gpu **ret, struct why *why)
{
    int r = gpu_cuda.open(device, ret, why);
    if (r == 0)
        (*ret)->patience_ns = 3000000;
    return r;
}

TEST(a_device_that_is_never_ready_is_lost_and_its_engine_can_be_closed)
{
    struct gpu_ops impatient = gpu_cuda;
    impatient.open = open_impatiently;
    const struct engine_ops *ops = cudnn_engine(&impatient);
    CLEANUP(weights_closep) struct weights *weights = NULL;
    struct engine_spec spec = spec_for(&weights);
    struct engine *engine = NULL;
    struct why why = { "" };
    fake_cuda_set(&(struct fake_cuda){ 0 });
    CHECK_INT(ops->open(&spec, &engine, &why), 0);
    fake_cuda_set(&(struct fake_cuda){ .hang_at = 10 });
    CHECK_INT(engine_run_slots(ops, engine, &why), -ENOTRECOVERABLE);
    CHECK_CONTAINS(why.text, "device 0, Fake CUDA: the GPU is lost, and comes back, if at all, for a new process only: the GPU hangs");
    int left = fake_cuda_left();
    ops->close(engine);
    CHECK_INT(fake_cuda_left(), left);
}

#else

TEST(errors_of_cuda_and_cudnn_mean_something)
{
    test_skip("CUDA's headers are not here");
}

#endif
