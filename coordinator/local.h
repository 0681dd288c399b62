/* local.h: workers on this machine for this job, the embedded default.
 *
 * Each is a sleddog-worker process that listens on a socket in a private folder of ours (sockets.h) and writes its log to
 * JOBDIR/worker-N.log. It is ended with the job, and by the kernel if the coordinator dies.
 *
 * Threads:   the loop's (SIGCHLD arrives there).
 * Ownership: local_stop() ends the processes and removes the folder.
 * Errors:    negative errno with a sentence. */
#pragma once

#include "common/why.h"

struct coordinator;
struct local;
struct node;

/* Adds plan->local nodes. */
int local_start(struct coordinator *c, struct local **ret, struct why *why);

/* After SIGCHLD: says what died and starts it again. One that dies several times in a row is given up; deaths for which there are suspects
 * do not count here (lost.c counts them). */
void local_reap(struct local *local, struct coordinator *c);

/* Ends the process of a node that hangs; local_reap() starts another. Nothing happens to a node that is not local. */
void local_kill(struct node *node);

/* Accepts NULL. */
void local_stop(struct local *local);
