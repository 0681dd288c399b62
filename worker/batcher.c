#include "worker/batcher.h"

#include "common/clock.h"

#include <errno.h>
#include <pthread.h>

/* The tasks of one slot. `filled` counts finished places; a sealed slot takes no more. */
struct assembly {
    struct engine_slot *slot;
    int taken, filled;
    bool sealed;
    uint64_t submitted_ns;
    struct task **tasks; /* (batch) */
};

struct batcher {
    const struct engine_ops *ops;
    struct engine *engine;
    const struct engine_info *info;
    struct crumbs *crumbs;
    pthread_mutex_t lock;
    pthread_cond_t opened;
    struct assembly *open; /* takes new images; NULL between slots */
    bool opening;          /* a thread is waiting for a free slot, without the lock */
    int running;           /* slots submitted and not collected */
    atomic_uint submitted; /* images in them */
    atomic_uint_fast64_t longest_ns;
    int error;             /* of opening a slot; final */
    struct assembly *assemblies; /* (slots), bound to slots as those come along */
    struct task **tasks;
};

DEFINE_FREEP(batcher_free, struct batcher)

int batcher_new(const struct engine_ops *ops, struct engine *engine, struct crumbs *crumbs, struct batcher **ret)
{
    CLEANUP(batcher_freep) struct batcher *batcher = calloc(1, sizeof(*batcher));
    if (!batcher)
        return -ENOMEM;
    batcher->ops = ops;
    batcher->engine = engine;
    batcher->info = ops->info(engine);
    batcher->crumbs = crumbs;
    pthread_mutex_init(&batcher->lock, NULL);
    pthread_cond_init(&batcher->opened, NULL);
    size_t slots = (size_t)batcher->info->slots, batch = (size_t)batcher->info->batch;
    batcher->assemblies = calloc(slots, sizeof(*batcher->assemblies));
    batcher->tasks = calloc(slots * batch, sizeof(struct task *));
    if (!batcher->assemblies || !batcher->tasks)
        return -ENOMEM;
    for (size_t i = 0; i < slots; i++)
        batcher->assemblies[i].tasks = batcher->tasks + i * batch;
    *ret = take(batcher);
    return 0;
}

void batcher_free(struct batcher *batcher)
{
    if (!batcher)
        return;
    pthread_cond_destroy(&batcher->opened);
    pthread_mutex_destroy(&batcher->lock);
    free(batcher->tasks);
    free(batcher->assemblies);
    free(batcher);
}

/* The lock is held. The assembly of a slot that was just acquired; the engine lends the same few slots again and again. */
static struct assembly *assembly_of(struct batcher *batcher, struct engine_slot *slot)
{
    struct assembly *assembly = batcher->assemblies;
    while (assembly->slot && assembly->slot != slot)
        assembly++;
    assembly->slot = slot;
    assembly->taken = assembly->filled = 0;
    assembly->sealed = false;
    slot->user = assembly;
    return assembly;
}

/* The lock is held, and given up while the engine has no free slot. One thread opens, the others wait for it. */
static int open_slot(struct batcher *batcher)
{
    if (batcher->opening) {
        pthread_cond_wait(&batcher->opened, &batcher->lock);
        return batcher->error;
    }
    struct engine_slot *slot;
    batcher->opening = true;
    pthread_mutex_unlock(&batcher->lock);
    int r = batcher->ops->slot_acquire(batcher->engine, &slot);
    pthread_mutex_lock(&batcher->lock);
    batcher->opening = false;
    if (r < 0)
        batcher->error = r;
    else
        batcher->open = assembly_of(batcher, slot);
    pthread_cond_broadcast(&batcher->opened);
    return r;
}

