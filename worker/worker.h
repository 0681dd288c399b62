/* worker.h: the daemon: talks with coordinators, feeds the pipeline, keeps results until they are safe.
 *
 * One loop thread owns the socket, the job and all state here. A loader thread opens runtimes; the pipeline's threads do the work; both
 * report through a mailbox.
 *
 * Threads:   worker_run() belongs to the main thread.
 * Errors:    negative errno with a sentence; the caller logs it. */
#pragma once

#include "common/loop.h"
#include "common/thread.h"
#include "proto/link.h"
#include "proto/tuning.h"
#include "worker/commands.h"
#include "worker/door.h"
#include "worker/job.h"
#include "worker/outlook.h"
#include "worker/reload.h"
#include "worker/service.h"
#include "worker/trail.h"
#include "worker/verifier.h"

struct worker_options {
    struct tuning tuning;
    const char *config;
    const char *listen;  /* a ZeroMQ endpoint, or ADDRESS:PORT; NULL: see door.h */
    const char *key;     /* file of this worker's secret key; NULL: no keys */
    const char *authorized; /* of the public keys of coordinators: a file or a folder */
    const char *weights; /* for jobs that name none; "" */
    int64_t drain_timeout; /* seconds */
    bool insecure;
    bool verbose, help, version;
    const struct option_row *rows; /* and how to read them again, from the command line and --config */
    int (*read_again)(struct worker_options *ret, struct config **config, struct why *why);
};

/* Runs a model's loading beside the loop. */
struct loader {
    struct mail mail;
    struct thread thread;
    bool running;
    const struct tuning *tuning;
    struct mailbox *box;
    struct crumbs *crumbs;
    struct courier *courier;
    struct runtime_spec spec;
    struct runtime *old; /* freed first: two models need not fit in memory */
    struct runtime *runtime;
    int result;
    struct why why;
    /* does it get on? */
    uint64_t looked_ns, still_ns;
    uint64_t cpu_ms, process_ns; /* of its thread; of all but the loop's */
};

struct worker {
    struct worker_options *options;
    struct reload reload;
    struct loop *loop;
    void *context;
    struct link *link;
    struct door door;
    struct mailbox box;
    uint64_t incarnation;
    struct job *job;
    struct runtime *runtime; /* NULL while none is open or it is being loaded */
    struct loader loader;
    struct courier courier;  /* between the loader and the coordinator */
    struct verifier verifier;
    struct outlook outlook;
    struct loop_timer tick;
    struct trail trail;
    struct service service;
    uint32_t inside;         /* works that the pipeline has */
    bool leaving;            /* said so: takes no more, and waits until what it holds is safe */
    const char *farewell;    /* why */
    uint64_t leave_until_ns;
    uint64_t empty_ns;       /* when it last held something */
    bool hurry;              /* waits for no thread any more */
    int status;              /* exit status */
};

int worker_run(struct worker_options *options, struct why *why);

/* A handler for each message to a worker, made from messages.def: one that is missing fails at link. */
#define ON_to_worker(name) \
    void worker_on_##name(struct worker *worker, const struct peer *peer, const struct message *message);
#define ON_to_coordinator(name)
#define RECORD(name, ...)
#define MESSAGE(name, to, ...) ON_##to(name)
#include "proto/messages.def"
#undef MESSAGE
#undef RECORD
#undef ON_to_worker
#undef ON_to_coordinator

/* worker.c, for the handlers */
void worker_send(struct worker *worker, const struct peer *peer, struct message *message);
void worker_refuse(struct worker *worker, const struct peer *peer, uint64_t to, uint64_t call, enum refuse_reason reason, const char *detail);
void worker_refuse_job(struct worker *worker, enum refuse_reason reason, const char *detail); /* the present one, which is over then */
void worker_welcome(struct worker *worker);
void worker_disown(struct worker *worker, const struct peer *peer, uint64_t to);
void worker_grant(struct worker *worker);
void worker_offer(struct worker *worker, struct work *work);
void worker_end_job(struct worker *worker, const char *reason);
void worker_submit(struct worker *worker, struct work *work);

/* pulse.c */
bool worker_stands_still(const struct worker *worker, uint64_t stall_ns, char *text, size_t size); /* and says what of it */
uint32_t worker_stages(const struct worker *worker, struct rec_stage ret[STAGE_COUNT]); /* as a heartbeat says them; how many */
void worker_send_status(struct worker *worker, const struct peer *peer, uint64_t to);

/* load.c */
void worker_load(struct worker *worker);
void worker_ask_for_model(struct worker *worker); /* for what the loader needs of it now */
void worker_loaded(struct worker *worker);          /* MAIL_LOADED has come */
void worker_look_at_loading(struct worker *worker); /* at every tick */

/* leave.c */
void worker_leave(struct worker *worker, const char *farewell); /* asked twice: at once */
void worker_leave_broken(struct worker *worker, struct pipeline_notice *notice); /* takes the notice over */
void worker_end_if_stuck(struct worker *worker);
void worker_leave_check(struct worker *worker);                 /* something came out or was let go: perhaps that was the last */
void worker_leave_tick(struct worker *worker);
void worker_return(struct worker *worker, uint64_t batch);      /* this one is not done here */
