/* fake_gpu_memory.c: every allocation is remembered, and what a copy touches must lie in one. */
#include "tests/fake_gpu_parts.h"

#define PAGE 4096 /* bytes */

/* The lock is held. */
static void remember(void *memory, size_t bytes, int device)
{
    struct fake_allocation *it = fake_make(sizeof(*it));
    *it = (struct fake_allocation){ memory, bytes, device, fake.allocations };
    fake.allocations = it;
}

static struct fake_allocation *forget(void *memory)
{
    pthread_mutex_lock(&fake.lock);
    struct fake_allocation **at = &fake.allocations, *it;
    while (*at && (*at)->memory != memory)
        at = &(*at)->next;
    it = *at;
    CHECK(it);
    *at = it->next;
    pthread_mutex_unlock(&fake.lock);
    return it;
}

const struct fake_allocation *fake_allocation_of(const void *memory, size_t bytes)
{
    const char *from = memory;
    for (const struct fake_allocation *it = fake.allocations; it; it = it->next)
        if (from >= (const char *)it->memory && from + bytes <= (const char *)it->memory + it->bytes)
            return it;
    return NULL;
}

#define FRESH 0xfe /* what memory is full of that nobody has written: no number that comes up, in any format, and not what plans are shown on purpose */

bool fake_is_fresh(const void *memory)
{
    const unsigned char *bytes = memory;
    for (size_t i = 0; i < GPU_ALIGNMENT; i++)
        if (bytes[i] != FRESH)
            return false;
    return true;
}

int fake_allocate(struct gpu *gpu, size_t bytes, void **ret, struct why *why)
{
    int r = fake_enter("allocate", why);
    if (r < 0)
        return r;
    size_t limit = fake.settings.memory ? fake.settings.memory : SIZE_MAX;
    if (bytes > limit - fake.used[gpu->info.device]) {
        fake_leave();
        return because(why, -ENOMEM, "allocate %zu bytes: no memory", bytes);
    }
    *ret = aligned_alloc(GPU_ALIGNMENT, (bytes + GPU_ALIGNMENT) / GPU_ALIGNMENT * GPU_ALIGNMENT);
    CHECK(*ret);
    memset(*ret, FRESH, bytes < (1 << 20) ? bytes : 1 << 20);
    remember(*ret, bytes, gpu->info.device);
    fake.used[gpu->info.device] += bytes;
    return fake_leave();
}

void fake_release(struct gpu *gpu, void *memory)
{
    if (!memory)
        return;
    fake_would_wait("release");
    struct fake_allocation *it = forget(memory);
    pthread_mutex_lock(&fake.lock);
    fake_work_off_all();
    CHECK_INT(it->device, gpu->info.device);
    fake.used[it->device] -= it->bytes;
    pthread_mutex_unlock(&fake.lock);
    free(memory);
    fake_discard(it);
}

/* CUDA pins pages: one that is pinned already is refused, and the rest of the memory with it. */
static void check_pages(const void *memory, size_t bytes)
{
    uintptr_t first = (uintptr_t)memory / PAGE, last = ((uintptr_t)memory + bytes - 1) / PAGE;
    for (const struct fake_allocation *it = fake.allocations; it; it = it->next)
        if (it->device < 0)
            CHECK(last < (uintptr_t)it->memory / PAGE || first > ((uintptr_t)it->memory + it->bytes - 1) / PAGE);
}

int fake_pin(struct gpu *gpu, void *memory, size_t bytes, struct why *why)
{
    (void)gpu;
    int r = fake_enter("pin", why);
    if (r < 0)
        return r;
    CHECK(memory && bytes);
    check_pages(memory, bytes);
    remember(memory, bytes, -1);
    return fake_leave();
}

void fake_unpin(struct gpu *gpu, void *memory)
{
    (void)gpu;
    if (!memory)
        return;
    fake_would_wait("unpin");
    fake_discard(forget(memory));
}
