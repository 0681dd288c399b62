/* caller.h: a coordinator made by hand, for one worker: says what a test wants said, and waits for what should come.
 *
 *     struct caller caller;  caller_open(&caller, daemon.port);  caller_hello(&caller, "job", 1);  WAIT: caller_expect(...)
 *
 * Threads:   a test's only one.
 * Ownership: caller_close() frees. A message from caller_expect() is to be given to message_free().
 * Errors:    fail the test. */
#pragma once

#include "proto/link.h"

struct caller {
    void *context;
    struct link *link;
    uint64_t incarnation; /* ours */
    uint64_t worker;      /* of the worker that answered last */
    uint64_t epoch, call;
    uint64_t batches; /* sent since the welcome */
    uint32_t stall_ms; /* for the next hello; 0: long */
    uint32_t attempt;  /* of the batches to come; 0: the first */
};

void caller_open(struct caller *caller, int port);
void caller_close(struct caller *caller);

/* The same coordinator with a new connection. */
void caller_reconnect(struct caller *caller, int port);

/* A job of engine `sim`, 200 images a batch. */
void caller_hello(struct caller *caller, const char *job, uint64_t epoch);
void caller_send(struct caller *caller, struct message *message);

/* `count` items sim:0, sim:1, ... */
void caller_send_batch(struct caller *caller, uint64_t batch, uint32_t count, bool alone);
void caller_commit(struct caller *caller, uint64_t batch);
void caller_cancel(struct caller *caller, uint64_t batch);

/* Waits for a message of this kind; passes over others. */
void caller_expect(struct caller *caller, enum message_kind kind, struct message *ret);

/* Waits for the welcome, and for the credit after it. */
void caller_expect_welcome(struct caller *caller, struct message *ret);

/* Waits for a result of this batch. None of another epoch may come. */
void caller_expect_result(struct caller *caller, uint64_t batch);
/* Waits for this batch to be returned, before any other. */
void caller_expect_returned(struct caller *caller, uint64_t batch);
