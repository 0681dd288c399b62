/* pipeline_parts.h: what the threads of a pipeline share; for pipeline.c and its threads' own files only.
 *
 * Threads:   each of the *_run() is a thread's whole life, given the pipeline; it ends when its queue is closed (the collector's:
 *            when the engine is interrupted). The other calls come from any of them.
 * Ownership: a task belongs to one thread at a time. pipeline_fail(), pipeline_spoil() and pipeline_unhold() give it away.
 * Errors:    none are returned; trouble ends in a row or in the notice. */
#pragma once

#include "common/queue.h"
#include "common/thread.h"
#include "worker/batcher.h"
#include "worker/budget.h"
#include "worker/fetch/loops.h"
#include "worker/pipeline.h"

#include <time.h>

/* A decode thread as the watch saw it last. */
struct watched {
    clockid_t clock;    /* its CPU time; set by the thread before its first crumb */
    uint64_t since_ns;  /* of its crumb */
    uint64_t cpu_ns;
    uint64_t still_ns;  /* how long it has had an image and used no CPU time */
};

/* A stage as it was looked at last. */
struct still {
    bool active;
    uint64_t moves;
    uint64_t ns; /* how long it has been active and moved by nothing */
};

struct fetcher;

struct pipeline {
    struct pipeline_spec spec;
    const struct engine_ops *ops;
    struct engine *engine;
    struct batcher *batcher;
    struct mailbox *box;
    struct queue *fetch_queue, *decode_queue, *sim_queue;
    struct budget fetched, decoded;
    struct blocks blocks;             /* memory of fetched files */
    struct stage stages[STAGE_COUNT];
    struct loops *loops;              /* what comes over the network; NULL: nothing does */
    struct fetcher **fetchers;        /* (fetch_threads); NULL: one that could not be started */
    struct thread *decoders, simulator, collector;
    int decoder_count;                /* started */
    atomic_uint decoders_numbered;    /* each decode thread takes the next number */
    struct watched *watched;          /* (decode_threads), by that number */
    uint64_t watched_ns;              /* when */
    struct still still[STAGE_COUNT];  /* the loop's */
    atomic_uint_fast64_t upstream;    /* images submitted that are neither in a slot nor failed */
    pthread_mutex_t break_lock;
    struct pipeline_notice *notice;   /* made beforehand; NULL once it was posted */
};

/* The engine broke: tells the mailbox, once. -EPIPE only means that it was stopped. */
void pipeline_broke(struct pipeline *pipeline, int r, const struct why *why);

/* One hand less on the work; the last one posts it. */
void pipeline_unhold(struct pipeline *pipeline, struct work *work);

/* The pixels of one of its images are in a slot. To be called before batcher_fill(), after which the work may be gone. */
void pipeline_placed(struct work *work);

/* One image less on its way to a slot: perhaps what is in the open slot is all there is. */
void pipeline_left_upstream(struct pipeline *pipeline);

/* The task ends as an error row. */
void pipeline_fail(struct pipeline *pipeline, struct task *task, enum row_error error, const char *detail);

/* The image is not to blame: its work must not be taken for answered. */
void pipeline_spoil(struct pipeline *pipeline, struct task *task, const char *detail);

/* The file's bytes go back to the budget. */
void pipeline_free_data(struct pipeline *pipeline, struct task *task);

/* fetcher.c. A read that stands still for longer than the store's timeout is left to itself, and its image becomes a row. */
int fetchers_start(struct pipeline *pipeline);
void fetchers_watch(struct pipeline *pipeline, uint64_t round_ns);
void fetchers_end(struct pipeline *pipeline); /* joins them, once the queue is closed */

/* still.c; `round_ns`: since it was called last. */
void still_look(struct pipeline *pipeline, uint64_t round_ns);
uint64_t still_ns(const struct pipeline *pipeline, int stage);

/* `arg` is the pipeline. */
void fetcher_done(void *arg, struct task *task, enum row_error error, const char *detail); /* as loops.h calls it */
void simulator_place(struct pipeline *pipeline, struct task *task, uint64_t number); /* into a slot, as the made-up image of that number */
void decoder_run(void *arg);
void simulator_run(void *arg);
void collector_run(void *arg);
