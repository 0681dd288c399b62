/* comparison_print.h: what comparison.h found, for a terminal, for programs, and the changed answers one by one.
 *
 * Threads: any. Ownership: none taken. Errors: those of bytes.h, kept in the buffer. */
#pragma once

#include "common/bytes.h"
#include "coordinator/comparison.h"

struct json_t;

#define COMPARISON_SHOWN 10

/* The changes of which both jobs were surest, the surest first. */
struct comparison_surest {
    struct comparison_change change[COMPARISON_SHOWN]; /* labels and URIs are copies */
    int count;
};

/* A comparison_each, whose argument is a struct comparison_surest. */
int comparison_keep_surest(void *arg, const struct comparison_change *change, struct why *why);
void comparison_surest_done(struct comparison_surest *surest);

/* `summaries`: of the two jobs, for what computed them; NULL where there is none. */
int comparison_print(const struct comparison *comparison, const struct comparison_surest *surest, const char *const names[2],
                     const struct json_t *const summaries[2], struct bytes *out);
int comparison_print_json(const struct comparison *comparison, const char *const names[2], const struct json_t *const summaries[2], struct bytes *out);

/* CSV, RFC 4180. */
void comparison_csv_head(struct bytes *out);
void comparison_csv_line(struct bytes *out, const struct comparison_change *change);
