#include "worker/engines/slots.h"

#include "common/clock.h"
#include "worker/network.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT   65536 /* bytes, no less than a page of any machine: a GPU pins whole pages, and none of them twice */
#define BATCH_MAX   4096
#define THREADS_MAX 1024
#define SLOTS_MAX   4096

static int check_range(const char *engine, const char *what, int value, int most, struct why *why)
{
    if (value >= 0 && value <= most)
        return 0;
    return because(why, -EINVAL, "engine %s: %s %d is impossible; use 1 to %d", engine, what, value, most);
}

int slots_check_spec(const char *engine, const struct engine_spec *spec, struct why *why)
{
    int r = check_range(engine, "batch", spec->batch, BATCH_MAX, why);
    if (r == 0)
        r = check_range(engine, "threads", spec->threads, THREADS_MAX, why);
    return r < 0 ? r : check_range(engine, "slots", spec->slots, SLOTS_MAX, why);
}

uint64_t slots_memory(const struct engine_spec *spec, int slots, int batch)
{
    uint64_t images = (uint64_t)(spec->slots ? spec->slots : slots) * (uint64_t)(spec->batch ? spec->batch : batch);
    uint64_t pixels = (uint64_t)spec->height * (uint64_t)spec->width * 3;
    uint64_t predictions = spec->emit == EMIT_FEATURES ? 0 : (uint64_t)spec->top * sizeof(struct prediction);
    uint64_t features = spec->network ? (uint64_t)spec->network->features : 0;
    uint64_t values = spec->emit == EMIT_FEATURES ? features : spec->emit == EMIT_LOGITS ? (uint64_t)spec->classes : 0;
    return images * (pixels + predictions + values * sizeof(float));
}

/* Zeroed pages come on first use, so slots that are never filled cost nothing. */
static void *share(void **memory, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - 2 * (size_t)ALIGNMENT)
        return NULL;
    *memory = calloc(1, bytes + 2 * (size_t)ALIGNMENT);
    return *memory ? (char *)*memory + (-(uintptr_t)*memory & (ALIGNMENT - 1)) : NULL;
}

static int make_slots(struct slots *slots, const struct engine_info *info)
{
    size_t count = (size_t)info->slots, images = count * (size_t)info->batch;
    slots->slots = calloc(count, sizeof(slots->slots[0]));
    slots->free_stack = calloc(count, sizeof(slots->free_stack[0]));
    slots->ring = calloc(count, sizeof(slots->ring[0]));
    uint8_t *pixels = share(&slots->memory[0], images, info->image_bytes);
    struct prediction *predictions = share(&slots->memory[1], images * (size_t)info->top, sizeof(*predictions));
    float *values = share(&slots->memory[2], images * info->values, sizeof(*values));
    if (!slots->slots || !slots->free_stack || !slots->ring || !pixels || !predictions || !values)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        size_t image = i * (size_t)info->batch;
        slots->slots[i].slot = (struct engine_slot){
            .pixels = pixels + image * info->image_bytes,
            .predictions = info->top ? predictions + image * (size_t)info->top : NULL,
            .values = info->values ? values + image * info->values : NULL,
        };
        slots->free_stack[count - 1 - i] = &slots->slots[i];
    }
    slots->count = slots->free_count = info->slots;
    slots->batch = info->batch;
    return 0;
}

int slots_init(struct slots *slots, const struct engine_info *info, struct why *why)
{
    memset(slots, 0, sizeof(*slots));
    pthread_mutex_init(&slots->lock, NULL);
    pthread_cond_init(&slots->freed, NULL);
    pthread_cond_init(&slots->queued, NULL);
    pthread_cond_init(&slots->finished, NULL);
    if (make_slots(slots, info) < 0) {
        slots_done(slots);
        return because(why, -ENOMEM, "engine %s: no memory for %d slots of %d images", info->engine, info->slots, info->batch);
    }
    return 0;
}

void slots_done(struct slots *slots)
{
    for (int i = 0; i < 3; i++)
        free(slots->memory[i]);
    free(slots->slots);
    free(slots->free_stack);
    free(slots->ring);
    pthread_mutex_destroy(&slots->lock);
    pthread_cond_destroy(&slots->freed);
    pthread_cond_destroy(&slots->queued);
    pthread_cond_destroy(&slots->finished);
    memset(slots, 0, sizeof(*slots));
}

