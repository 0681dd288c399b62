/* sim.c: sim:N, made-up images for cluster tests. */
#include "coordinator/source/kind.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "sim:"
#define MOST   1000000000ull

struct sim {
    uint64_t next, count;
    char uri[32];
};

static bool takes(const char *arg)
{
    return !strncmp(arg, PREFIX, strlen(PREFIX));
}

static int open_sim(const char *arg, struct source_context *context, void **ret, struct why *why)
{
    (void)context;
    const char *digits = arg + strlen(PREFIX);
    char *end;
    unsigned long long count = strtoull(digits, &end, 10);
    if (*digits < '0' || *digits > '9' || *end || count < 1 || count > MOST)
        return because(why, -EINVAL, "%.200s: not a number of made-up images; give sim:1 to sim:%llu", arg, MOST);
    struct sim *sim = calloc(1, sizeof(*sim));
    if (!sim)
        return -ENOMEM;
    sim->count = count;
    *ret = sim;
    return 0;
}

static int next(void *state, struct rec_item *ret, struct why *why)
{
    (void)why;
    struct sim *sim = state;
    if (sim->next == sim->count)
        return 0;
    int size = snprintf(sim->uri, sizeof(sim->uri), PREFIX "%llu", (unsigned long long)sim->next++);
    *ret = source_item(sim->uri, (size_t)size, strlen(PREFIX));
    return 1;
}

const struct source_kind source_sim = { takes, open_sim, next, free, NULL, false };
