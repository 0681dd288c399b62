/* tally.h: what can be counted while the rows of a job pass by.
 *
 * Threads:   one at a time.
 * Ownership: plain memory (some 45 KB), nothing to free; {0} is an empty one.
 * Errors:    none. */
#pragma once

#include "coordinator/export/export.h"

struct tally_failure {
    uint64_t count;
    struct span uri; /* of the first one; points into `first_uri` */
    char first_uri[LIMIT_URI + 1];
    char detail[LIMIT_TEXT + 1];
};

struct tally {
    uint64_t examined, failed;
    uint64_t with_truth; /* failed ones too */
    uint64_t correct;
    struct tally_failure kind[ROW_ERRORS + 1]; /* by enum row_error; the last: of a kind this version does not know */
};

void tally_add(struct tally *tally, const struct export_row *row);

/* What a person may do about it, one sentence without a full stop. */
const char *failure_advice(enum row_error error);

/* Trying again may help. */
bool failure_retryable(enum row_error error);
