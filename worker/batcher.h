/* batcher.h: fills engine slots with whatever images are ready, across dispatch batches.
 *
 * A decode thread takes a place only after its image decoded, writes pixels straight into it, and says so. A slot is submitted to the
 * engine by whoever fills its last place. A slot that is not full is submitted when nothing on its way could fill it and
 * the engine has a stream without work (batcher_flush): a partial slot costs as much as a full one.
 *
 * Threads:   any.
 * Ownership: the batcher borrows the engine. A task belongs to the batcher from batcher_take() until batcher_collect()
 *            hands it back.
 * Errors:    -EPIPE once the engine was interrupted; other errors are the engine's, with its sentence. */
#pragma once

#include "worker/crumbs.h"
#include "worker/engine.h"
#include "worker/task.h"

struct batcher;

/* Where one image goes. */
struct place {
    struct engine_slot *slot;
    uint8_t *pixels; /* image_bytes of the engine */
};

/* `crumbs`, borrowed, say what is submitted; NULL: nobody asks. */
int batcher_new(const struct engine_ops *ops, struct engine *engine, struct crumbs *crumbs, struct batcher **ret);
void batcher_free(struct batcher *batcher); /* accepts NULL */

/* Waits for a place. */
int batcher_take(struct batcher *batcher, struct task *task, struct place *ret);
/* The pixels of this place are written. */
int batcher_fill(struct batcher *batcher, const struct place *place, struct why *why);

/* Submits a partial slot if the engine has a stream without work. To be called when no image is on its way to a place. */
int batcher_flush(struct batcher *batcher, struct why *why);

/* Images that the engine has in hand now. Those in a slot that is not full are nobody's: it may wait for the store. */
uint32_t batcher_submitted(const struct batcher *batcher);

/* The longest time from a slot's submission to its collection so far, nanoseconds; 0: none was collected. */
uint64_t batcher_longest_ns(const struct batcher *batcher);

/* Waits for the oldest submitted slot; its rows belong to `ret_tasks[0..slot->count)`, in order. */
int batcher_collect(struct batcher *batcher, struct engine_slot **ret_slot, struct task ***ret_tasks, struct why *why);
void batcher_release(struct batcher *batcher, struct engine_slot *slot);

/* For the end, when nobody else uses the batcher: a task that a broken engine left in a slot; NULL when there is none. */
struct task *batcher_reclaim(struct batcher *batcher);
