#include "common/s3/retry.h"

#include "common/clock.h"

#include <math.h>

#define COST_RETRY     5
#define COST_TIMEOUT   10
#define INCOME         1 /* of a success that needed no retry */
#define PAUSE_MAX_S    20

void retry_budget_init(struct retry_budget *budget)
{
    atomic_init(&budget->tokens, RETRY_BUDGET);
    atomic_init(&budget->retries, 0);
    atomic_init(&budget->exhausted, 0);
}

static bool take_tokens(struct retry_budget *budget, int cost)
{
    int tokens = atomic_load(&budget->tokens);
    while (tokens >= cost)
        if (atomic_compare_exchange_weak(&budget->tokens, &tokens, tokens - cost))
            return true;
    return false;
}

static void give_tokens(struct retry_budget *budget, int income)
{
    int tokens = atomic_load(&budget->tokens), more;
    do
        more = tokens + income < RETRY_BUDGET ? tokens + income : RETRY_BUDGET;
    while (!atomic_compare_exchange_weak(&budget->tokens, &tokens, more));
}

bool retry_again(struct retry_budget *budget, struct retry *retry, enum retry_kind kind, int max_attempts, double random, uint64_t *ret_delay_ns)
{
    int cost = kind == RETRY_TIMEOUT ? COST_TIMEOUT : COST_RETRY;
    retry->attempts++;
    if (kind == RETRY_NEVER || retry->attempts >= max_attempts)
        return false;
    if (!take_tokens(budget, cost)) {
        atomic_fetch_add(&budget->exhausted, 1);
        return false;
    }
    retry->held = cost;
    atomic_fetch_add(&budget->retries, 1);
    double pause = fmin(random * ldexp(1, retry->attempts - 1), PAUSE_MAX_S);
    *ret_delay_ns = (uint64_t)(pause * (double)NS_PER_S);
    return true;
}

void retry_succeeded(struct retry_budget *budget, struct retry *retry)
{
    give_tokens(budget, retry->held ? retry->held : INCOME);
    *retry = (struct retry){ 0 };
}
