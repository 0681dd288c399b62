/* test_pulse.c: whether a worker says of itself that it stands still. */
#include "common/clock.h"
#include "tests/test.h"
#include "worker/worker.h"

#define STALL 1000

TEST(a_model_that_is_being_loaded_may_stand_still_for_longer_than_work)
{
    struct worker worker = { .loader = { .running = true, .still_ns = LOAD_STALLS * STALL - 1 } };
    char text[200];
    CHECK(!worker_stands_still(&worker, STALL, text, sizeof(text)));
    worker.loader.still_ns++;
    CHECK(worker_stands_still(&worker, STALL, text, sizeof(text)));
    CHECK_STR(text, "loading a model stands still there");
    worker.loader.running = false;
    CHECK(!worker_stands_still(&worker, STALL, text, sizeof(text)));
}

TEST(while_a_model_is_loaded_that_is_the_only_stage)
{
    struct worker worker = { .loader = { .running = true, .still_ns = 7 * NS_PER_MS } };
    struct rec_stage stages[STAGE_COUNT];
    CHECK_INT(worker_stages(&worker, stages), 1);
    CHECK_STR(stages[0].name, "load");
    CHECK(stages[0].active == 1 && stages[0].still_ms == 7);
    worker.loader.running = false;
    CHECK_INT(worker_stages(&worker, stages), 0);
}
