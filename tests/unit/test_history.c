#include "coordinator/history.h"

#include "tests/test.h"

static struct history history;

static void run_for(uint64_t ticks)
{
    for (uint64_t i = 0; i <= ticks; i++) {
        uint64_t at = i * HISTORY_FIRST_NS;
        struct rec_stage stages[2] = { { .name = "fetch", .items = 3 * i }, { .name = "decode", .items = 2 * i } };
        if (!history_due(&history, at))
            continue;
        struct history_point *point = history_begin(&history, at, i);
        history_count(&history, point, stages, 2);
        history_count(&history, point, stages + 1, 1);
    }
}

TEST(a_run_of_any_length_fits_and_keeps_its_beginning_and_even_steps)
{
    run_for(100000);
    CHECK(history.count > HISTORY_POINTS / 2 - 2 && history.count <= HISTORY_POINTS);
    CHECK_INT(history.points[0].at_ns, 0);
    uint64_t step = history.points[1].at_ns;
    CHECK_INT(step, history.interval_ns);
    for (uint32_t i = 0; i < history.count; i++) {
        CHECK_INT(history.points[i].at_ns, i * step);
        CHECK_INT(history.points[i].items[0], 3 * history.points[i].done);
        CHECK_INT(history.points[i].items[1], 4 * history.points[i].done);
    }
    CHECK(history.points[history.count - 1].at_ns + 2 * step > 100000ull * HISTORY_FIRST_NS);
}

TEST(a_short_run_keeps_every_point)
{
    run_for(50);
    CHECK_INT(history.count, 51);
    CHECK_INT(history.stages, 2);
    CHECK_STR(history.stage[1], "decode");
}

TEST(more_stages_than_fit_are_left_out)
{
    char names[LIMIT_STAGES + 4][8];
    struct rec_stage stages[LIMIT_STAGES + 4];
    for (uint32_t i = 0; i < LIMIT_STAGES + 4; i++) {
        snprintf(names[i], sizeof(names[i]), "s%u", i);
        stages[i] = (struct rec_stage){ .name = names[i], .items = i };
    }
    struct history_point *point = history_begin(&history, 0, 0);
    history_count(&history, point, stages, LIMIT_STAGES + 4);
    CHECK_INT(history.stages, LIMIT_STAGES);
    CHECK_INT(point->items[LIMIT_STAGES - 1], LIMIT_STAGES - 1);
}
