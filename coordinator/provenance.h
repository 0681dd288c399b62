/* provenance.h: what computed the rows of a job: the workers as they were. A node's name does not say it: another worker may serve there after `resume`, or
 * the same with other options, where --mixed allows it.
 *
 * Each that a row was taken of has a number, and what it was is in job.db before its first row is: meta's "worker 0", "worker 1" and so on. With the rows
 * stands its label: the node's name and that number.
 *
 * Threads:   the loop's; reading, the main thread's before and after it.
 * Ownership: a provenance owns its records; provenance_done() frees them. A zeroed one is empty.
 * Errors:    negative errno; with a sentence where there is a `why`. */
#pragma once

#include "coordinator/db.h"

#include <stdint.h>

struct json_t;
struct node;
struct store;

struct provenance {
    struct json_t **worker; /* by number: {"name", "version", "engine", "device", "precision", "fingerprint", "threads", "engine_batch"} */
    uint32_t count;
};

/* What earlier runs left. */
int provenance_read(struct provenance *provenance, struct db *db, struct why *why);
void provenance_done(struct provenance *provenance);

/* Before a result of this node goes to the store: its label, and what it is goes there first if nobody has been that yet. */
int provenance_label(struct provenance *provenance, struct store *store, struct node *node, char *ret, size_t ret_size);

/* The worker of a label, NULL: not known, as where a former release kept the rows; `name_size`: bytes of the label that are the node's name. */
const struct json_t *provenance_find(const struct provenance *provenance, const char *label, size_t *name_size, uint32_t *ret_number);
