/* task.h: what travels down the pipeline: one image, and the batch it belongs to.
 *
 * A task fills up on its way: item -> fetched bytes -> a place in an engine slot -> a row. It has one owner at a time, the stage
 * that holds it, so it needs no lock; only the batch's count of unfinished tasks is shared.
 *
 * Threads:   see above. work_abandon() may be called by any thread.
 * Ownership: a struct work owns its tasks, items and rows. It belongs to the pipeline from pipeline_submit() until it is
 *            posted to the pipeline's mailbox, and to the reader of that box from then on.
 * Errors:    negative errno. */
#pragma once

#include "common/arena.h"
#include "common/cleanup.h"
#include "common/mailbox.h"
#include "proto/messages.h"
#include "worker/fetch/get.h"

#include <stdatomic.h>
#include <stdbool.h>

struct work;

/* Kinds of mail to the worker's loop. */
enum worker_mail { MAIL_WORK, MAIL_LOADED, MAIL_BROKEN, MAIL_VERIFIED, MAIL_COURIER };

struct task {
    struct work *work;
    const struct rec_item *item;
    struct rec_row *row; /* this task's answer */
    char *data;          /* the file, from fetch to decode */
    size_t size;         /* bytes of it */
    struct get get;      /* on its way through the network */
};

/* A batch on its way. */
struct work {
    struct mail mail; /* first, kind MAIL_WORK: the pipeline posts it when `unfinished` is 0 */
    uint64_t job;   /* suspects_job() of whose it is; 0: of nobody who would ask */
    uint64_t batch;
    uint32_t attempt;
    uint32_t count;
    struct task *tasks;
    struct rec_row *rows;         /* (count) */
    int top;                      /* predictions a row */
    size_t values;                /* floats a row */
    struct rec_prediction *predictions; /* (count, top) */
    float *numbers;               /* (count, values) or NULL */
    atomic_uint unfinished;
    atomic_uint upstream;         /* images without pixels yet: neither in a slot nor failed */
    atomic_bool abandoned;        /* nobody wants the rows any more: finish quickly */
    atomic_bool spoiled;          /* the engine broke meanwhile: the rows are no answers */
    struct arena arena;           /* items and rows live here */
    /* for the owner */
    struct work *next;
    bool alone;                   /* nothing else may be in the pipeline with it */
    bool waits;                   /* not in the pipeline yet: what others left there must come out first */
    bool done;
    uint64_t sent_ns;             /* when the result was last offered */
};

/* Copies `items`. */
int work_new(uint64_t batch, uint32_t attempt, const struct rec_item *items, uint32_t count, int top, size_t values,
             struct work **ret);
void work_free(struct work *work);
DEFINE_FREEP(work_free, struct work)

/* Ends a task without predictions. The sentence is cut at LIMIT_TEXT and made printable. */
void task_fail(struct task *task, enum row_error error, const char *detail);
