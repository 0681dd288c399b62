/* cast.h: a job on puppets that answer by a rule of the test: who can read what?
 *
 *     cast_begin(&run, 2, "sim:20", "60");     two puppets, batches of ten images, --node-timeout 60
 *     cast_play(&run, 2, rule);                until the run ends, with status 0
 *     cast_check_rows("not_found", 10);        so many rows with this error; "": without one
 *
 * Threads:   a test's only one.
 * Ownership: the cast is there once. Errors: fail the test. */
#pragma once

#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/puppet.h"

#define CAST_MOST 10

extern struct puppet cast[CAST_MOST];

/* What a puppet does with a batch that it has, which begins with this image. Called again and again, until that is committed or cancelled, as workers
 * offer their results. Nothing is an answer, too. */
typedef void cast_rule(struct puppet *puppet, const struct message *batch, long image);

void cast_begin(struct process *run, int count, const char *images, const char *node_timeout);

/* The node of this number gets one batch at a time. Returns when it is welcome. */
void cast_narrow(int number);

/* The rule, once for everything that the first `count` have; silent ones do nothing. Then they all play for a moment. */
void cast_act(int count, cast_rule *rule);

void cast_play(struct process *run, int count, cast_rule *rule);

void cast_check_rows(const char *error, int count);
