#include "common/queue.h"
#include "common/thread.h"

#include "tests/test.h"

#include <stdatomic.h>

TEST(items_come_out_in_the_order_they_went_in)
{
    struct queue *queue;
    int items[5];
    void *got;
    CHECK_INT(queue_new(3, &queue), 0);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 3; i++)
            CHECK_INT(queue_push(queue, &items[i]), 0);
        for (int i = 0; i < 3; i++) {
            CHECK_INT(queue_pop(queue, &got), 0);
            CHECK(got == &items[i]);
        }
    }
    queue_free(queue);
}

TEST(a_closed_queue_refuses_pushes_and_can_be_emptied)
{
    struct queue *queue;
    int item;
    void *got;
    CHECK_INT(queue_new(2, &queue), 0);
    queue_push(queue, &item);
    queue_close(queue);
    CHECK_INT(queue_push(queue, &item), -EPIPE);
    CHECK_INT(queue_pop(queue, &got), 0);
    CHECK_INT(queue_pop(queue, &got), -EPIPE);
    queue_free(queue);
    queue_free(NULL);
}

struct waiter {
    struct queue *queue;
    struct thread thread;
    bool pushes;
    int r;
};

static void run_waiter(void *arg)
{
    struct waiter *waiter = arg;
    void *got;
    waiter->r = waiter->pushes ? queue_push(waiter->queue, waiter) : queue_pop(waiter->queue, &got);
}

static void check_close_wakes(bool pushes)
{
    struct queue *queue;
    struct waiter waiters[4] = { 0 };
    CHECK_INT(queue_new(1, &queue), 0);
    if (pushes)
        queue_push(queue, &waiters);
    for (int i = 0; i < 4; i++) {
        waiters[i] = (struct waiter){ .queue = queue, .pushes = pushes };
        CHECK_INT(thread_start(&waiters[i].thread, "waiter", run_waiter, &waiters[i]), 0);
    }
    queue_close(queue);
    for (int i = 0; i < 4; i++) {
        thread_join(&waiters[i].thread);
        CHECK_INT(waiters[i].r, -EPIPE);
    }
    queue_free(queue);
}

TEST(close_wakes_every_waiting_pop)
{
    check_close_wakes(false);
}

TEST(close_wakes_every_waiting_push)
{
    check_close_wakes(true);
}

#define ITEMS 20000

struct crowd {
    struct queue *queue;
    atomic_int next, sum;
    atomic_char seen[ITEMS];
};

static char items[ITEMS];

static void push_many(void *arg)
{
    struct crowd *crowd = arg;
    for (int i; (i = atomic_fetch_add(&crowd->next, 1)) < ITEMS;)
        CHECK_INT(queue_push(crowd->queue, &items[i]), 0);
}

static void pop_many(void *arg)
{
    struct crowd *crowd = arg;
    void *got;
    while (queue_pop(crowd->queue, &got) == 0) {
        atomic_fetch_add(&crowd->seen[(char *)got - items], 1);
        atomic_fetch_add(&crowd->sum, 1);
    }
}

TEST(many_pushers_and_poppers_lose_and_double_nothing)
{
    static struct crowd crowd;
    struct thread pushers[4] = { 0 }, poppers[4] = { 0 };
    CHECK_INT(queue_new(7, &crowd.queue), 0);
    for (int i = 0; i < 4; i++) {
        CHECK_INT(thread_start(&pushers[i], "push", push_many, &crowd), 0);
        CHECK_INT(thread_start(&poppers[i], "pop", pop_many, &crowd), 0);
    }
    for (int i = 0; i < 4; i++)
        thread_join(&pushers[i]);
    queue_close(crowd.queue);
    for (int i = 0; i < 4; i++)
        thread_join(&poppers[i]);
    CHECK_INT(crowd.sum, ITEMS);
    for (int i = 0; i < ITEMS; i++)
        CHECK_INT(crowd.seen[i], 1);
    queue_free(crowd.queue);
}
