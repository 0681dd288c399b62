/* job.h: the job a worker serves: who leads it, what was granted, what is held until its commit.
 *
 *     JOB_LOADING --(runtime ready)--> JOB_READY --(bye, silence, a higher epoch)--> gone
 *
 * A batch is held from its arrival to its commit: first inside the pipeline, then as a result that is offered again until the
 * coordinator confirms it. Credit is freed at commit, so the results that are kept are bounded too.
 *
 * Threads:   the loop's.
 * Ownership: a job owns its held work. Work inside the pipeline when a job ends is abandoned: the pipeline hands it back, and the
 *            reader of the mailbox frees it. */
#pragma once

#include "proto/link.h"
#include "worker/runtime.h"

enum job_state { JOB_LOADING, JOB_READY };

struct job {
    enum job_state state;
    char id[64];
    uint64_t key;         /* suspects_job(): id and epoch as one number */
    char owner[LIMIT_TEXT];
    uint64_t epoch;
    uint64_t coordinator; /* incarnation */
    uint64_t call;        /* number of its newest introduction */
    uint64_t greeted;     /* the one that was welcomed; credit counts since then */
    struct peer peer;
    uint64_t heard_ns;    /* last sign of life of the coordinator */
    uint64_t expiry_ns, stall_ns;
    struct runtime_spec spec;
    bool remote;          /* some of its items come over the network: more may be inside */
    uint64_t images;      /* granted since the welcome */
    uint64_t received;    /* batches since the welcome, each once and in order */
    uint64_t received_images;
    uint64_t expected;    /* batches, by the last ping */
    struct work *held;
    struct rec_stage base[STAGE_COUNT]; /* the pipeline's counters when the job became ready: it may have served others */
};

int job_new(const struct peer *peer, const struct message *message, struct job **ret, struct why *why);

/* Frees finished work, abandons the rest. Accepts NULL. */
void job_free(struct job *job);
DEFINE_FREEP(job_free, struct job)

/* Whether a batch's rows from this engine fit into one message; -EMSGSIZE and what to do if not. */
int job_check_rows(const struct job *job, const struct engine_info *info, struct why *why);

/* Grants start anew: what is held already counts against the window. */
void job_restart_credit(struct job *job, size_t window);

/* Whether this is the next batch since the welcome, and counts it. Copies, those behind a gap and those of an earlier introduction are not: what
 * they make the coordinator believe is set right by the next heartbeat. */
bool job_takes(struct job *job, const struct msg_batch *batch);

/* What the pipeline has done for this job so far. */
void job_stages(const struct job *job, const struct pipeline *pipeline, struct rec_stage *ret);

/* Batches. */
uint64_t job_held(const struct job *job);

struct work *job_find(struct job *job, uint64_t batch);

/* Unlinks a batch and frees it, or abandons it if it is in the pipeline. Its images are granted again. */
void job_drop(struct job *job, struct work *work);

/* The coordinator has been silent for longer than either side waits. */
bool job_expired(const struct job *job, uint64_t now_ns);
