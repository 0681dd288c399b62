/* node.h: a worker as the coordinator sees it.
 *
 *     NODE_CALLING --loading--> NODE_LOADING --welcome--> NODE_READY --leaving, or taken off the node list--> NODE_DRAINING
 *       ^  |   ^                    |                       |                                                    |
 *       |  |   +--refuse (busy,     |                       | silence, hung,                                     | nothing of it is outstanding
 *       |  +------ failed): --------+                       | a gap in what arrived                              | (bye), or it is lost
 *       |     asked again later     | silence, hung         |                                                    |
 *       +---------------------------+-----------------------+--- is on the list: a successor may come -----------+
 *                                                                                                                v
 *                                                                     NODE_GONE <--- is not on the list any more +
 *
 *     NODE_CALLING --welcome, the model being open already--> NODE_READY
 *     NODE_CALLING is shown as "left" after bye, until somebody else answers there
 *     NODE_LOADING --its welcome was lost on the way, or it knows nothing of the job any more--> NODE_CALLING
 *     NODE_CALLING, NODE_LOADING --refuse (mismatch, model, fenced), another fingerprint--> NODE_REFUSED (for this job)
 *     NODE_READY, NODE_DRAINING --a nonsensical result; it cannot read what others read--> NODE_REFUSED
 *     any --nothing that comes is a message of this protocol; its process, a local one, cannot stay alive--> NODE_REFUSED
 *     NODE_CALLING, NODE_LOADING --taken off the list--> NODE_GONE;  NODE_DRAINING --put on it again--> NODE_READY
 *     NODE_GONE, NODE_REFUSED --on the list when it is read again--> NODE_CALLING
 *
 * Threads:   the loop's.
 * Ownership: a node owns its link; batches it holds belong to the table. */
#pragma once

#include "common/allowance.h"
#include "common/loop.h"
#include "coordinator/batch.h"
#include "proto/link.h"
#include "proto/monitor.h"

#include <sys/types.h>

enum node_state { NODE_CALLING, NODE_LOADING, NODE_READY, NODE_DRAINING, NODE_GONE, NODE_REFUSED };

struct borrower;
struct coordinator;

