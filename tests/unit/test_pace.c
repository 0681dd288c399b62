#include "worker/fetch/pace.h"

#include "common/clock.h"
#include "tests/test.h"

static void add(struct pace *pace, int count, uint64_t ms)
{
    for (int i = 0; i < count; i++)
        pace_add(pace, ms * NS_PER_MS);
}

/* Within the eighth of an octave that a class is wide. */
static bool is_about(uint64_t ns, uint64_t ms)
{
    return ns >= ms * NS_PER_MS && ns <= ms * NS_PER_MS * 5 / 4;
}

TEST(patience_is_three_times_what_nineteen_of_twenty_take)
{
    struct pace pace = { 0 };
    add(&pace, PACE_SAMPLES - 1, 100);
    CHECK_INT(pace_patience_ns(&pace), 0);
    add(&pace, 1, 100);
    CHECK(is_about(pace_patience_ns(&pace), 300));
    add(&pace, 40, 4000); /* more than one of twenty */
    CHECK(is_about(pace_patience_ns(&pace), 12000));
    add(&pace, 5000, 100); /* long ago */
    CHECK(is_about(pace_patience_ns(&pace), 300));
    struct pace mixed = { 0 };
    for (int i = 0; i < 200; i++)
        add(&mixed, 1, i % 25 ? 100 : 9000);
    CHECK(is_about(pace_patience_ns(&mixed), 300));
}

TEST(what_was_long_ago_counts_for_less)
{
    struct pace pace = { 0 };
    add(&pace, 40000, 100);
    add(&pace, 1500, 4000); /* less than one of twenty in all, and most of the last ones */
    CHECK(is_about(pace_patience_ns(&pace), 12000));
}

TEST(what_is_quick_anyway_is_not_copied)
{
    struct pace pace = { 0 };
    add(&pace, 100, 0);
    CHECK_INT(pace_patience_ns(&pace), 50 * NS_PER_MS);
}

TEST(any_duration_can_be_counted)
{
    struct pace pace = { 0 };
    for (uint64_t ns = 1; ns < UINT64_MAX / 2; ns *= 2)
        pace_add(&pace, ns);
    pace_add(&pace, UINT64_MAX);
    CHECK(pace_patience_ns(&pace) > 0);
}

TEST(copies_are_a_twentieth_of_all)
{
    struct pace pace = { 0 };
    CHECK(!pace_take_copy(&pace));
    add(&pace, 60, 10);
    CHECK(pace_take_copy(&pace) && pace_take_copy(&pace) && pace_take_copy(&pace) && !pace_take_copy(&pace));
    add(&pace, 10000, 10);
    int copies = 0;
    while (pace_take_copy(&pace))
        copies++;
    CHECK_INT(copies, 16); /* what may be saved up */
}
