/* runtime.h: a model made ready to classify: weights read, engine opened, pipeline running.
 *
 * Threads:   runtime_open() is slow (it hashes, folds and warms up) and may run on a thread of its own; the rest belongs
 *            to the loop.
 * Ownership: runtime_free() ends the pipeline and what it holds; work that was inside flows out into the mailbox first.
 * Errors:    negative errno; the sentence names the weights file, the engine, or both. */
#pragma once

#include "proto/preset.h"
#include "proto/tuning.h"
#include "worker/calibrated.h"
#include "worker/demand.h"
#include "worker/model.h"
#include "worker/pipeline.h"
#include "worker/s3_place.h"

#include <limits.h>
#include <sys/stat.h>

/* Everything that decides what a runtime computes. Equal specs can share one. */
struct runtime_spec {
    char weights[LIMIT_URI + 1]; /* a local file, or an address for common/cache.h; empty: none (`sim` needs none) */
    char sha256[65];             /* expected; empty: any */
    uint64_t lent_size;          /* bytes of that file, if the coordinator can lend it; 0: it cannot. Computes the same either way */
    bool here;                   /* who names files is on this machine. Computes the same either way */
    bool alone;                  /* loops.h: there is no job, only `classify` */
    char ranges_sha256[65];      /* activation ranges that the coordinator has for these weights; empty: none */
    uint64_t ranges_size;
    struct preset preset; /* its name does not matter */
    enum emit emit;
    int top;
    int batch; /* images a dispatch batch, for the window */
    struct s3_place store;
    struct demand demand;
};

struct runtime {
    struct runtime_spec spec;
    struct pipeline *pipeline;
    char network[64];
    char sha256[65];
    char fingerprint[512]; /* engine's, and decoder's */
    int classes;
    size_t window;         /* images that may be inside at once */
    size_t remote_window;  /* so many more if they come over the network: those under way there */
    struct model model;    /* files that it was made of */
    struct stat state;     /* of the weights then */
    struct calibrated calibrated; /* the activation ranges, or that there were none */
};

/* `own`: the options of this worker; the job's demands are added. `crumbs`, borrowed, say what is being worked on; NULL: nobody asks. `courier` brings what the coordinator lends; NULL: nothing. */
int runtime_open(const struct tuning *own, const struct runtime_spec *spec, struct mailbox *box, struct crumbs *crumbs, struct courier *courier,
                 struct runtime **ret, struct why *why);
void runtime_free(struct runtime *runtime); /* accepts NULL */
DEFINE_FREEP(runtime_free, struct runtime)

bool runtime_spec_equal(const struct runtime_spec *a, const struct runtime_spec *b);

/* False when it was opened without an expected hash and another file is in the place of the weights now, or of the activation ranges. */
bool runtime_is_current(const struct runtime *runtime);

/* What a worker's options say about an engine: precision, batch, devices, plans. `plans` is the memory of a path in it. */
void runtime_tune(const struct tuning *tuning, struct engine_spec *spec, char plans[PATH_MAX]);
