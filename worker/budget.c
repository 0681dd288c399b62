#include "worker/budget.h"

#include <errno.h>

void budget_init(struct budget *budget, size_t limit)
{
    *budget = (struct budget){ .limit = limit };
    pthread_mutex_init(&budget->lock, NULL);
    pthread_cond_init(&budget->freed, NULL);
}

void budget_done(struct budget *budget)
{
    pthread_cond_destroy(&budget->freed);
    pthread_mutex_destroy(&budget->lock);
}

static bool fits(const struct budget *budget, size_t size)
{
    return !budget->used || (budget->used <= budget->limit && size <= budget->limit - budget->used);
}

int budget_take(struct budget *budget, size_t size)
{
    int r = 0;
    pthread_mutex_lock(&budget->lock);
    while (!fits(budget, size) && !budget->closed)
        pthread_cond_wait(&budget->freed, &budget->lock);
    if (budget->closed)
        r = -EPIPE;
    else
        budget->used += size;
    pthread_mutex_unlock(&budget->lock);
    return r;
}

void budget_give(struct budget *budget, size_t size)
{
    pthread_mutex_lock(&budget->lock);
    budget->used -= size;
    pthread_cond_broadcast(&budget->freed);
    pthread_mutex_unlock(&budget->lock);
}

void budget_close(struct budget *budget)
{
    pthread_mutex_lock(&budget->lock);
    budget->closed = true;
    pthread_cond_broadcast(&budget->freed);
    pthread_mutex_unlock(&budget->lock);
}
