/* budget.h: how many bytes a stage may hold at once. One item larger than the whole budget is admitted when it is alone.
 *
 * Threads:   any.
 * Errors:    -EPIPE once closed. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct budget {
    pthread_mutex_t lock;
    pthread_cond_t freed;
    size_t limit, used;
    bool closed;
};

void budget_init(struct budget *budget, size_t limit);
void budget_done(struct budget *budget);
int budget_take(struct budget *budget, size_t size); /* waits */
void budget_give(struct budget *budget, size_t size);
void budget_close(struct budget *budget); /* wakes everyone */
