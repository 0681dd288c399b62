/* crumbs.h: what each decode thread and the engine are working on, in a mapped file that outlives the process.
 *
 * A few plain stores an image, no system call: the pages belong to the kernel's cache, so what was stored is in the file however the process
 * ends (kill -9, a fault, the kernel short of memory). Only a power cut loses it, which blames nobody. The next process on the same
 * address reads the file before it clears it (suspects.h); a process that ends in order removes it.
 *
 * Threads:   each crumb has one writer, its decode thread or whoever holds the batcher's lock; any thread may read. The fault handler
 *            (crash.h) and the watch only mark.
 * Ownership: crumbs_close() frees; a file that crumbs_remove() has not removed stays for the next process. A crumb lives as long as its struct crumbs.
 * Errors:    negative errno with a sentence. Crumbs are not worth failing for: the caller may go on with crumbs_anonymous(), or with none: every
 *            call takes NULL. */
#pragma once

#include "worker/suspects.h"
#include "worker/task.h"

#define CRUMBS_MAGIC    "sledcrum"
#define CRUMBS_VERSION  1u
#define CRUMBS_ALL      LIMIT_SUSPECTS /* so what is in the file fits into a welcome */
#define CRUMBS_DECODERS 1024u          /* most that --threads allows; the rest is the engine's */

/* A cache line of its own. Written in place, so a reader of a dead process's file finds the fields and the stage of one moment: the stage is
 * stored last, and is idle while they change. */
struct crumb {
    _Alignas(64) _Atomic uint64_t job; /* suspects_job() */
    _Atomic uint64_t batch;
    _Atomic uint64_t since_ns;         /* CPU time of the thread when it began with this item */
    _Atomic uint32_t item;             /* place in the batch */
    _Atomic uint32_t stage;            /* enum crumb_stage */
    _Atomic uint32_t marked;           /* the thread faulted here, or the watch gave it up */
};

/* The file: in the byte order of its machine, for a process on the same one. */
struct crumbs_file {
    char magic[8];
    _Atomic uint32_t version;
    _Atomic uint32_t marked; /* a fault was seen, and the marked crumbs say where; none: outside of any item */
    struct crumb crumbs[CRUMBS_ALL];
};

struct crumbs;

/* Where the crumbs of the worker at this endpoint are: beside an ipc:// socket; else in $RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR/sleddog or the
 * cache's folder (common/cache.h), whichever there is, under a name made of host and endpoint. */
int crumbs_path(const char *endpoint, const char *cache, char *path, size_t size, struct why *why);

/* Takes the file over, or makes it. What a process left there that died is written to `ret_suspects` (none after an orderly end); a
 * file with anything else in it is used again, with the reason in `why` and 1 returned. -EBUSY: another process has it; -EPERM: it is not ours. */
int crumbs_open(const char *path, struct crumbs **ret, struct suspects *ret_suspects, struct why *why);

/* In memory only: nobody will find them, but the watch works. */
int crumbs_anonymous(struct crumbs **ret, struct why *why);

/* The end is an orderly one: the file goes. Crumbs may still be left. */
void crumbs_remove(struct crumbs *crumbs);
void crumbs_close(struct crumbs *crumbs);
DEFINE_FREEP(crumbs_close, struct crumbs)

/* Of decode thread `i`, of place `i` in the engine (slot after slot); NULL when there are no crumbs, or not so many. */
struct crumb *crumbs_decoder(struct crumbs *crumbs, size_t i);
struct crumb *crumbs_engine(struct crumbs *crumbs, size_t i);

/* Begins with an item. `cpu_ns`: the thread's CPU time by now. */
void crumb_leave(struct crumb *crumb, const struct task *task, enum crumb_stage stage, uint64_t cpu_ns);
/* Goes on with the same item. */
void crumb_stage(struct crumb *crumb, enum crumb_stage stage);
/* Done with it. */
void crumb_sweep(struct crumb *crumb);

/* This is where it broke; `crumb` NULL: in a thread that had no item. Async-signal-safe. */
void crumbs_mark(struct crumbs *crumbs, struct crumb *crumb);
