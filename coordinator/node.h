/* node.h: a worker as the coordinator sees it.
 *
 *     NODE_CALLING --loading--> NODE_LOADING --welcome--> NODE_READY
 *          ^  |                                               |
 *          |  +--refuse (busy)--> asked again later           | silence, leaving, a gap in what it received
 *          +--------------------------------------------------+
 *     any --refuse (mismatch, model, fenced), another fingerprint, a nonsensical result--> NODE_REFUSED (for this job)
 *
 * Threads:   the loop's.
 * Ownership: a node owns its link; batches it holds belong to the table. */
#pragma once

#include "common/loop.h"
#include "coordinator/batch.h"
#include "proto/link.h"

#include <sys/types.h>

enum node_state { NODE_CALLING, NODE_LOADING, NODE_READY, NODE_REFUSED };

struct coordinator;

struct node {
    struct node *next;
    struct coordinator *coordinator;
    char name[300];       /* host[:port], or "local 1" */
    char endpoint[512];
    struct link *link;
    enum node_state state;
    uint64_t call;        /* number of the introduction: raised with every new socket */
    uint64_t incarnation; /* of the worker behind it; 0: not known */
    uint64_t served;      /* the incarnation that was welcomed last */
    uint64_t heard_ns;    /* last message */
    uint64_t called_ns;   /* last hello */
    uint64_t granted;     /* images, since the welcome */
    uint64_t sent;        /* images, since the welcome */
    uint64_t sent_batches;
    int garbage;          /* frames in a row that were no messages */
    uint64_t held;        /* images sent and not yet safe */
    struct batch *batches; /* BATCH_OUT here */
    char why_not[LIMIT_TEXT]; /* the last refusal */
    /* for the report */
    char engine[64], device[LIMIT_TEXT], fingerprint[LIMIT_TEXT], host[256];
    char version[64];
    uint32_t threads, engine_batch;
    uint64_t images_done, batches_done;
    struct rec_stage stages[LIMIT_STAGES]; /* of all its processes in this job */
    struct rec_stage before[LIMIT_STAGES]; /* of those that are gone */
    char stage_names[LIMIT_STAGES][33];
    uint32_t stage_count;
    pid_t pid;            /* --local: the process; 0: not ours */
    int starts;           /* of its process, since it last finished a batch */
};

const char *node_state_name(enum node_state state);

/* Credit left, images. */
uint64_t node_credit(const struct node *node);

void node_hold(struct node *node, struct batch *batch);
void node_unhold(struct node *node, struct batch *batch);

/* Whether something that was sent to the worker, or that it returned, was lost on the way. What it holds it may hold for other reasons too, but once all
 * that was sent has arrived there cannot be less than what is out there. */
bool node_misses_batches(const struct node *node, const struct msg_heartbeat *beat);

/* Another process answers from now on: its counters begin at 0. */
void node_restarted(struct node *node);

/* Keeps the newest counters. */
void node_keep_stages(struct node *node, const struct rec_stage *stages, uint32_t count);
