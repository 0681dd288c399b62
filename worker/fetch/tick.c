/* tick.c: what time brings to a loop: transfers that stand still, copies of slow ones, gets whose pause is over. */
#include "worker/fetch/getter.h"

#include "common/clock.h"

#define MOVED_BYTES    ((size_t)4096) /* fewer within the stall time are none */
#define ATTEMPT_STALLS 10             /* an attempt may take so many stall times in all */

bool getter_has_stalled(uint64_t stall_ns, struct transfer *transfer, uint64_t now)
{
    if (now - transfer->start_ns > ATTEMPT_STALLS * stall_ns)
        return true;
    if (transfer->size - transfer->looked_size >= MOVED_BYTES) {
        transfer->looked_size = transfer->size;
        transfer->looked_ns = now;
    }
    return now - transfer->looked_ns > stall_ns;
}

/* A copy on a connection of its own, for a GET that takes much longer than most. */
static void copy_if_slow(struct getter *getter, const struct transfer *transfer, uint64_t now)
{
    struct get *get = transfer->get;
    uint64_t patience = pace_patience_ns(&get->origin->pace);
    if (transfer->place || get->copied || !patience || now - transfer->start_ns < patience || get->origin->down_ns)
        return;
    size_t room = transfer->reserved ? transfer->reserved : 1;
    if (!budget_try(getter->spec.budget, room))
        return;
    if (!pace_take_copy(&get->origin->pace))
        budget_give(getter->spec.budget, room);
    else if (getter_start(getter, get, 1, room)) {
        get->copied = true;
        stage_count_copy(getter->spec.stage);
    }
}

static void look_at_running(struct getter *getter, uint64_t now)
{
    struct transfer *next;
    for (struct transfer *transfer = getter->running; transfer; transfer = next) {
        next = transfer->next;
        if (getter_has_stalled(getter->spec.stall_ns, transfer, now))
            getter_conclude(getter, transfer, TRANSFER_STALLED, NULL);
        else
            copy_if_slow(getter, transfer, now);
    }
}

static void bring_back(struct getter *getter, uint64_t now)
{
    for (struct get **at = &getter->later; *at;) {
        struct get *get = *at;
        if (now < get->due_ns)
            at = &get->next;
        else {
            *at = get->next;
            origin_wait(&getter->origins, get, true);
        }
    }
}

void getter_account(struct getter *getter, uint64_t now)
{
    uint64_t cpu = clock_thread_cpu_ns(), busy = cpu - getter->cpu_ns, wall = now - getter->ticked_ns;
    stage_count_time(getter->spec.stage, busy, wall > busy ? wall - busy : 0);
    stage_count_down(getter->spec.stage, (int)getter->origins.down - (int)getter->down);
    getter->down = getter->origins.down;
    getter->cpu_ns = cpu;
    getter->ticked_ns = now;
}

void getter_tick(struct getter *getter)
{
    uint64_t now = clock_now_ns();
    if (now - getter->ticked_ns < GETTER_TICK_NS)
        return;
    bring_back(getter, now);
    look_at_running(getter, now);
    getter_account(getter, now);
}
