#include "worker/memory.h"

#include <errno.h>
#include <malloc.h>

#define LEAST       (32 * MIB)     /* for images: less would refuse ordinary photos */
#define LARGE_BLOCK (1 << 20)      /* bytes; larger ones are mapped one by one */

static size_t least(uint64_t a, uint64_t b)
{
    uint64_t value = a < b ? a : b;
    return value < SIZE_MAX ? (size_t)value : SIZE_MAX;
}

uint64_t memory_whole(uint64_t limit, uint64_t machine)
{
    return limit ? limit : machine / 5 * 4;
}

uint64_t memory_least_limit(uint64_t resident)
{
    return ((resident + LEAST) / MIB + 1) * MIB;
}

int memory_check_limit(uint64_t limit, uint64_t resident, struct why *why)
{
    uint64_t least_limit = memory_least_limit(resident) / MIB;
    if (!limit || limit >= least_limit * MIB)
        return 0;
    return because(why, -EINVAL, "--memory-limit %llu: this program needs %llu MiB, and a model and its engine come on top of that", (unsigned long long)limit,
                   (unsigned long long)least_limit);
}

int memory_plan(uint64_t limit, uint64_t machine, uint64_t resident, uint64_t fetch_memory, struct memory_plan *ret, struct why *why)
{
    uint64_t whole = memory_whole(limit, machine), room = whole > resident ? whole - resident : 0;
    if (limit && room < LEAST)
        return because(why, -EINVAL, "--memory-limit of %llu MiB: the model and the engine alone hold %llu MiB; give at least %llu MiB",
                       (unsigned long long)(limit / MIB), (unsigned long long)(resident / MIB),
                       (unsigned long long)(memory_least_limit(resident) / MIB));
    if (room < LEAST)
        room = LEAST; /* nobody asked for a limit: go on, and hope */
    ret->file = least(room / 4, SIZE_MAX);
    ret->fetched = least(room / 4, fetch_memory);
    ret->decoded = least(room / 2, SIZE_MAX);
    return 0;
}

void memory_prepare(void)
{
    /* Setting it also stops glibc from raising it with every large block that is freed, after which nothing is given back. */
    mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK);
}
