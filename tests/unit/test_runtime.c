#include "worker/runtime.h"

#include "common/machine.h"
#include "tests/origin.h"
#include "tests/random_weights.h"
#include "tests/test.h"
#include "worker/memory.h"
#include "worker/pipeline_parts.h"

#include <unistd.h>

static const struct runtime_spec spec = { .preset = { .resize = 256, .crop = 224, .std = { 1, 1, 1 } }, .top = 5, .batch = 60 };

static int open_runtime(const char *engine, const struct runtime_spec *wanted, struct runtime **ret, struct why *why)
{
    static struct mailbox box;
    struct tuning tuning = TUNING_DEFAULTS;
    tuning.engine = engine;
    tuning.threads = 2;
    CHECK_INT(mailbox_init(&box), 0);
    why->text[0] = '\0';
    return runtime_open(&tuning, wanted, &box, NULL, NULL, ret, why);
}

TEST(the_sim_engine_needs_no_weights)
{
    struct runtime *runtime;
    struct why why;
    CHECK_INT(open_runtime("sim", &spec, &runtime, &why), 0);
    const struct engine_info *info = pipeline_engine(runtime->pipeline);
    CHECK_STR(info->engine, "sim");
    CHECK_INT(runtime->classes, 1000);
    CHECK_INT(runtime->window, 120 + info->slots * info->batch);
    CHECK_CONTAINS(runtime->fingerprint, info->fingerprint);
    CHECK(strlen(runtime->fingerprint) > strlen(info->fingerprint) + 3);
    CHECK_STR(runtime->sha256, "");
    CHECK(runtime_spec_equal(&runtime->spec, &spec));
    runtime_free(runtime);
    runtime_free(NULL);
}

TEST(a_memory_limit_is_one_of_files_of_all_that_is_fetched_and_of_pictures)
{
    static struct mailbox box;
    struct tuning tuning = TUNING_DEFAULTS;
    struct runtime *runtime;
    struct why why;
    const int64_t limit = (int64_t)machine_resident() + 400 * (int64_t)MIB;
    tuning.engine = "sim";
    tuning.threads = 2;
    tuning.memory_limit = limit;
    CHECK_INT(mailbox_init(&box), 0);
    CHECK_INT(runtime_open(&tuning, &spec, &box, NULL, NULL, &runtime, &why), 0);
    const struct pipeline_spec *pipeline = &runtime->pipeline->spec;
    CHECK(pipeline->file_bytes >= 32 * MIB && pipeline->file_bytes <= 100 * MIB);
    CHECK(pipeline->fetch_bytes >= 32 * MIB && pipeline->fetch_bytes <= 100 * MIB);
    CHECK(pipeline->decode_bytes >= 64 * MIB && pipeline->decode_bytes <= 200 * MIB);
    runtime_free(runtime);
}

TEST(missing_weights_are_told_with_what_to_do)
{
    struct runtime_spec wanted = spec;
    struct runtime *runtime;
    struct why why;
    CHECK_INT(open_runtime("onednn", &wanted, &runtime, &why), -EINVAL);
    CHECK_CONTAINS(why.text, "--weights FILE");
    strcpy(wanted.weights, "/nowhere/model.safetensors");
    CHECK_INT(open_runtime("onednn", &wanted, &runtime, &why), -ENOENT);
    CHECK_CONTAINS(why.text, "/nowhere/model.safetensors");
}

TEST(other_weights_than_the_job_wants_are_refused)
{
    struct runtime_spec wanted = spec;
    struct runtime *runtime;
    struct why why;
    snprintf(wanted.weights, sizeof(wanted.weights), "%s/weights/resnet18-imagenet-pqf.safetensors", test_data());
    if (access(wanted.weights, R_OK) < 0)
        test_skip("no weights at %s", wanted.weights);
    memset(wanted.sha256, 'a', 64);
    CHECK_INT(open_runtime("onednn", &wanted, &runtime, &why), -EBADMSG);
    CHECK_CONTAINS(why.text, "the job wants aaaaaaaaaaaa...; put the same file on every node");
}

