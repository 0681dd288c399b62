/* puppet.h: workers made by hand: a test decides what they answer, and when.
 *
 *     struct puppet one;
 *     puppet_start(&one, 0);                          listens; greets, beats and grants by itself
 *     struct message *batch = puppet_batch(&one);     waits for the next batch
 *     puppet_answer(&one, batch);                     its right result
 *     puppet_die(&one);                               another process listens there from now on
 *
 * Nothing happens between two calls of puppets_step(), which WAIT_FOR conditions call: PUPPETS(condition).
 *
 * Threads:   a test's only one.
 * Ownership: a puppet lives until the test ends. Messages belong to their puppet.
 * Errors:    fail the test. */
#pragma once

#include "proto/link.h"
#include "tests/cluster/lib/process.h"

#define PUPPET_BATCHES 512

struct puppet {
    int port;
    struct link *link;
    struct peer peer;
    uint64_t incarnation, coordinator, epoch, call, welcomed; /* the last: the call that was answered with a welcome */
    bool silent;            /* hears everything and says nothing */
    bool closed_purse;      /* grants nothing */
    bool loading;           /* has not got its model yet */
    const char *precision;  /* that it computes in, and its fingerprint; NULL: "none" and "puppet 1" */
    const char *weights;    /* the hash of its model; NULL: it has none */
    struct rec_suspect suspects[8]; /* for the next welcomes of this process */
    uint32_t suspect_count;
    struct rec_stage stages[3]; /* for heartbeats and results */
    uint64_t granted;       /* images */
    uint64_t received;      /* batches, since the welcome */
    struct message batches[PUPPET_BATCHES]; /* in the order of their coming */
    bool over[PUPPET_BATCHES];              /* answered, returned, committed or cancelled */
    int arrived, taken;     /* of those; and how many puppet_batch() has given out */
    int hellos, welcomes, commits, cancels, byes, pings;
    uint64_t committed, cancelled; /* the last one's batch */
};

void puppet_start(struct puppet *puppet, int port); /* 0: any */
void puppet_die(struct puppet *puppet);

/* Waits for the next one that was not yet given out. */
struct message *puppet_batch(struct puppet *puppet);

void puppet_answer(struct puppet *puppet, const struct message *batch);
void puppet_fail(struct puppet *puppet, const struct message *batch, enum row_error error); /* with a row of it for each image */
void puppet_grant(struct puppet *puppet, uint64_t images); /* that many since its welcome, with a closed purse */
void puppet_return(struct puppet *puppet, const struct message *batch);
void puppet_send(struct puppet *puppet, struct message *message); /* from and to are filled in where they are 0 */
void puppet_blame(struct puppet *puppet, const struct message *batch, uint32_t item); /* after puppet_die() */

/* The number in "sim:N". */
long puppet_image(const struct message *batch, uint32_t item);

/* Lets all puppets hear what came. Always true. */
bool puppets_step(void);
#define PUPPETS(condition) WAIT_FOR(puppets_step() && (condition))

/* Lets them play for a while: for what must not happen. */
void puppets_play(double seconds);

/* A node list of these. */
void puppets_list(const char *path, struct puppet *const *puppets, int count);
