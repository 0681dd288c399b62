#include "tests/cluster/lib/moments.h"

#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/preload.h"

static unsigned long long state;

long moments(long usual)
{
    const char *seed = getenv("SLEDDOG_SEED"), *count = getenv("SLEDDOG_MOMENTS");
    state = 88172645463325252ull + (seed ? strtoull(seed, NULL, 10) : 0);
    return count ? atol(count) : usual;
}

/* xorshift64* (Vigna 2016) */
long moments_below(long bound)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return bound > 1 ? (long)((state * 2685821657736338717ull) >> 33) % bound : 0;
}

long moments_at(long i, long count, long changes)
{
    long at = count > 1 ? 1 + i * (changes - 1) / (count - 1) : 1;
    return i && i < count - 1 ? at + moments_below(changes / count + 1) : at;
}

int coordinate_with(const char *fault, const char *const *arguments)
{
    char order[4200];
    snprintf(order, sizeof(order), "sleddog-coordinator %s", fault);
    if (*fault)
        preload("fault", "SLEDDOG_FAULT", order);
    int status = coordinate("run", arguments);
    preload_none();
    return status;
}