static void write_weights(const char *path, int classes)
{
    struct why why;
    if (random_weights_write(path, network_find("resnet18"), classes, DTYPE_BF16, 1, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
}

static void answer_model(void *arg, int fd, const struct origin_request *request)
{
    size_t size;
    CLEANUP(freep) char *data = test_read_file(arg, &size);
    (void)request;
    origin_answer(fd, 200, "", data, size);
}

TEST(a_model_that_was_downloaded_makes_room_in_a_cache_that_it_fills)
{
    static const char old[] = "cache/sha256-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    struct model model = MODEL_NONE;
    struct weights *weights;
    struct why why;
    char path[] = "model.safetensors";
    write_weights(path, 3);
    CHECK_INT(test_shell(NULL, "mkdir -m 700 cache && truncate -s 1M %s", old), 0);
    struct origin *origin = origin_start(answer_model, path);
    const struct model_wish wish = { .weights = origin_url(origin), .sha256 = "", .ranges_sha256 = "", .cache = "cache", .cache_limit = 22 << 20 };
    if (model_open(&wish, NULL, &model, &weights, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    CHECK(weights->size > 21 << 20 && weights->size < 22 << 20); /* it has room, but not beside the old one */
    CHECK(access(old, F_OK) < 0 && access(model.weights, F_OK) == 0);
    weights_close(weights);
    model_done(&model);
    origin_stop(origin);
}

TEST(a_runtime_notices_that_its_weights_were_replaced)
{
    struct runtime_spec wanted = spec;
    struct runtime *runtime;
    struct why why;
    write_weights("model.safetensors", 3);
    strcpy(wanted.weights, "model.safetensors");
    setenv("SLEDDOG_ENGINES", test_build(), 1);
    int r = open_runtime("onednn", &wanted, &runtime, &why);
    if (r < 0 && strstr(why.text, "not found"))
        test_skip("no engine: %s", why.text);
    CHECK_INT(r, 0);
    CHECK(runtime_is_current(runtime));
    write_weights("new", 4);
    CHECK_INT(rename("new", "model.safetensors"), 0);
    CHECK(!runtime_is_current(runtime));
    memcpy(runtime->spec.sha256, runtime->sha256, sizeof(runtime->sha256)); /* the job knows which it wants */
    CHECK(runtime_is_current(runtime));
    runtime->spec.sha256[0] = '\0';
    CHECK_INT(unlink("model.safetensors"), 0);
    CHECK(!runtime_is_current(runtime));
    runtime_free(runtime);
}

TEST(an_engine_that_there_is_not_is_named)
{
    struct runtime *runtime;
    struct why why;
    CHECK_INT(open_runtime("abacus", &spec, &runtime, &why), -EINVAL);
}

TEST(more_classes_than_there_are_are_all_of_them)
{
    struct runtime *runtime;
    struct why why;
    struct runtime_spec wanted = spec;
    wanted.top = 5000;
    CHECK_INT(open_runtime("sim", &wanted, &runtime, &why), 0);
    CHECK_INT(pipeline_engine(runtime->pipeline)->top, 1000);
    runtime_free(runtime);
}

TEST(specs_are_equal_when_all_their_numbers_are)
{
    struct runtime_spec other = spec;
    CHECK(runtime_spec_equal(&spec, &other));
#define DIFFERS(change)                            \
    other = spec;                                  \
    change;                                        \
    CHECK(!runtime_spec_equal(&spec, &other))
    DIFFERS(strcpy(other.weights, "/x"));
    DIFFERS(strcpy(other.sha256, "a"));
    DIFFERS(other.preset.resize++);
    DIFFERS(other.preset.crop++);
    DIFFERS(other.preset.mean[2] = 1);
    DIFFERS(other.preset.std[0] = 2);
    DIFFERS(other.preset.interpolation = INTERPOLATION_BOX);
    DIFFERS(other.preset.exif_orient = true);
    DIFFERS(other.emit = EMIT_LOGITS);
    DIFFERS(other.top++);
    DIFFERS(other.batch++);
    DIFFERS(strcpy(other.ranges_sha256, "a"));
    DIFFERS(strcpy(other.store.endpoint_url, "http://x"));
    DIFFERS(strcpy(other.store.region, "x"));
    DIFFERS(strcpy(other.store.addressing_style, "path"));
    DIFFERS(other.store.no_sign_request = true);
}
