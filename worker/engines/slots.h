/* slots.h: the slots of an engine and their way through it; shared by the CPU engines.
 *
 *     free --slots_acquire--> lent --slots_submit--> queued --slots_take--> running --slots_finish--> done
 *      ^                                                                                               |
 *      +------------------------ slots_release -- lent with rows <-- slots_wait (in order of submission)
 *
 * Threads:   every function but init and done may be called by any thread; slots_wait() by one at a time. slots_take() and
 *            slots_finish() are for the engine's own stream threads.
 * Ownership: slots_init() allocates all memory of all slots, slots_done() frees it; nothing in between allocates.
 * Errors:    -EINVAL for an impossible spec; -EPIPE once interrupted; otherwise what slots_finish() was told, with its sentence. */
#pragma once

#include "worker/engine.h"

#include <pthread.h>
#include <stdbool.h>

struct slot {
    struct engine_slot slot; /* what the pipeline sees: the first member */
    bool lent, done;
    uint64_t submitted_ns;   /* CLOCK_MONOTONIC */
};

struct slots {
    pthread_mutex_t lock;
    pthread_cond_t freed, queued, finished;
    struct slot *slots;
    int count, batch;
    struct slot **free_stack;
    int free_count;
    struct slot **ring;                /* submitted slots: ring[n % count] for waited <= n < submitted */
    uint64_t submitted, taken, waited; /* waited <= taken <= submitted */
    bool interrupted, stopped;
    int error;                         /* the first failure, negative errno */
    struct why why;
    void *memory[3];                   /* pixels, predictions, values of all slots */
};

/* Are batch, threads and slots of a spec possible? For every engine to ask first; 0 (the engine's choice) is. */
int slots_check_spec(const char *engine, const struct engine_spec *spec, struct why *why);

/* Bytes of all slots of such an engine; slots and batch are those of the spec, or in their place what it would choose. */
uint64_t slots_memory(const struct engine_spec *spec, int slots, int batch);

/* Shapes come from `info`: slots, batch, image_bytes, top, values. */
int slots_init(struct slots *slots, const struct engine_info *info, struct why *why);
/* Accepts zeroed memory. */
void slots_done(struct slots *slots);

/* The five that an engine offers to the pipeline (engine.h). */
int slots_acquire(struct slots *slots, struct engine_slot **ret);
int slots_submit(struct slots *slots, struct engine_slot *public, int n, struct why *why);
int slots_wait(struct slots *slots, struct engine_slot **ret, struct why *why);
void slots_release(struct slots *slots, struct engine_slot *public);
void slots_interrupt(struct slots *slots);

/* The oldest queued slot; waits for one. NULL once stopped and nothing is queued. */
struct slot *slots_take(struct slots *slots);
/* `r`: 0, or negative errno with its sentence, which breaks the engine. */
void slots_finish(struct slots *slots, struct slot *slot, int r, const struct why *why);
/* Ends slots_take() once the queue is empty. */
void slots_stop(struct slots *slots);
