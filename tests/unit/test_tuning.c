#include "proto/preset.h"
#include "proto/tuning.h"

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

TEST(tuning_survives_being_made_into_arguments)
{
    struct tuning tuning = { "sim", "bf16", 4096, 1024, 1, 2, 3ll << 40, 60000000, "/a cache" };
    struct target got = { .tuning = TUNING_DEFAULTS };
    struct bytes arguments;
    bytes_init(&arguments, 4096);
    CHECK_INT(tuning_arguments(&tuning, &arguments), 0);
    read_back(&arguments, &got);
    CHECK_STR(got.tuning.engine, "sim");
    CHECK_STR(got.tuning.precision, "bf16");
    CHECK_STR(got.tuning.cache, "/a cache");
    CHECK(got.tuning.engine_batch == 4096 && got.tuning.engine_threads == 1024 && got.tuning.threads == 1 &&
          got.tuning.fetch_threads == 2 && got.tuning.fetch_memory == 3ll << 40 && got.tuning.sim_cost_us == 60000000);
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
