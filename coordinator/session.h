/* session.h: what the commands `run`, `resume` and `retry` share: a job that this process has to itself, and the options of this run of it.
 *
 * Threads:   the main thread's. Ownership: session_done() frees and closes. Errors: negative errno with a sentence; or an exit status, said so. */
#pragma once

#include "common/labels.h"
#include "coordinator/job_state.h"
#include "coordinator/jobdir.h"
#include "coordinator/nodelist.h"
#include "coordinator/placement.h"
#include "coordinator/run_options.h"
#include "coordinator/trust.h"

struct session {
    struct run_options options;
    struct placement placement;
    char *begun_precision; /* which `options` point to; NULL: it is the present one */
    int argc; /* of `resume` and `retry`, with their options in front */
    char **argv;
    struct jobdir dir;
    struct db *db;
    struct spec *spec;
    struct labels *labels;
    struct s3_session *s3; /* of sources and output; NULL: not needed */
    struct nodelist nodes;
    char *node_list; /* its file, absolute; NULL: none */
    struct trust trust;
    int local;
    uint64_t epoch;
};

#define SESSION_EMPTY { .options = RUN_DEFAULTS, .dir.fd = -1 }

void session_done(struct session *session);

int session_open_labels(struct session *session, struct why *why);
int session_read_nodes(struct session *session, struct why *why);

/* Runs the job to its end and writes its tables. Exit status. */
int session_run(struct session *session);

/* resume.c: the command line of `resume` and `retry`; an option of `run` that they do not have is explained. */
int session_options(struct session *session, int argc, char **argv, int *ret_first, struct why *why);

/* resume_help.c: --help of both; `title`: their first line, without the program. */
void session_help(const char *title);

/* Opens a job that was begun earlier, if it is still what it was: version, labels. */
int session_reopen(struct session *session, const char *path, struct why *why);

/* Makes it ready to send out work: weights still what they were, nodes (those it ran with last, if no others are given), a higher epoch. */
int session_prepare_work(struct session *session, const char *path, struct why *why);

/* What job.db says of it. */
struct session_state {
    struct job_state job;
    bool exported; /* it is complete, and all tables that were written since are still there */
};
int session_look(struct session *session, struct session_state *ret, struct why *why);

/* Exit status where nothing is left to do. */
int session_nothing_to_do(const struct session *session, const struct session_state *state);

/* ending.c: says how to go on after error `r` of a run, if there is a way. `c`: NULL for none. */
struct coordinator;
struct bytes;

/* The command that goes on with the job: as this process was asked to, or, as long as no worker has taken it so, as it worked before. */
int session_resume_command(const struct session *session, const struct coordinator *c, struct bytes *out);
void session_hint(const struct session *session, const struct coordinator *c, int r);

