/* budget.h: how many bytes a stage may hold at once, first come, first served. One item larger than the whole budget is admitted when it is
 * alone; nobody passes those who wait, so it will be.
 *
 * Threads:   any. A thread that must not wait takes a place in the line (budget_ask()) and is told.
 * Ownership: a struct budget_place is the asker's, and must stay where it is while it waits.
 * Errors:    none: who waits is served as soon as those before it give back what they hold. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* In the line. */
struct budget_place {
    struct budget_place *next;
    size_t size;
    bool waiting, given;
    void (*tell)(void *arg); /* called by whoever gives, with the budget's lock held: it may only wake somebody. NULL: a thread waits */
    void *arg;
};

struct budget {
    pthread_mutex_t lock;
    pthread_cond_t freed;
    size_t limit, used;
    struct budget_place *first, **last;
};

void budget_init(struct budget *budget, size_t limit);
void budget_done(struct budget *budget);
void budget_take(struct budget *budget, size_t size); /* waits */
void budget_give(struct budget *budget, size_t size);

/* Takes what fits at once and nobody waits for. */
bool budget_try(struct budget *budget, size_t size);

/* `tell` and `arg` of the place are set. True: given at once; false: in the line, and told later. */
bool budget_ask(struct budget *budget, struct budget_place *place, size_t size);

/* Whether the place's turn has come. */
bool budget_given(struct budget *budget, const struct budget_place *place);

/* Out of the line. Returns the bytes that had been given already: they are the asker's. */
size_t budget_leave(struct budget *budget, struct budget_place *place);
