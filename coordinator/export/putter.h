/* putter.h: many small objects on their way into a store: each takes it some 50 ms, so a number of them travel at a time.
 *
 * Threads:   putter_put() by one; it waits while all are busy.
 * Ownership: copies what it is given. putter_close() frees, waiting for what is on its way.
 * Errors:    the first one is returned by the next call, with its sentence; nothing more is sent then. */
#pragma once

#include "common/why.h"

#include <stddef.h>

struct putter;
struct s3_session;

int putter_open(struct s3_session *s3, struct putter **ret, struct why *why);

/* `address`: s3://bucket/key. */
int putter_put(struct putter *putter, const char *address, const void *data, size_t size, struct why *why);

/* Waits until everything is there. */
int putter_finish(struct putter *putter, struct why *why);
void putter_close(struct putter *putter); /* accepts NULL */
