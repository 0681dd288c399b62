/* agreement.h: how near answers come to those of f32.
 *
 * Threads:   no state. Ownership: none. Errors: none. */
#pragma once

/* Values of engine_spec.recheck for which it is counted what they would do. */
#define AGREEMENT_RECHECKS 4
extern const int agreement_rechecks[AGREEMENT_RECHECKS];

struct agreement {
    int images;
    int same;            /* images whose most probable class is f32's */
    double apart;        /* sum of squares: how much further f32's next most probable classes came to its first, or went from it; in logits */
    int pairs;           /* of classes, in that sum */
    int close[AGREEMENT_RECHECKS];  /* images that would be computed again */
    int mended[AGREEMENT_RECHECKS]; /* of them, those whose most probable class is not f32's */
};

/* Counts an image in: its logits, (classes) both. */
void agreement_add(struct agreement *agreement, const float *expected, const float *values, int classes);

/* Root mean square of what was changed in the distance between the logits of a photo's first class and of its next ones: what decides about top-1. */
double agreement_error(const struct agreement *agreement);
