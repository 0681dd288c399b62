/* fit.h: the last layer of a network, fitted to the pooled features of some images.
 *
 * The network computes W f, with f as long as the image makes it; fit to rows of length 1, W picks the same class for every
 * length, and the bias stays 0. A common factor on W decides how sure softmax is: the one that makes the images left out
 * most likely (least cross-entropy).
 *
 * Threads:   no state.
 * Ownership: fit_done() frees what fit_make() made.
 * Errors:    negative errno, with a sentence in `why`. */
#pragma once

#include "tests/demo/samples.h"

struct fit {
    float *weight; /* (classes, features), for features as they are */
    size_t right;  /* of the images, each left out in its turn */
};

int fit_make(const struct samples *samples, struct fit *ret, struct why *why);
void fit_done(struct fit *fit);

/* Writes the tensors of `backbone` with the fitted `fc` in place of its own. */
int fit_write_model(const char *path, const char *backbone, const struct samples *samples, const struct fit *fit,
                    struct why *why);

/* Writes a class name a line, underscores as spaces. */
int fit_write_labels(const char *path, const struct samples *samples, struct why *why);
