/* retry.h: whether and when to try again: the "standard" mode of AWS's programs.
 *
 * At most 3 attempts; before attempt i+1 a pause of min(rand(0,1) * 2^(i-1), 20) seconds; a budget shared by all requests keeps a store in
 * trouble from being asked three times as much: 500 tokens, 5 for a retry, 10 after a timeout, given back by success (1 when no retry was
 * needed). Source: AWS SDKs and Tools Reference Guide, "Retry behavior", and botocore's retries/standard.py.
 *
 * Threads:   any. Ownership: plain memory. Errors: none. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define RETRY_BUDGET 500

enum retry_kind { RETRY_NEVER, RETRY_LATER, RETRY_TIMEOUT };

struct retry_budget {
    atomic_int tokens;
    atomic_ullong retries;   /* for statistics */
    atomic_ullong exhausted; /* retries not made for want of tokens */
};

/* One request's memory. Zeroed at first. */
struct retry {
    int attempts; /* that have failed */
    int held;     /* tokens taken by the last retry */
};

void retry_budget_init(struct retry_budget *budget);

/* After a failure: whether to go on. `random` in [0, 1). */
bool retry_again(struct retry_budget *budget, struct retry *retry, enum retry_kind kind, int max_attempts, double random, uint64_t *ret_delay_ns);

void retry_succeeded(struct retry_budget *budget, struct retry *retry);
