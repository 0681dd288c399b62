#include "worker/budget.h"

void budget_init(struct budget *budget, size_t limit)
{
    *budget = (struct budget){ .limit = limit };
    budget->last = &budget->first;
    pthread_mutex_init(&budget->lock, NULL);
    pthread_cond_init(&budget->freed, NULL);
}

void budget_done(struct budget *budget)
{
    pthread_cond_destroy(&budget->freed);
    pthread_mutex_destroy(&budget->lock);
}

/* The functions below are called with the lock held. */

static bool fits(const struct budget *budget, size_t size)
{
    return !budget->used || (budget->used <= budget->limit && size <= budget->limit - budget->used);
}

static void join_line(struct budget *budget, struct budget_place *place)
{
    place->next = NULL;
    place->given = !budget->first && fits(budget, place->size);
    place->waiting = !place->given;
    if (place->given) {
        budget->used += place->size;
        return;
    }
    *budget->last = place;
    budget->last = &place->next;
}

static void leave_line(struct budget *budget, struct budget_place *place)
{
    struct budget_place **at = &budget->first;
    while (*at != place)
        at = &(*at)->next;
    *at = place->next;
    if (budget->last == &place->next)
        budget->last = at;
    place->waiting = false;
}

static void serve_line(struct budget *budget)
{
    bool threads = false;
    while (budget->first && fits(budget, budget->first->size)) {
        struct budget_place *place = budget->first;
        leave_line(budget, place);
        budget->used += place->size;
        place->given = true;
        if (place->tell)
            place->tell(place->arg);
        else
            threads = true;
    }
    if (threads)
        pthread_cond_broadcast(&budget->freed);
}

/* ---- */

void budget_take(struct budget *budget, size_t size)
{
    struct budget_place place = { .size = size };
    pthread_mutex_lock(&budget->lock);
    join_line(budget, &place);
    while (place.waiting)
        pthread_cond_wait(&budget->freed, &budget->lock);
    pthread_mutex_unlock(&budget->lock);
}

bool budget_try(struct budget *budget, size_t size)
{
    pthread_mutex_lock(&budget->lock);
    bool given = !budget->first && fits(budget, size);
    if (given)
        budget->used += size;
    pthread_mutex_unlock(&budget->lock);
    return given;
}

bool budget_ask(struct budget *budget, struct budget_place *place, size_t size)
{
    place->size = size;
    pthread_mutex_lock(&budget->lock);
    join_line(budget, place);
    bool given = place->given;
    pthread_mutex_unlock(&budget->lock);
    return given;
}

bool budget_given(struct budget *budget, const struct budget_place *place)
{
    pthread_mutex_lock(&budget->lock);
    bool given = place->given;
    pthread_mutex_unlock(&budget->lock);
    return given;
}

size_t budget_leave(struct budget *budget, struct budget_place *place)
{
    pthread_mutex_lock(&budget->lock);
    if (place->waiting) {
        leave_line(budget, place);
        serve_line(budget);
    }
    size_t given = place->given ? place->size : 0;
    place->given = false;
    pthread_mutex_unlock(&budget->lock);
    return given;
}

void budget_give(struct budget *budget, size_t size)
{
    pthread_mutex_lock(&budget->lock);
    budget->used -= size;
    serve_line(budget);
    pthread_mutex_unlock(&budget->lock);
}
