#include "proto/preset.h"
#include "proto/tuning.h"

#include "common/cleanup.h"
#include "tests/test.h"

struct target {
    struct tuning tuning;
};

static const struct option_row rows[] = {
    TUNING_ROWS(struct target, tuning),
    { 0 },
};

static void read_back(struct bytes *arguments, struct target *target)
{
    char *argv[64] = { (char *)"worker" };
    int argc = 1, first;
    struct why why;
    for (char *at = arguments->data; at < arguments->data + arguments->size && argc < 63; at += strlen(at) + 1)
        argv[argc++] = at;
    CHECK_INT(options_parse(rows, target, argc, argv, &first, &why), 0);
    CHECK_INT(first, argc);
}

TEST(options_that_contradict_each_other_are_told)
{
    struct tuning tuning = TUNING_DEFAULTS;
    struct why why;
    tuning.recheck = 10;
    CHECK_INT(tuning_check(&tuning, &why), 0);
    tuning.precision = "int8";
    CHECK_INT(tuning_check(&tuning, &why), 0);
    tuning.precision = "f32";
    CHECK_INT(tuning_check(&tuning, &why), -EINVAL);
    CHECK_STR(why.text, "--recheck 10: computes again what int8 leaves undecided, but --precision f32 was asked for; leave one of the two out");
    tuning.recheck = 0;
    CHECK_INT(tuning_check(&tuning, &why), 0);
    tuning.decode = "none";
    CHECK_INT(tuning_check(&tuning, &why), -EINVAL);
    CHECK_CONTAINS(why.text, "--decode none: ");
    tuning.engine = "sim";
    CHECK_INT(tuning_check(&tuning, &why), 0);
}

static void expect_refused(struct tuning tuning, const char *sentence)
{
    struct why why;
    CHECK_INT(tuning_check(&tuning, &why), -EINVAL);
    CHECK_STR(why.text, sentence);
}

