/* s3_bed.h: an S3 client and a store that answers as a test wants it.
 *
 *     s3_bed_begin(answer_with_trouble, &trouble);
 *     MUST(s3_bed_get("content", why));
 *     s3_bed_end();
 *
 * Threads:   the store has its own (origin.h); the rest is the test's.
 * Ownership: s3_bed_end() ends what s3_bed_begin() made.
 * Errors:    fail the test, but for those of s3_bed_get(). */
#pragma once

#include "common/s3/client.h"
#include "tests/must.h"
#include "tests/origin.h"

struct s3_bed {
    struct origin *store;
    struct s3_session *session;
    struct s3_client *client;
    atomic_bool stop; /* calls are to end */
};

extern struct s3_bed s3_bed;
extern const struct s3_uri s3_bed_object;

/* No sentence has the bed's secret in it. */
#define REFUSED(call, code, part) REFUSED_WITHOUT("hush", call, code, part)

/* AWS's variables: keys, a region, this endpoint, and nothing else. */
void s3_bed_environment(const char *endpoint);

void s3_bed_begin(origin_handler *handler, void *arg);
void s3_bed_begin_with(origin_handler *handler, void *arg, const struct s3_options *options);
void s3_bed_end(void);

/* Gets the object, which must be this if it comes. */
int s3_bed_get(const char *expected, struct why *why);