int slots_acquire(struct slots *slots, struct engine_slot **ret)
{
    int r = 0;
    pthread_mutex_lock(&slots->lock);
    while (!slots->free_count && !slots->interrupted)
        pthread_cond_wait(&slots->freed, &slots->lock);
    if (slots->interrupted)
        r = -EPIPE;
    else {
        struct slot *slot = slots->free_stack[--slots->free_count];
        slot->lent = true;
        slot->slot.count = 0;
        *ret = &slot->slot;
    }
    pthread_mutex_unlock(&slots->lock);
    return r;
}

int slots_submit(struct slots *slots, struct engine_slot *public, int n, struct why *why)
{
    struct slot *slot = (struct slot *)public;
    int r = 0;
    pthread_mutex_lock(&slots->lock);
    if (!slot->lent || n < 1 || n > slots->batch)
        r = because(why, -EINVAL, "engine: %d images submitted in a slot for %d, or a slot that was not lent", n, slots->batch);
    else if (slots->error) {
        r = slots->error;
        if (why)
            *why = slots->why;
    } else {
        slot->lent = slot->done = false;
        slot->slot.count = n;
        slot->submitted_ns = clock_now_ns();
        slots->ring[slots->submitted++ % (uint64_t)slots->count] = slot;
        pthread_cond_signal(&slots->queued);
    }
    pthread_mutex_unlock(&slots->lock);
    return r;
}

/* The oldest slot that was submitted and not yet waited for; the lock is held. */
static struct slot *oldest(const struct slots *slots)
{
    return slots->waited < slots->submitted ? slots->ring[slots->waited % (uint64_t)slots->count] : NULL;
}

int slots_wait(struct slots *slots, struct engine_slot **ret, struct why *why)
{
    int r = 0;
    pthread_mutex_lock(&slots->lock);
    struct slot *slot = oldest(slots);
    while (!slots->error && !(slot && slot->done) && !(slots->interrupted && !slot)) {
        pthread_cond_wait(&slots->finished, &slots->lock);
        slot = oldest(slots);
    }
    if (slots->error) {
        r = slots->error;
        if (why)
            *why = slots->why;
    } else if (!slot)
        r = because(why, -EPIPE, "engine: interrupted");
    else {
        slots->waited++;
        slot->lent = true;
        *ret = &slot->slot;
    }
    pthread_mutex_unlock(&slots->lock);
    return r;
}

void slots_release(struct slots *slots, struct engine_slot *public)
{
    struct slot *slot = (struct slot *)public;
    pthread_mutex_lock(&slots->lock);
    if (slot->lent) {
        slot->lent = false;
        slots->free_stack[slots->free_count++] = slot;
        pthread_cond_signal(&slots->freed);
    }
    pthread_mutex_unlock(&slots->lock);
}

void slots_interrupt(struct slots *slots)
{
    pthread_mutex_lock(&slots->lock);
    slots->interrupted = true;
    pthread_cond_broadcast(&slots->freed);
    pthread_cond_broadcast(&slots->finished);
    pthread_mutex_unlock(&slots->lock);
}

struct slot *slots_take(struct slots *slots)
{
    struct slot *slot = NULL;
    pthread_mutex_lock(&slots->lock);
    while (slots->taken == slots->submitted && !slots->stopped)
        pthread_cond_wait(&slots->queued, &slots->lock);
    if (slots->taken < slots->submitted)
        slot = slots->ring[slots->taken++ % (uint64_t)slots->count];
    pthread_mutex_unlock(&slots->lock);
    return slot;
}

void slots_finish(struct slots *slots, struct slot *slot, int r, const struct why *why)
{
    pthread_mutex_lock(&slots->lock);
    slot->done = true;
    if (r < 0 && !slots->error) {
        slots->error = r;
        if (why)
            slots->why = *why;
    }
    pthread_cond_signal(&slots->finished);
    pthread_mutex_unlock(&slots->lock);
}

void slots_stop(struct slots *slots)
{
    pthread_mutex_lock(&slots->lock);
    slots->stopped = true;
    pthread_cond_broadcast(&slots->queued);
    pthread_mutex_unlock(&slots->lock);
}
