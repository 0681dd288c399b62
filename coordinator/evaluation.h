/* evaluation.h: how good the answers are, from rows that pass by one at a time.
 *
 * An image is judged if it has a truth; without a prediction it counts as wrong. Two judgements stand side by side: the article's match
 * (truth_matches) and the exact one (truth_is_class), the latter over those truths that name a class at all. Calibration is over judged
 * images with a prediction, by the article's match: expected calibration error with 15 bins of equal width, bin m holding probabilities
 * in ((m-1)/15, m/15] (Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", 2017, eq. 3).
 *
 * Memory is bounded: EVALUATION_TRUTHS different truths and EVALUATION_PAIRS different (truth, answer) have counts of their own; what
 * comes beyond is in the totals but not in the tables, and `left_out` says how many images that were.
 *
 * Threads:   one at a time.
 * Ownership: keeps a pointer to the labels; evaluation_free() frees the rest.
 * Errors:    -ENOMEM at birth; later, memory refused counts as a full table. */
#pragma once

#include "common/cleanup.h"
#include "coordinator/counts.h"
#include "coordinator/export/export.h"
#include "coordinator/names.h"

#define EVALUATION_TRUTHS     65536u
#define EVALUATION_PAIRS      (1u << 19)
#define EVALUATION_BINS       15
#define EVALUATION_HISTOGRAM  20
#define EVALUATION_TOP        5  /* the "5" of top-5 */
#define EVALUATION_CONFUSIONS 10
#define EVALUATION_MISTAKES   24
#define EVALUATION_EXAMPLES   5 /* of each kind of failure */

struct judged {
    uint64_t of, top1, top5;
};

struct evaluation_class {
    struct span truth;
    enum truth_exact how;
    uint64_t unanswered;
    struct judged match;   /* `of`: images with this truth */
    uint64_t exact;        /* top-1, where `how` is not loose */
    uint32_t wrong;        /* the most frequent wrong answer, the lower index among equals */
    uint64_t wrong_count;  /* 0: none */
};

struct evaluation_bin {
    uint64_t images, correct;
    double probability; /* sum */
};

struct evaluation_example {
    char *uri; /* any bytes */
    uint32_t uri_size;
    char *truth, *detail; /* mistakes have the one, failures the other */
    uint32_t index;
    float probability;
};

struct evaluation_confusion {
    uint32_t class_, index; /* number of the truth, class that was answered */
    uint64_t count;
};

enum { EVALUATED_RIGHT, EVALUATED_WRONG, EVALUATED_NOT, EVALUATED_KINDS };

struct evaluation {
    const struct labels *labels;
    bool judging;
    bool top5; /* rows carry enough predictions for top-5 */
    uint64_t unanswered, left_out;
    struct judged match, exact;
    struct evaluation_bin bins[EVALUATION_BINS];
    uint64_t histogram[EVALUATION_HISTOGRAM][EVALUATED_KINDS]; /* by top-1 probability: bin floor(20 p), 1 in the last */
    struct names names;
    struct evaluation_class *classes; /* by number of the name */
    uint32_t class_capacity;
    struct counts pairs; /* key: evaluation_pair() */
    struct evaluation_example mistakes[EVALUATION_MISTAKES]; /* most confident first; among equals the earlier in the list */
    uint32_t mistake_count;
    struct evaluation_example failures[ROW_ERRORS + 1][EVALUATION_EXAMPLES];
    uint32_t failure_count[ROW_ERRORS + 1]; /* of those examples */
};

/* `top`: predictions a row was asked to carry; with 0 (features) nothing is judged. */
int evaluation_new(const struct labels *labels, uint32_t top, struct evaluation **ret);
void evaluation_free(struct evaluation *evaluation); /* accepts NULL */
DEFINE_FREEP(evaluation_free, struct evaluation)

void evaluation_add(struct evaluation *evaluation, const struct export_row *row);

/* Fills in `wrong` of every class; once, after the last row. */
void evaluation_finish(struct evaluation *evaluation);

/* The most frequent wrong answers, most frequent first, then by truth bytewise, then by index. Returns how many. */
uint32_t evaluation_confusions(const struct evaluation *evaluation, struct evaluation_confusion *ret, uint32_t size);

/* Expected calibration error; NaN without images. */
double evaluation_calibration_error(const struct evaluation *evaluation);

/* What a truth that is an id or a number stands for, for people; NULL for any other. */
const char *evaluation_truth_label(const struct evaluation *evaluation, struct span truth);

/* A pair's parts. */
static inline uint32_t pair_class(uint64_t key)
{
    return (uint32_t)(key >> 33);
}
static inline uint32_t pair_index(uint64_t key)
{
    return (uint32_t)(key >> 1);
}
static inline bool pair_right(uint64_t key)
{
    return key & 1;
}
