/* coordinator.h: the dispatching loop: lists, hands out, gathers, until every image has a row that is safe.
 *
 * One loop thread owns all state here and every socket. The lister and the store are threads of their own and report through
 * the mailbox. Nothing waits for a node: what it does not take is another's.
 *
 * Threads:   coordinator_run() belongs to the main thread.
 * Errors:    negative errno with a sentence; -EINTR when it was interrupted (what was committed stays; the job can be resumed). */
#pragma once

#include "common/labels.h"
#include "common/loop.h"
#include "coordinator/history.h"
#include "coordinator/lister.h"
#include "coordinator/node.h"
#include "coordinator/nodelist.h"
#include "coordinator/progress.h"
#include "coordinator/provenance.h"
#include "coordinator/spec.h"
#include "coordinator/trust.h"
#include "proto/tuning.h"

struct lender;
struct local;
struct resolver;

struct s3_session;

/* What a run was asked for besides the job itself. */
struct run_plan {
    const struct spec *spec;
    const struct labels *labels;
    struct s3_session *s3;  /* NULL: no source is in an object store */
    const char *job_dir;
    uint64_t epoch;
    const struct nodelist_node *nodes; /* from that list */
    int node_count;
    const struct texts *groups; /* of the list: these only; see nodelist.h */
    const char *node_list;  /* absolute path of the file that they are from; NULL: none */
    const struct trust *trust; /* keys */
    int local;              /* workers to start here */
    const struct tuning *tuning; /* for those */
    int min_nodes;
    int64_t node_timeout_s, expiry_s, stall_s;
    int64_t max_errors;     /* images that may fail in this run; negative: any number */
    const char *placement; /* kept in job.db when a worker has taken the job; NULL: it is there */
};

struct coordinator {
    const struct run_plan *plan;
    const struct spec *spec;
    struct loop *loop;
    void *context;
    struct mailbox box;
    struct store *store;
    struct lister *lister;
    struct local *local;
    struct lender *lender; /* of the model */
    struct resolver *resolver; /* of names on the node list */
    struct progress *progress;
    uint64_t incarnation;

    struct node *nodes; /* in the order of the node list */
    int node_count;
    bool introduced;    /* some worker has taken the job */
    bool started;       /* min_nodes were ready once */
    uint64_t started_ns;
    uint64_t enough_ns; /* when there were last enough nodes */
    char fingerprint[LIMIT_TEXT];
    char network[64], model_sha256[65];
    char precision[16]; /* of the first worker; "": not known */
    uint32_t classes, values;
    struct provenance provenance;

    struct batches batches;
    struct node *guard; /* has the suspects, one by one, and nothing else; NULL: there are none to hand out */
    uint64_t load_next; /* the store has no pending batch below that is not in memory or done */
    bool load_asked;
    struct db_counts counts;
    uint64_t errors_before; /* of those, from earlier runs */
    bool trusted;       /* some result was no refusal: see refusals.h */
    uint64_t refused_images;
    bool listed;
    bool bad_list;      /* it failed, because of what the sources say */
    uint64_t skipped;   /* neither file nor folder */

    struct loop_timer tick;
    uint64_t start_ns, first_dispatch_ns, last_commit_ns;
    uint64_t elapsed_before_ms; /* in earlier runs of this job */
    uint64_t working_before_ms; /* the same, of working */
    struct history history;
    bool stopping;
    int result;
    struct why why;
};

/* Runs a job whose store is open; takes over `db`. `ret` keeps nodes and counts for the report; coordinator_free() it also after a
 * failure, unless it is NULL. */
int coordinator_run(const struct run_plan *plan, struct db *db, struct coordinator **ret, struct why *why);
void coordinator_free(struct coordinator *c); /* accepts NULL */
DEFINE_FREEP(coordinator_free, struct coordinator)

/* How many images failed in this run, and whether that is more than --max-errors. */
uint64_t coordinator_failed(const struct coordinator *c);
bool coordinator_too_bad(const struct coordinator *c);

/* A handler for each message to a coordinator, made from messages.def: one that is missing fails at link. */
#define ON_to_worker(name)
#define ON_to_coordinator(name) \
    void coordinator_on_##name(struct coordinator *c, struct node *node, const struct message *message);
#define RECORD(name, ...)
#define MESSAGE(name, to, ...) ON_##to(name)
#include "proto/messages.def"
#undef MESSAGE
#undef RECORD
#undef ON_to_worker
#undef ON_to_coordinator

/* coordinator.c */
int coordinator_send(struct coordinator *c, struct node *node, struct message *message);
void coordinator_fail(struct coordinator *c, int r, const char *format, ...) __attribute__((format(printf, 3, 4)));
uint64_t coordinator_elapsed_ms(const struct coordinator *c, uint64_t now_ns); /* since the start, earlier runs included */
uint64_t coordinator_working_ms(const struct coordinator *c, uint64_t now_ns); /* since the first dispatch, earlier runs included */

/* dispatch.c */
void coordinator_dispatch(struct coordinator *c);
void coordinator_copy(struct coordinator *c, struct node *node); /* towards the end: it may run what a slow one has, too */

/* results.c */
void coordinator_commit(struct coordinator *c, struct node *node, uint64_t batch);
void coordinator_cancel(struct coordinator *c, struct node *node, uint64_t batch); /* it need not finish it, and keeps no result */
void coordinator_convict(struct coordinator *c, struct node *node, struct batch *piece); /* its row says so */

/* nodes.c */
int nodes_open(struct coordinator *c, struct why *why);
void nodes_close(struct coordinator *c);
struct node *node_add(struct coordinator *c, const char *name, const char *endpoint, const char *key, struct why *why);
int node_connect(struct node *node, struct why *why); /* a new socket, and hello soon */
void node_disconnect(struct node *node);
struct resolved;
void node_resolved(const struct resolved *resolved); /* where a node is */
int nodes_count(const struct coordinator *c, enum node_state state);
struct node *node_find(struct coordinator *c, const char *name);
void node_refused(struct node *node, const char *reason); /* for this job; the next reading of the node list tries again */
void node_dismiss(struct node *node); /* says bye */
void nodes_start_if_enough(struct coordinator *c);
void nodes_tick(struct coordinator *c);

/* model.c */
int model_lend(struct coordinator *c, struct why *why); /* from now on */
struct lent;
void model_send(struct lent *lent); /* a piece that was read */

/* lost.c */
uint64_t node_give_back(struct node *node); /* what it has goes to others; returns how many batches */
void node_lost(struct node *node, const char *reason); /* its batches go back; it is called again */
void node_hung(struct node *node); /* the same, for one that says it is alive and does nothing */
void node_judge(struct node *node, const struct message *message); /* a welcome: what became of the process that was lost? */

/* handshake.c */
void node_watch(struct node *node); /* one that is called: what became of the connection? */

/* reload.c */
void nodes_reload(struct coordinator *c); /* reads the node list again; a bad one changes nothing */
void node_drain(struct node *node); /* it gets no more batches, and leaves when nothing of it is outstanding: see node.h */
bool node_drained(struct node *node); /* says bye if that is so */
void node_gone(struct node *node); /* says bye */
