/* ridge.h: linear one-against-the-rest classifiers by ridge regression in its dual form, for fewer images than features.
 *
 *     A = (X X' + lambda I)^-1 Y,    W = A' X,     Y = 1 for an image's own class, -1 for the others
 *
 * The answers for images left out come from the same inverse G: Y[i] - A[i] / G[i][i] (T. Hastie and others, "The Elements of
 * Statistical Learning", 7.10). There is no intercept: the sign of W x does not depend on the length of x.
 *
 * Threads:   no state; BLAS may use threads of its own.
 * Ownership: outputs are the caller's.
 * Errors:    -E2BIG above RIDGE_IMAGES_MAX, -EDOM when the matrix has no factor, -ENOMEM. */
#pragma once

#include "tests/demo/samples.h"

#define RIDGE_IMAGES_MAX 8192

/* weight: (named, width); left_out: (count, named), what a fit without the image itself says of it. */
int ridge_fit(const struct samples *samples, double lambda, double *weight, double *left_out, struct why *why);
