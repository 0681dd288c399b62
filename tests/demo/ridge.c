#include "tests/demo/ridge.h"

#include <errno.h>

#include <cblas.h>
#include <lapacke.h>

/* (count, count), lower triangle: X X' + lambda I, factorised. */
static int factorise(const struct samples *samples, double lambda, double *gram)
{
    int n = (int)samples->count, width = (int)samples->width;
    cblas_dsyrk(CblasRowMajor, CblasLower, CblasNoTrans, n, width, 1, samples->rows, width, 0, gram, n);
    for (size_t i = 0; i < samples->count; i++)
        gram[i * samples->count + i] += lambda;
    return LAPACKE_dpotrf(LAPACK_ROW_MAJOR, 'L', n, gram, n) ? -EDOM : 0;
}

static void fill_targets(const struct samples *samples, double *targets)
{
    for (size_t i = 0; i < samples->count; i++)
        for (size_t k = 0; k < samples->named; k++)
            targets[i * samples->named + k] = samples->classes[i] == (int)k ? 1 : -1;
}

/* left_out holds the targets; the factor becomes the inverse on the way. */
static int leave_out(const struct samples *samples, const double *dual, double *factor, double *left_out)
{
    int n = (int)samples->count;
    if (LAPACKE_dpotri(LAPACK_ROW_MAJOR, 'L', n, factor, n))
        return -EDOM;
    for (size_t i = 0; i < samples->count; i++)
        for (size_t k = 0; k < samples->named; k++)
            left_out[i * samples->named + k] -= dual[i * samples->named + k] / factor[i * samples->count + i];
    return 0;
}

int ridge_fit(const struct samples *samples, double lambda, double *weight, double *left_out, struct why *why)
{
    size_t count = samples->count;
    int n = (int)count, classes = (int)samples->named, width = (int)samples->width;
    if (count > RIDGE_IMAGES_MAX)
        return because(why, -E2BIG, "%zu images are too many to fit to; give at most %d", count, RIDGE_IMAGES_MAX);
    CLEANUP(freep) double *gram = calloc(count * count, sizeof(double));
    CLEANUP(freep) double *dual = malloc(count * samples->named * sizeof(double));
    if (!gram || !dual)
        return because(why, -ENOMEM, "not enough memory to fit to %zu images", count);

    fill_targets(samples, dual);
    fill_targets(samples, left_out);
    int r = factorise(samples, lambda, gram);
    if (r == 0 && LAPACKE_dpotrs(LAPACK_ROW_MAJOR, 'L', n, classes, gram, n, dual, classes))
        r = -EDOM;
    if (r == 0)
        r = leave_out(samples, dual, gram, left_out);
    if (r < 0)
        return because(why, r, "the features of %zu images have no ridge fit with lambda %g; take a larger one", count, lambda);
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, classes, width, n, 1, dual, classes, samples->rows, width, 0, weight,
                width);
    return 0;
}
