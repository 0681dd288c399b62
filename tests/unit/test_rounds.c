#include "worker/fetch/rounds.h"

#include "common/clock.h"
#include "tests/test.h"

/* Whether there is another round after one of so many attempts, and after how many milliseconds. */
static bool go_on(struct get *get, int attempts, double random, uint64_t *ret_ms)
{
    uint64_t rest_ns = 0;
    get->attempt.retry.attempts = attempts;
    bool more = rounds_go_on(get, random, &rest_ns);
    CHECK(get->attempt.retry.attempts == (more ? 0 : attempts));
    *ret_ms = rest_ns / NS_PER_MS;
    return more;
}

TEST(there_are_four_rounds_with_growing_rests_between_them)
{
    struct get get = { 0 };
    uint64_t ms;
    for (uint64_t i = 1; i <= 3; i++) {
        CHECK(go_on(&get, ROUND_ATTEMPTS, 0.5, &ms));
        CHECK_INT(ms, 2000 * i);
    }
    CHECK(!go_on(&get, ROUND_ATTEMPTS, 0.5, &ms));
}

TEST(a_round_that_the_empty_budget_broke_off_tires_a_quarter_as_much)
{
    struct get get = { 0 };
    uint64_t ms;
    for (uint64_t i = 1; i < 16; i++) {
        CHECK(go_on(&get, i % ROUND_ATTEMPTS, 0.5, &ms));
        CHECK_INT(ms, 500 * i);
    }
    CHECK(!go_on(&get, 1, 0.5, &ms));
}

TEST(rests_are_spread_so_that_gets_that_failed_together_do_not_come_back_together)
{
    struct get early = { 0 }, late = { 0 };
    uint64_t ms;
    CHECK(go_on(&early, ROUND_ATTEMPTS, 0, &ms));
    CHECK_INT(ms, 1000);
    CHECK(go_on(&late, ROUND_ATTEMPTS, 0.875, &ms));
    CHECK_INT(ms, 2750);
}