static void expect_taken(struct tuning tuning)
{
    struct why why;
    if (tuning_check(&tuning, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
}

#define TUNED(...) ((struct tuning){ .engine = "auto", .precision = "auto", .decode = "exact", __VA_ARGS__ })
#define ON_CPU(...) ((struct tuning){ .engine = "onednn", .decode = "exact", __VA_ARGS__ })

TEST(what_an_engine_will_never_do_is_told)
{
    static const char *const lists[] = { "x", "0,", ",0", "0,,1", "0 1", "-1", "All" };
    expect_refused(ON_CPU(.precision = "f16"), "--precision f16: engine onednn computes in f32 or int8; give one of these, or auto");
    expect_refused(ON_CPU(.precision = "bf16"), "--precision bf16: engine onednn computes in f32 or int8; give one of these, or auto");
    expect_refused(ON_CPU(.precision = "f32", .devices = "7"), "--devices 7: names GPUs, and engine onednn computes on the CPU; leave the option out");
    expect_taken(ON_CPU(.precision = "f32", .devices = "cpu"));
    expect_taken(TUNED(.devices = "7")); /* there may be GPUs */
    expect_taken(TUNED(.devices = "all"));
    expect_taken(TUNED(.devices = "0,1,12"));
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        char sentence[128];
        snprintf(sentence, sizeof(sentence), "--devices %s: not a list like 0,1, and not \"all\"", lists[i]);
        expect_refused(TUNED(.devices = lists[i]), sentence);
    }
}

TEST(what_can_be_no_store_is_told)
{
    expect_refused(TUNED(.s3.region = "eu west"), "--region: \"eu west\" is no region; they look like eu-west-1");
    expect_refused(TUNED(.s3.endpoint_url = "x"), "--endpoint-url: an endpoint begins with https:// or http://, such as https://ceph.example.org");
    expect_taken(TUNED(.s3 = { .region = "eu-west-1", .endpoint_url = "https://host/path/", .profile = "may come", .ca_bundle = "/may/come" }));
}

TEST(tuning_survives_being_made_into_arguments)
{
    struct tuning tuning = { .engine = "sim", .precision = "bf16", .ranges = "/some ranges", .recheck = 7, .engine_batch = 4096, .engine_threads = 1024, .threads = 1,
                             .fetch_threads = 2, .fetch_memory = 3ll << 40, .memory_limit = 5ll << 30, .image_cpu_limit = 7,
                             .sim_cost_us = 60000000, .cache = "/a cache", .devices = "0,1", .tune = "off", .fetch_loops = 3,
                             .fetch_concurrency = 4096, .fetch_timeout = 9, .store_timeout = 0, .decode = "none",
                             .s3 = { .endpoint_url = "http://s3", .no_sign_request = true } };
    struct target got = { .tuning = TUNING_DEFAULTS };
    struct bytes arguments;
    bytes_init(&arguments, 4096);
    CHECK_INT(tuning_arguments(&tuning, &arguments), 0);
    read_back(&arguments, &got);
    CHECK_STR(got.tuning.engine, "sim");
    CHECK_STR(got.tuning.precision, "bf16");
    CHECK_INT(got.tuning.recheck, 7);
    CHECK_STR(got.tuning.ranges, "/some ranges");
    CHECK_STR(got.tuning.cache, "/a cache");
    CHECK_STR(got.tuning.devices, "0,1");
    CHECK_STR(got.tuning.tune, "off");
    CHECK_STR(got.tuning.decode, "none");
    CHECK_STR(got.tuning.s3.endpoint_url, "http://s3");
    CHECK(got.tuning.engine_batch == 4096 && got.tuning.engine_threads == 1024 && got.tuning.threads == 1 &&
          got.tuning.fetch_threads == 2 && got.tuning.fetch_memory == 3ll << 40 && got.tuning.sim_cost_us == 60000000 &&
          got.tuning.fetch_loops == 3 && got.tuning.fetch_concurrency == 4096 && got.tuning.fetch_timeout == 9 && got.tuning.store_timeout == 0 &&
          got.tuning.s3.no_sign_request && got.tuning.memory_limit == 5ll << 30 && got.tuning.image_cpu_limit == 7);
    bytes_done(&arguments);
}

TEST(the_defaults_are_within_their_own_limits)
{
    struct tuning tuning = TUNING_DEFAULTS;
    struct target got;
    struct bytes arguments;
    bytes_init(&arguments, 4096);
    CHECK_INT(tuning_arguments(&tuning, &arguments), 0);
    memset(&got, 0xff, sizeof(got));
    read_back(&arguments, &got);
    CHECK_INT(got.tuning.threads, 32);
    CHECK_INT(got.tuning.fetch_memory, 256 << 20);
    bytes_done(&arguments);
}

TEST(too_little_room_for_arguments_is_an_error)
{
    struct tuning tuning = TUNING_DEFAULTS;
    struct bytes arguments;
    bytes_init(&arguments, 20);
    CHECK_INT(tuning_arguments(&tuning, &arguments), -EMSGSIZE);
}

TEST(presets_are_found_by_name_and_by_number)
{
    const struct preset *preset = preset_find("torchvision");
    CHECK(preset && preset == preset_at(0) && preset->resize == 256 && preset->crop == 224 && preset->mean[2] == 0.406f);
    CHECK_INT(preset_find("torchvision-v2")->resize, 232);
    preset = preset_find("article");
    CHECK(preset->crop == 250 && preset->mean[0] == 0 && preset->std[0] == 1);
    CHECK(!preset_find("") && !preset_find("Torchvision") && !preset_at(-1));
    int count = 0;
    for (; (preset = preset_at(count)); count++)
        CHECK(preset_find(preset->name) == preset && preset->crop <= preset->resize);
    CHECK_INT(count, 3);
}

static void changed(const struct preset_options *options, struct preset *ret)
{
    struct why why = { "" };
    if (preset_from_options(options, ret, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
}

TEST(options_change_what_a_preset_says_and_nothing_else)
{
    struct preset preset;
    const struct preset *named = preset_find("torchvision");
    changed(&(struct preset_options){ .preset = "torchvision" }, &preset);
    CHECK(preset.resize == named->resize && preset.crop == named->crop && !memcmp(preset.mean, named->mean, sizeof(preset.mean)));
    CHECK(preset.interpolation == INTERPOLATION_BILINEAR && !preset.exif_orient);
    changed(&(struct preset_options){ .preset = "article", .resize = 300, .mean = "0.5,.25,-1e0", .interpolation = "lanczos" }, &preset);
    CHECK(preset.resize == 300 && preset.crop == 250 && preset.std[0] == 1 && preset.interpolation == INTERPOLATION_LANCZOS);
    CHECK(preset.mean[0] == 0.5f && preset.mean[1] == 0.25f && preset.mean[2] == -1);
    changed(&(struct preset_options){ .preset = "torchvision", .crop = 7, .std = "1,2,3", .exif_orient = true }, &preset);
    CHECK(preset.crop == 7 && preset.std[2] == 3 && preset.mean[0] == named->mean[0] && preset.exif_orient);
}

static void refused(const struct preset_options *options, const char *part)
{
    struct preset preset;
    struct why why = { "" };
    CHECK_INT(preset_from_options(options, &preset, &why), -EINVAL);
    CHECK_CONTAINS(why.text, part);
}

TEST(numbers_without_sense_are_refused_by_name)
{
    static const char *const bad[] = { "", "1", "1,2", "1,2,", "1,2,3,4", "1,2,3 ", "a,b,c", "1;2;3", "nan,0,0", "inf,0,0", "1,2,3x", ",," };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        refused(&(struct preset_options){ .preset = "torchvision", .mean = bad[i] }, "--mean: \"");
        refused(&(struct preset_options){ .preset = "torchvision", .std = bad[i] }, "--std: \"");
    }
    refused(&(struct preset_options){ .preset = "torchvision", .std = "1,0,1" }, "--std: 0 in \"1,0,1\" is outside 0.001 to 1000; ");
    refused(&(struct preset_options){ .preset = "torchvision", .mean = "1,1e9,1" }, "--mean: 1e+09 in \"1,1e9,1\" is outside -1000 to 1000; ");
    refused(&(struct preset_options){ .preset = "v9" }, "\"v9\"");
}

TEST(every_interpolation_has_a_name_that_the_options_know)
{
    char names[128] = "";
    for (int i = 0; i < INTERPOLATION_COUNT; i++)
        snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", i ? "|" : "", interpolation_name((enum interpolation)i));
    CHECK_STR(names, INTERPOLATION_NAMES);
}
