#include "worker/budget.h"

#include "common/thread.h"
#include "tests/test.h"

#include <stdatomic.h>
#include <stdint.h>

TEST(what_fits_is_given_at_once)
{
    struct budget budget;
    budget_init(&budget, 100);
    budget_take(&budget, 60);
    budget_take(&budget, 40);
    budget_take(&budget, 0);
    CHECK_INT(budget.used, 100);
    budget_give(&budget, 100);
    budget_take(&budget, SIZE_MAX); /* too large for any budget: alone */
    budget_give(&budget, SIZE_MAX);
    CHECK_INT(budget.used, 0);
    budget_done(&budget);
}

#define LIMIT 100

struct crowd {
    struct budget budget;
    atomic_size_t held, alone;
};

static void take_and_give(void *arg)
{
    struct crowd *crowd = arg;
    for (size_t i = 0; i < 2000; i++) {
        size_t size = i % 50 == 7 ? 250 : i % 60;
        budget_take(&crowd->budget, size);
        size_t held = atomic_fetch_add(&crowd->held, size) + size;
        if (size > LIMIT)
            atomic_fetch_add(&crowd->alone, held == size);
        else
            CHECK(held <= LIMIT || size == 0);
        atomic_fetch_sub(&crowd->held, size);
        budget_give(&crowd->budget, size);
    }
}

TEST(a_crowd_never_holds_more_than_the_limit_and_the_oversize_come_alone)
{
    struct crowd crowd = { 0 };
    struct thread threads[4] = { 0 };
    budget_init(&crowd.budget, LIMIT);
    for (int i = 0; i < 4; i++)
        CHECK_INT(thread_start(&threads[i], "crowd", take_and_give, &crowd), 0);
    for (int i = 0; i < 4; i++)
        thread_join(&threads[i]);
    CHECK_INT(crowd.alone, 4 * 40);
    CHECK_INT(crowd.budget.used, 0);
    budget_done(&crowd.budget);
}

static void count_call(void *arg)
{
    (*(int *)arg)++;
}

TEST(who_may_not_wait_has_a_place_in_the_line_and_is_told)
{
    struct budget budget;
    int calls = 0;
    struct budget_place large = { .tell = count_call, .arg = &calls }, small = large, gone = large;
    budget_init(&budget, 10);
    CHECK(budget_ask(&budget, &small, 8));
    CHECK(!budget_ask(&budget, &large, 30));
    CHECK(!budget_ask(&budget, &gone, 1));
    CHECK(!budget_try(&budget, 1)); /* it would fit, and others were there before */
    CHECK(!budget_given(&budget, &large) && calls == 0);
    budget_give(&budget, 8);
    CHECK(budget_given(&budget, &large) && !budget_given(&budget, &gone) && calls == 1);
    CHECK_INT(budget_leave(&budget, &gone), 0);
    CHECK_INT(budget_leave(&budget, &large), 30);
    budget_give(&budget, 30);
    CHECK(budget_try(&budget, 10) && !budget_try(&budget, 1));
    budget_give(&budget, 10);
    CHECK_INT(budget.used, 0);
    budget_done(&budget);
}

TEST(leaving_the_line_lets_those_behind_come_forward)
{
    struct budget budget;
    int calls = 0;
    struct budget_place large = { .tell = count_call, .arg = &calls }, small = large;
    budget_init(&budget, 10);
    CHECK(budget_try(&budget, 5));
    CHECK(!budget_ask(&budget, &large, 6));
    CHECK(!budget_ask(&budget, &small, 5));
    CHECK_INT(budget_leave(&budget, &large), 0);
    CHECK(budget_given(&budget, &small) && calls == 1);
    budget_done(&budget);
}
