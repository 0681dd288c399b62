/* comparison.h: two complete jobs about the same images: whose answers differ, and which of them are right.
 *
 * Images belong together by their URIs; of an image that a list has several times its first row counts. Answers are the same if their labels are. A
 * truth is the job's own; where one of the two has none, the other's.
 *
 * Threads:   one at a time.
 * Ownership: borrows everything; what `each` hears lives until it returns.
 * Errors:    negative errno with a sentence; -EBUSY for a job that is not complete, as finish_walk().
 * Memory:    URI and answer of every image of the first job. */
#pragma once

#include "coordinator/finish.h"

/* What one job says of an image. */
struct comparison_answer {
    enum row_error error; /* 0: there is an answer */
    uint32_t index;
    const char *label;    /* "" where the class has no name */
    float probability;
    enum match match;
    bool judged;          /* its job has a truth for the image */
};

struct comparison_job {
    struct db *db;
    const struct spec *spec;
    const struct labels *labels;
};

struct comparison_change {
    struct span uri, truth; /* the second job's; truth.data NULL: none */
    struct comparison_answer answer[2];
};

struct comparison {
    uint64_t images;        /* that are in both */
    uint64_t alone[2];      /* in this one only */
    uint64_t failed[2];     /* of those in both, without an answer here */
    uint64_t answered;      /* in both */
    uint64_t same;          /* of those, the same class */
    uint64_t changed;       /* of `images`: another class, or an answer in one of the two only */
    double moved, most;     /* by how much the probability of a class that stayed the first one differs: in sum, and at most */
    uint64_t judged;        /* with a truth in both */
    uint64_t right[2];      /* of those */
    uint64_t lost, gained;  /* right in the first and wrong in the second, and the other way round */
};

/* `each`, which may be NULL, hears of every image whose class differs, or that has an answer in one of the jobs only, in the order of the second one. */
typedef int comparison_each(void *arg, const struct comparison_change *change, struct why *why);
int comparison_make(const struct comparison_job jobs[2], comparison_each *each, void *arg, struct comparison *ret, struct why *why);
