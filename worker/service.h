/* service.h: the daemon as the system's service manager sees it: what it is doing, and whether it gets on.
 *
 * A sign of life is given while the loop turns and the pipeline gets on: it is empty, or a stage has counted something since the last look, or a
 * decoder has used processor time, or all that it has waits for the network, which has time limits of its own (--fetch-timeout,
 * --store-timeout). So WatchdogSec= is how long work may stand still, and a decoder that computes for ever is left to
 * pipeline_watch(), which knows the image.
 *
 * Threads:   the loop's. Errors: none. */
#pragma once

#include "worker/stage.h"

#include <stdbool.h>

struct worker;
struct pipeline;

struct service {
    uint64_t watchdog_ns; /* 0: nobody watches */
    uint64_t counted;     /* by all stages, at the last look */
    uint64_t alive_ns;    /* when the last sign of life was given */
    bool standing;        /* said so already */
    uint64_t told_ns;     /* the last status */
    uint64_t items;       /* that the engine had done by then */
    char told[256];
};

void service_open(struct service *service);
void service_tick(struct worker *worker);

/* The rule, for the pipeline's counters: whether they got on since the last look. */
bool service_gets_on(struct service *service, const struct rec_stage *stages, uint64_t decode_cpu_ns);
