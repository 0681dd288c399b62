#include "common/s3/retry.h"

#include "common/clock.h"
#include "common/thread.h"
#include "tests/test.h"

static struct retry_budget budget;

static bool again(struct retry *retry, enum retry_kind kind, int max_attempts)
{
    uint64_t delay;
    return retry_again(&budget, retry, kind, max_attempts, 0.5, &delay);
}

TEST(three_attempts_are_made_and_no_more)
{
    struct retry retry = { 0 };
    retry_budget_init(&budget);
    CHECK(again(&retry, RETRY_LATER, 3));
    CHECK(again(&retry, RETRY_LATER, 3));
    CHECK(!again(&retry, RETRY_LATER, 3));
    CHECK_INT(atomic_load(&budget.retries), 2);
    struct retry one = { 0 };
    CHECK(!again(&one, RETRY_LATER, 1));
    struct retry other = { 0 };
    CHECK(!again(&other, RETRY_NEVER, 3));
    CHECK_INT(atomic_load(&budget.exhausted), 0);
}

TEST(pauses_double_up_to_twenty_seconds)
{
    struct retry retry = { 0 };
    uint64_t delay;
    static const double expected_s[] = { 0.5, 1, 2, 4, 8, 16, 20, 20 };
    retry_budget_init(&budget);
    for (int i = 0; i < 8; i++) {
        CHECK(retry_again(&budget, &retry, RETRY_LATER, 100, 0.5, &delay));
        CHECK_INT(delay, (uint64_t)(expected_s[i] * (double)NS_PER_S));
    }
    retry = (struct retry){ 0 };
    CHECK(retry_again(&budget, &retry, RETRY_LATER, 100, 0, &delay));
    CHECK_INT(delay, 0);
}

TEST(a_store_in_trouble_empties_the_budget)
{
    retry_budget_init(&budget);
    for (int i = 0; i < 100; i++) {
        struct retry retry = { 0 };
        CHECK(again(&retry, RETRY_LATER, 3));
    }
    struct retry retry = { 0 };
    CHECK(!again(&retry, RETRY_LATER, 3));
    CHECK_INT(atomic_load(&budget.exhausted), 1);
    for (int i = 0; i < 5; i++) {
        struct retry good = { 0 };
        retry_succeeded(&budget, &good);
    }
    retry = (struct retry){ 0 };
    CHECK(again(&retry, RETRY_LATER, 3));
    CHECK_INT(atomic_load(&budget.tokens), 0);
    retry_succeeded(&budget, &retry); /* what it had taken */
    CHECK_INT(atomic_load(&budget.tokens), 5);
}

TEST(a_timeout_costs_ten_and_the_budget_never_exceeds_its_size)
{
    retry_budget_init(&budget);
    struct retry retry = { 0 };
    CHECK(again(&retry, RETRY_TIMEOUT, 3));
    CHECK_INT(atomic_load(&budget.tokens), 490);
    retry_succeeded(&budget, &retry);
    CHECK_INT(atomic_load(&budget.tokens), 500);
    retry_succeeded(&budget, &retry);
    CHECK_INT(atomic_load(&budget.tokens), 500);
}

static void use(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10000; i++) {
        struct retry retry = { 0 };
        if (again(&retry, RETRY_LATER, 3))
            retry_succeeded(&budget, &retry);
    }
}

TEST(threads_share_a_budget_and_lose_no_token)
{
    struct thread threads[4];
    retry_budget_init(&budget);
    for (int i = 0; i < 4; i++)
        CHECK_INT(thread_start(&threads[i], "user", use, NULL), 0);
    for (int i = 0; i < 4; i++)
        thread_join(&threads[i]);
    CHECK_INT(atomic_load(&budget.tokens), 500);
    CHECK_INT(atomic_load(&budget.retries), 40000);
}
