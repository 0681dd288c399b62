#include "worker/stage.h"

#include "common/clock.h"

void stage_init(struct stage *stage, const char *name, int threads)
{
    *stage = (struct stage){ .name = name, .threads = threads };
}

static void add(atomic_uint_fast64_t *counter, uint64_t n)
{
    if (n)
        atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static uint64_t get(const atomic_uint_fast64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void stage_count(struct stage *stage, uint64_t cpu_ns, uint64_t waited_ns, uint64_t bytes, int error)
{
    stage_count_item(stage, bytes, error);
    stage_count_time(stage, clock_thread_cpu_ns() - cpu_ns, waited_ns);
}

void stage_count_item(struct stage *stage, uint64_t bytes, int error)
{
    add(&stage->items, 1);
    add(&stage->errors, error != 0);
    add(&stage->bytes, bytes);
}

void stage_count_time(struct stage *stage, uint64_t busy_ns, uint64_t wait_ns)
{
    add(&stage->busy_ns, busy_ns);
    add(&stage->wait_ns, wait_ns);
}

void stage_count_retry(struct stage *stage)
{
    add(&stage->retries, 1);
}

void stage_count_copy(struct stage *stage)
{
    add(&stage->copies, 1);
}

void stage_count_down(struct stage *stage, int more)
{
    if (more)
        atomic_fetch_add_explicit(&stage->down, more, memory_order_relaxed);
}

void stage_enter(struct stage *stage)
{
    atomic_fetch_add_explicit(&stage->active, 1, memory_order_relaxed);
}

void stage_leave(struct stage *stage)
{
    atomic_fetch_sub_explicit(&stage->active, 1, memory_order_relaxed);
}

void stage_move(struct stage *stage)
{
    add(&stage->moves, 1);
}

struct rec_stage stage_record(const struct stage *stage)
{
    return (struct rec_stage){
        .name = stage->name,
        .threads = (uint32_t)stage->threads,
        .items = get(&stage->items),
        .errors = get(&stage->errors),
        .bytes = get(&stage->bytes),
        .busy_ns = get(&stage->busy_ns),
        .wait_ns = get(&stage->wait_ns),
        .retries = get(&stage->retries),
        .copies = get(&stage->copies),
        .down = (uint32_t)atomic_load_explicit(&stage->down, memory_order_relaxed),
        .active = (uint32_t)atomic_load_explicit(&stage->active, memory_order_relaxed),
    };
}
