/* test_memory.c: how a memory limit is divided, and that the pipeline keeps to what a picture may take. */
#include "worker/memory.h"

#include "tests/test.h"

#define MIB ((uint64_t)1 << 20)

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
}
