/* service.h: the daemon as the system's service manager sees it: what it is doing, and whether it gets on.
 *
 * A sign of life is given while the loop turns and no stage stands still (rec_stage.still_ms says how it is found out): decoding, the engine, or the
 * loading of a model. Fetching does not count: a dead mount has its own time limit (--store-timeout), and is not mended by a new process. So
 * WatchdogSec= is how long work may stand still, whether a coordinator is there to notice or not; before that, pipeline_watch() ends a process whose
 * image it can name.
 *
 * Threads:   the loop's. Errors: none. */
#pragma once

#include "worker/stage.h"

#include <stdbool.h>

struct worker;

struct service {
    uint64_t watchdog_ns; /* 0: nobody watches */
    uint64_t alive_ns;    /* when the last sign of life was given */
    bool standing;        /* said so already */
    uint64_t told_ns;     /* the last status */
    uint64_t items;       /* that the engine had done by then */
    char told[256];
};

void service_open(struct service *service);
void service_tick(struct worker *worker);

/* The rule: whether none of these stages stands still. */
bool service_gets_on(const struct rec_stage *stages, uint32_t count);