struct node {
    struct node *next;
    struct coordinator *coordinator;
    char name[300];       /* host[:port], or "local 1" */
    char endpoint[512];
    char key[KEY_TEXT];   /* public, that it must have; "": none, nothing is encrypted */
    char address[512];    /* the endpoint with an address in place of a name: where the link goes */
    uint64_t resolve_ns;  /* when to look its name up again, while it does not answer */
    unsigned looked_up;   /* so often */
    uint64_t dialled_ns;
    struct link *link;    /* NULL: refused, gone, or its name is being looked up */
    struct monitor *monitor; /* of that, until it is welcome; NULL: none */
    int broken;           /* handshakes in a row that it broke off */
    uint64_t redial_ns;   /* ZeroMQ gives a connection up whose handshake fails: then a new socket is made; 0: no need */
    bool hung;            /* and was given up for that: its successor tells of no other death */
    bool untrusted;       /* `why_not` is about keys: see handshake.c */
    bool wants_keys;      /* and says that it wants them, or seems to */
    enum node_state state;
    uint64_t call;        /* number of the introduction: raised with every new socket */
    uint64_t incarnation; /* of the worker behind it; 0: not known */
    uint64_t served;      /* the incarnation that was welcomed last */
    uint64_t heard_ns;    /* last message */
    uint64_t called_ns;   /* last hello, or ping */
    uint64_t call_from_ns; /* not called before */
    uint64_t granted;     /* images, since the welcome */
    uint64_t sent;        /* images, since the welcome */
    uint64_t sent_batches;
    int garbage;          /* frames in a row that were no messages */
    struct allowance chatter; /* messages, less those that a finished batch is worth */
    uint64_t held;        /* images sent and not answered */
    uint32_t storing;     /* its results that are on their way to job.db: it keeps them until they are safe */
    bool leaving, removed; /* NODE_DRAINING: its process ends; it is not on the node list any more */
    bool left;            /* NODE_CALLING: it ended in order, and nobody has come in its place */
    bool turned_away;     /* NODE_CALLING: `why_not` is what it said the last time that it was asked */
    struct batch_hold *holds; /* what it has, the newest first */
    char why_not[LIMIT_TEXT]; /* the last refusal */
    uint64_t drain_until_ns; /* NODE_DRAINING: then its batches go to others */
    /* what it had when it was lost: its next welcome says what became of the process */
    uint64_t *lost;            /* ids of batches; NULL: nothing to judge */
    uint32_t lost_count;
    uint64_t alone;            /* id of the suspect that it was sent alone and has not answered for; 0: none */
    /* does it get on? */
    uint64_t still_ms;    /* how long the stage that has stood still for longest has, by its last word */
    char still_stage[33]; /* which */
    bool reads_nothing;   /* it was given up because its files give nothing; until the next welcome */
    uint64_t failures;    /* to load the model, in a row; that it was lost meanwhile is one */
    /* can it read? See doubts.h */
    bool reads;           /* an image, of this job */
    int doubted;          /* batches that others are asked for, because it could not read them */
    uint64_t doubt_era;   /* raised when it reads something, or begins anew: older doubts do not count */
    int disproved;        /* batches in a row that another one could read */
    char doubt[512];      /* what it said of the last one */
    /* how fast it is */
    uint64_t busy_since_ns; /* since when it works on its oldest batch */
    uint64_t busy_ns, busy_images;
    struct borrower *borrower; /* of the model: lender.h; NULL: it has not asked yet */
    uint64_t lent_bytes;
    /* for the report */
    char engine[64], precision[16], device[LIMIT_TEXT], fingerprint[LIMIT_TEXT], host[256];
    char version[64];
    uint32_t threads, engine_batch;
    bool is_recorded;     /* as it is: see provenance.h */
    uint32_t record;      /* then: its number */
    uint64_t images_done, batches_done;
    struct rec_stage stages[LIMIT_STAGES]; /* of all its processes in this job */
    struct rec_stage before[LIMIT_STAGES]; /* of those that are gone */
    char stage_names[LIMIT_STAGES][33];
    uint32_t stage_count;
    bool local;           /* --local: its process is ours */
    pid_t pid;            /* of that; 0: none */
    int starts;           /* of its process, since it last finished a batch */
    int64_t log_begin;    /* of its process: where in the log, bytes */
    int deaths_alone;     /* of those, with a suspect alone: the suspect's fault, at first */
};

const char *node_state_name(enum node_state state);
const char *node_state_shown(const struct node *node); /* the same, or "left" */

/* NODE_READY or NODE_DRAINING: what it says counts. */
bool node_serves(const struct node *node);

/* Credit left, images. */
uint64_t node_credit(const struct node *node);

/* It has the batch now; the batch has a free hold. */
void node_hold(struct node *node, struct batch *batch, uint64_t now_ns);
/* It has it no more. */
void node_unhold(struct node *node, struct batch *batch);
bool node_has_alone(const struct node *node);

/* It could not load the model: it is left alone for a while, after each failure in a row for twice as long. */
void node_could_not_load(struct node *node, uint64_t now_ns);

/* It answered for so many images that it had. */
void node_finished(struct node *node, uint32_t images, uint64_t now_ns);
uint64_t node_ns_image(const struct node *node); /* 0: not known */
uint64_t node_waited_ns(const struct node *node, uint64_t now_ns); /* since it began to work, or last finished something */

/* For how long it has had work and stood still; while it loads the model, for how long that has. By its last word. */
uint64_t node_stalled_ns(const struct node *node);

/* Whether something that was sent to the worker, or that it returned, was lost on the way. What it holds it may hold for other reasons too, but once all
 * that was sent has arrived there cannot be less than what is out there. */
bool node_misses_batches(const struct node *node, const struct msg_heartbeat *beat);

/* What it said of a batch brought the job on: that was no chatter. */
void node_was_useful(struct node *node);

/* Another process answers from now on: its counters begin at 0. */
void node_restarted(struct node *node);

/* Keeps the newest counters. */
void node_keep_stages(struct node *node, const struct rec_stage *stages, uint32_t count);

/* Which of them stands still, as node_stalled_ns() says it. */
void node_keep_still(struct node *node, const struct rec_stage *stages, uint32_t count);

/* It says that it waits for a store that does not answer. */
bool node_waits_for_store(const struct node *node);
