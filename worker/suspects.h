/* suspects.h: which items a process that died may have died of, read from the crumbs (crumbs.h) that it left.
 *
 * If it marked the thread that faulted, that thread's item; if it faulted outside of any item, whatever was in the engine, whose threads have no
 * crumbs of their own; if it marked nothing (kill -9, short of memory), every item that was being decoded or was in the engine. An
 * item that waits for room or for the engine is in nobody's hands.
 *
 * Threads:   plain memory.
 * Ownership: suspects_done() frees; zeroed memory is an empty list.
 * Errors:    -EBADMSG with a sentence for bytes that are not such a file, -ENOMEM. */
#pragma once

#include "common/why.h"
#include "proto/messages.h"

#include <stddef.h>
#include <stdint.h>

enum crumb_stage {
    CRUMB_IDLE,
    CRUMB_WAIT,    /* for memory, or for a place in the engine */
    CRUMB_DECODE,
    CRUMB_ENGINE,
    CRUMB_ENDLESS, /* was being decoded, and the watch saw no end of it */
    CRUMB_STAGES,
};

struct suspect {
    uint64_t job; /* suspects_job() */
    struct rec_suspect record;
};

struct suspects {
    struct suspect *list;
    uint32_t count; /* at most LIMIT_SUSPECTS; no item twice */
};

/* Stands for a job and its epoch: the FNV-1a hash (64 bits) of both. */
uint64_t suspects_job(const char *id, uint64_t epoch);

/* `data`: a whole file, aligned as malloc() does. */
int suspects_read(const void *data, size_t size, struct suspects *ret, struct why *why);
void suspects_done(struct suspects *suspects);

/* Writes those of one job to `ret`, which holds LIMIT_SUSPECTS; returns how many. */
uint32_t suspects_of(const struct suspects *suspects, uint64_t job, struct rec_suspect *ret);

/* Those of this job have been told. */
void suspects_drop(struct suspects *suspects, uint64_t job);

/* "decode", ...: what a welcome says */
const char *crumb_stage_name(uint32_t stage);
