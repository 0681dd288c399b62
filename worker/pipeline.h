/* pipeline.h: fetch -> decode -> engine, as threads between bounded queues.
 *
 *     pipeline_submit --> fetch queue --> fetch threads --> decode queue --> decode threads --> engine slots
 *                  |                                          ^                                     |
 *                  +--> event loops (network addresses) ------+                                     |
 *     mailbox <-- work with all its rows <-- engine thread <----------------------------------------+
 *
 * Made-up images (`sim:N`) skip fetch and decode: one thread puts them straight into engine slots. Fetched bytes that are not
 * decoded yet are held by a budget, and so is what decoders take for whole pictures; nothing else grows with the input, because
 * a batch needs credit before it comes.
 *
 * Threads:   pipeline_submit() and the mailbox belong to one thread, the loop's. Everything else is internal.
 * Ownership: work belongs to the pipeline from submit until it is in the mailbox. The pipeline owns the engine.
 * Errors:    a task's trouble becomes its row. A broken engine spoils what is inside, and the mailbox delivers a struct
 *            pipeline_notice (kind MAIL_BROKEN), which is the reader's to free. */
#pragma once

#include "worker/crumbs.h"
#include "worker/engine.h"
#include "worker/image/preprocess.h"
#include "worker/stage.h"
#include "worker/task.h"

struct pipeline;

/* The engine broke, and why. */
struct pipeline_notice {
    struct mail mail; /* first */
    int r;            /* negative errno, as the engine gave it */
    struct why why;
};

enum pipeline_stage { STAGE_FETCH, STAGE_DECODE, STAGE_ENGINE, STAGE_COUNT };

struct pipeline_spec {
    int fetch_threads, decode_threads;
    int fetch_loops, fetch_concurrency; /* event loops, and GETs under way in all of them; 0: nothing comes over the network */
    uint64_t fetch_stall_ns, store_timeout_ns;
    const struct s3_options *s3; /* while pipeline_new() runs */
    size_t fetch_bytes;   /* budget for fetched, undecoded files */
    size_t file_bytes;    /* of one file; 0: any */
    size_t decode_bytes;  /* budget for what decoders hold, and most that one picture may need; 0: any */
    size_t window;        /* images that may be inside at once; pipeline_submit() never waits for less */
    bool here;            /* fetch.h: paths were named on this machine */
    bool alone;           /* loops.h: there is no job */
    bool decode_none;     /* for measuring: what was fetched is not looked at */
    struct crumbs *crumbs; /* what is being worked on is noted here; NULL: nowhere */
    struct preprocess_spec preprocess; /* crop is the engine's height and width */
};

/* Takes over the engine, also when it fails. */
int pipeline_new(const struct pipeline_spec *spec, const struct engine_ops *ops, struct engine *engine, struct mailbox *box,
                 struct pipeline **ret, struct why *why);

/* Lets what is inside flow out into the mailbox, joins every thread, closes the engine. Accepts NULL. */
void pipeline_free(struct pipeline *pipeline);

/* The work's top and values must be those of pipeline_engine(). */
void pipeline_submit(struct pipeline *pipeline, struct work *work);

/* Some of the work inside was abandoned: what it waits for on the network is let go at once. Any thread. */
void pipeline_abandoned(struct pipeline *pipeline);

/* Whether some of the work comes over the network. */
bool pipeline_is_remote(const struct work *work);

const struct engine_info *pipeline_engine(const struct pipeline *pipeline);

/* To be called now and then, so that the stages' still_ms are known: -ETIMEDOUT, and which item it is, if a decode thread will never come back, or
 * if the engine stands still. That is marked among the crumbs; the process should end. */
int pipeline_watch(struct pipeline *pipeline, struct why *why);

/* STAGE_COUNT records */
void pipeline_stages(const struct pipeline *pipeline, struct rec_stage *ret);
