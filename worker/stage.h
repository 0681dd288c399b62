/* stage.h: what one stage of the pipeline counts: items, errors, bytes, CPU time, waiting time.
 *
 * Threads:   any thread of the stage adds, any thread reads; a reader may see counters of slightly different moments.
 * Ownership: plain memory. Errors: none. */
#pragma once

#include "proto/messages.h"

#include <stdatomic.h>
#include <stdint.h>

struct stage {
    const char *name;
    int threads;
    atomic_uint_fast64_t items, errors, bytes;
    atomic_uint_fast64_t busy_ns; /* CPU time of the stage's threads */
    atomic_uint_fast64_t wait_ns; /* wall time they waited for input or room */
    atomic_uint_fast64_t retries; /* attempts after a failed one; of the engine: images computed again (engine_spec.recheck) */
    atomic_uint_fast64_t copies;  /* second requests for what is slow */
    atomic_int down;              /* places that are waited for just now */
    atomic_uint_fast32_t active;  /* images it is at work on; those that wait for room further on are not */
    atomic_uint_fast64_t moves;   /* raised by whatever is done for one of them */
};

void stage_init(struct stage *stage, const char *name, int threads);

/* Work on an image begins, or goes on after a wait for room further on; it ends, or such a wait begins. */
void stage_enter(struct stage *stage);
void stage_leave(struct stage *stage);

/* Something was done for an image, though it is not finished. */
void stage_move(struct stage *stage);

/* One item done since `cpu_ns` (of clock_thread_cpu_ns()), after `waited_ns` of waiting. */
void stage_count(struct stage *stage, uint64_t cpu_ns, uint64_t waited_ns, uint64_t bytes, int error);

/* The same in parts, for a thread that has many items in hand at once. */
void stage_count_item(struct stage *stage, uint64_t bytes, int error);
void stage_count_time(struct stage *stage, uint64_t busy_ns, uint64_t wait_ns);
void stage_count_retry(struct stage *stage);
void stage_count_copy(struct stage *stage);
void stage_count_down(struct stage *stage, int more);

/* The counters as they travel. */
struct rec_stage stage_record(const struct stage *stage);
