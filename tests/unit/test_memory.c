/* test_memory.c: how a memory limit is divided, and what engine is too large for it. */
#include "worker/engine_memory.h"
#include "worker/memory.h"

#include "common/machine.h"
#include "tests/test.h"


static struct memory_plan plan(uint64_t limit, uint64_t machine, uint64_t resident, uint64_t fetch)
{
    struct memory_plan memory;
    struct why why;
    CHECK_INT(memory_plan(limit, machine, resident, fetch, &memory, &why), 0);
    return memory;
}

TEST(what_the_model_leaves_is_divided)
{
    struct memory_plan memory = plan(500 * MIB, 8192 * MIB, 100 * MIB, 256 * MIB);
    CHECK(memory.file == 100 * MIB && memory.fetched == 100 * MIB && memory.decoded == 200 * MIB);
    memory = plan(500 * MIB, 8192 * MIB, 100 * MIB, 10 * MIB);
    CHECK(memory.file == 100 * MIB && memory.fetched == 10 * MIB);
}

TEST(without_a_limit_most_of_the_machine_is_meant)
{
    struct memory_plan memory = plan(0, 1000 * MIB, 400 * MIB, 256 * MIB);
    CHECK(memory.decoded == 200 * MIB && memory.fetched == 100 * MIB);
    memory = plan(0, 100 * MIB, 400 * MIB, 256 * MIB); /* too small for the model: nobody said so */
    CHECK(memory.decoded == 16 * MIB && memory.fetched == 8 * MIB);
}

TEST(a_limit_that_leaves_nothing_is_refused_with_one_that_does)
{
    struct memory_plan memory;
    struct why why;
    CHECK_INT(memory_plan(400 * MIB, 8192 * MIB, 390 * MIB, MIB, &memory, &why), -EINVAL);
    CHECK_CONTAINS(why.text, "--memory-limit of 400 MiB: the model and the engine alone hold 390 MiB; give at least 423 MiB");
    plan(423 * MIB, 8192 * MIB, 390 * MIB, MIB);
    plan(422 * MIB, 8192 * MIB, 390 * MIB, MIB); /* the least is for what is no whole MiB, too */
    CHECK_INT(memory_plan(422 * MIB, 8192 * MIB, 390 * MIB + 1, MIB, &memory, &why), -EINVAL);
}

TEST(a_limit_below_what_the_program_needs_is_told_without_a_model)
{
    struct why why;
    CHECK_INT(memory_check_limit(0, 20 * MIB, &why), 0);
    CHECK_INT(memory_check_limit(53 * MIB, 20 * MIB, &why), 0);
    CHECK_INT(memory_check_limit(1, 20 * MIB, &why), -EINVAL);
    CHECK_STR(why.text, "--memory-limit 1: this program needs 53 MiB, and a model and its engine come on top of that");
}

/* ---- engines ---- */

static uint64_t needed;

static uint64_t say_needed(const struct engine_spec *spec)
{
    (void)spec;
    return needed;
}

static const struct engine_ops cpu = { .name = "onednn", .memory = say_needed }, gpu = { .name = "cudnn", .memory = say_needed }, silent = { .name = "mute" };

TEST(an_engine_that_needs_more_than_the_limit_is_refused_with_the_options_to_change)
{
    struct tuning tuning = { .memory_limit = (int64_t)(1000 * MIB) };
    struct engine_spec spec = { .width = 224, .height = 224, .batch = 256, .threads = 1 };
    struct why why;
    needed = 900 * MIB;
    CHECK_INT(engine_memory_check(&cpu, &spec, &tuning, 100 * MIB, &why), 0);
    needed++;
    CHECK_INT(engine_memory_check(&cpu, &spec, &tuning, 100 * MIB, &why), -EINVAL);
    CHECK_STR(why.text, "--memory-limit of 1000 MiB: engine onednn would need at least 900 MiB for images of 224x224 pixels, 256 at once, 1 thread; give the worker a smaller "
                        "--engine-batch, fewer --engine-threads or at least --memory-limit 1145M, or the job a smaller --crop");
    CHECK_INT(engine_memory_check(&gpu, &spec, &tuning, 100 * MIB, &why), -EINVAL);
    CHECK_CONTAINS(why.text, "give the worker a smaller --engine-batch or at least");
    CHECK_INT(engine_memory_check(&silent, &spec, &tuning, 100 * MIB, &why), 0);
}

TEST(without_a_limit_an_engine_may_need_most_of_the_machine)
{
    struct tuning tuning = { .memory_limit = 0 };
    struct engine_spec spec = { .width = 4096, .height = 4096 };
    struct why why;
    needed = memory_whole(0, machine_memory());
    CHECK_INT(engine_memory_check(&cpu, &spec, &tuning, 0, &why), 0);
    CHECK_INT(engine_memory_check(&cpu, &spec, &tuning, 1, &why), -EINVAL);
    CHECK_CONTAINS(why.text, " MiB that a worker may hold here without --memory-limit: engine onednn would need");
    CHECK_CONTAINS(why.text, "for images of 4096x4096 pixels; give");
    tuning.memory_limit = INT64_MAX; /* who says so gets more */
    CHECK_INT(engine_memory_check(&cpu, &spec, &tuning, 1, &why), 0);
}