int batcher_take(struct batcher *batcher, struct task *task, struct place *ret)
{
    pthread_mutex_lock(&batcher->lock);
    int r = batcher->error;
    while (r == 0 && !batcher->open)
        r = open_slot(batcher);
    if (r == 0) {
        struct assembly *assembly = batcher->open;
        *ret = (struct place){ assembly->slot, assembly->slot->pixels + (size_t)assembly->taken * batcher->info->image_bytes };
        assembly->tasks[assembly->taken++] = task;
        if (assembly->taken == batcher->info->batch) {
            assembly->sealed = true;
            batcher->open = NULL;
        }
    }
    pthread_mutex_unlock(&batcher->lock);
    return r;
}

static struct crumb *crumb_of(const struct batcher *batcher, const struct assembly *assembly, int i)
{
    return crumbs_engine(batcher->crumbs, (size_t)(&assembly->tasks[i] - batcher->tasks));
}

static void leave_crumbs(const struct batcher *batcher, const struct assembly *assembly)
{
    for (int i = 0; i < assembly->taken; i++)
        crumb_leave(crumb_of(batcher, assembly, i), assembly->tasks[i], CRUMB_ENGINE, 0);
}

static void sweep_crumbs(const struct batcher *batcher, const struct assembly *assembly)
{
    for (int i = 0; i < assembly->taken; i++)
        crumb_sweep(crumb_of(batcher, assembly, i));
}

/* The lock is held. */
static int submit_if_ready(struct batcher *batcher, struct assembly *assembly, struct why *why)
{
    if (!assembly->sealed || assembly->filled < assembly->taken)
        return 0;
    batcher->running++;
    assembly->submitted_ns = clock_now_ns();
    atomic_fetch_add(&batcher->submitted, (unsigned)assembly->taken);
    leave_crumbs(batcher, assembly);
    return batcher->ops->submit(batcher->engine, assembly->slot, assembly->taken, why);
}

int batcher_fill(struct batcher *batcher, const struct place *place, struct why *why)
{
    struct assembly *assembly = place->slot->user;
    pthread_mutex_lock(&batcher->lock);
    assembly->filled++;
    int r = submit_if_ready(batcher, assembly, why);
    pthread_mutex_unlock(&batcher->lock);
    return r;
}

int batcher_flush(struct batcher *batcher, struct why *why)
{
    int r = 0;
    pthread_mutex_lock(&batcher->lock);
    struct assembly *assembly = batcher->open;
    if (assembly && assembly->taken && batcher->running < batcher->info->threads) {
        assembly->sealed = true;
        batcher->open = NULL;
        r = submit_if_ready(batcher, assembly, why);
    }
    pthread_mutex_unlock(&batcher->lock);
    return r;
}

uint32_t batcher_submitted(const struct batcher *batcher)
{
    return atomic_load(&batcher->submitted);
}

uint64_t batcher_longest_ns(const struct batcher *batcher)
{
    return atomic_load(&batcher->longest_ns);
}

int batcher_collect(struct batcher *batcher, struct engine_slot **ret_slot, struct task ***ret_tasks, struct why *why)
{
    int r = batcher->ops->wait(batcher->engine, ret_slot, why);
    if (r < 0)
        return r;
    struct assembly *assembly = (*ret_slot)->user;
    sweep_crumbs(batcher, assembly);
    atomic_fetch_sub(&batcher->submitted, (unsigned)assembly->taken);
    *ret_tasks = assembly->tasks;
    pthread_mutex_lock(&batcher->lock);
    uint64_t took = clock_now_ns() - assembly->submitted_ns;
    if (took > atomic_load(&batcher->longest_ns))
        atomic_store(&batcher->longest_ns, took);
    batcher->running--;
    pthread_mutex_unlock(&batcher->lock);
    return 0;
}

void batcher_release(struct batcher *batcher, struct engine_slot *slot)
{
    struct assembly *assembly = slot->user;
    assembly->taken = 0;
    batcher->ops->slot_release(batcher->engine, slot);
}

struct task *batcher_reclaim(struct batcher *batcher)
{
    for (int i = 0; i < batcher->info->slots; i++) {
        struct assembly *assembly = &batcher->assemblies[i];
        if (assembly->taken)
            return assembly->tasks[--assembly->taken];
    }
    return NULL;
}
