/* getter.h: one thread of loops.h; for getter.c, tick.c, let_go.c, verdict.c and loops.c only.
 *
 * Threads:   its own, but for the inbox, `wake` and the atomics.
 * Ownership: a getter owns its transfers and origins.
 * Errors:    see loops.h. */
#pragma once

#include "common/clock.h"
#include "common/thread.h"
#include "worker/fetch/loops.h"
#include "worker/fetch/origin.h"
#include "worker/fetch/shared_session.h"
#include "worker/fetch/transfer.h"
#include "worker/fetch/wire.h"

struct getter {
    struct loops_spec spec;         /* its part: `concurrency` is its own */
    struct transfer_limits limits;
    struct shared_session *shared;  /* of all getters */
    struct thread thread;
    struct mailbox inbox;
    int wake;                       /* eventfd */
    atomic_bool stopping, poked;
    struct wire wire;
    struct origins origins;
    struct get *later;              /* to be tried again at due_ns */
    struct transfer *running, *spare;
    int running_count;
    struct get *asking;             /* the one that waits for room in the budget */
    struct budget_place place;
    struct sigv4_key key;
    uint64_t ticked_ns, cpu_ns;
    unsigned down;                  /* origins that the stage was told of */
    unsigned random;                /* state of rand_r() */
};

int getter_open(struct getter *getter); /* spec, limits and shared are set */
void getter_wake(struct getter *getter);  /* from any thread */
void getter_close(struct getter *getter); /* ends the thread, and what is inside; accepts a zeroed one */

/* ---- getter.c, for the others ---- */

/* The get leaves the loop. */
void getter_finish(struct getter *getter, struct get *get, enum row_error error, const char *detail);

/* The get waits for its time. */
void getter_again(struct getter *getter, struct get *get, uint64_t delay_ns);

/* Ends a transfer, with all that it has, and keeps its handle. */
void getter_drop(struct getter *getter, struct transfer *transfer);

/* Begins a GET, or its copy (`place` 1), and takes over `room` bytes of the budget. */
bool getter_start(struct getter *getter, struct get *get, int place, size_t room);

/* A transfer has come to an end: its get goes on to its verdict, unless the copy is still under way. */
void getter_conclude(struct getter *getter, struct transfer *transfer, enum transfer_end end, const struct s3_error *error);

/* ---- tick.c ---- */

#define GETTER_TICK_NS (20 * NS_PER_MS)

void getter_tick(struct getter *getter); /* often: does something once a tick */

/* Whether next to nothing has come for `stall_ns`, or the whole takes far too long. Remembers what it saw. */
bool getter_has_stalled(uint64_t stall_ns, struct transfer *transfer, uint64_t now);

/* Counts the thread's own time, and tells the stage how many origins it waits for. */
void getter_account(struct getter *getter, uint64_t now);

/* ---- let_go.c ---- */

/* Ends every get that `wanted` says yes to: under way, waiting for the budget, for its time, or for its turn. */
void getter_let_go(struct getter *getter, bool (*wanted)(const struct get *get), enum row_error error, const char *detail);

/* ---- verdict.c ---- */

/* What a transfer's end means for its get. */
void verdict_of_end(struct getter *getter, struct transfer *transfer, enum transfer_end end, const struct s3_error *error);

/* Ends the get with a sentence that begins with its address, as it may be shown. */
void verdict_fail(struct getter *getter, struct get *get, enum row_error error, const char *format, ...) __attribute__((format(printf, 4, 5)));

enum row_error verdict_error(int r);
