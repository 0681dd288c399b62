#include "common/json.h"

#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>

static _Thread_local bool refused;

static void *watched_malloc(size_t size)
{
    void *memory = malloc(size);
    refused |= !memory;
    return memory;
}

static void install(void)
{
    json_set_alloc_funcs(watched_malloc, free);
}

void json_watch(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, install);
    refused = false;
}

void json_refuse(void)
{
    refused = true;
}

bool json_refused(void)
{
    return refused;
}
