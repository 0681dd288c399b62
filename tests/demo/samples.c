#include "tests/demo/samples.h"

#include "tests/demo/npy.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

/* One class name a line of predictions.jsonl. */
struct truths {
    char **names;
    size_t count;
};

static void truths_done(struct truths *truths)
{
    for (size_t i = 0; i < truths->count; i++)
        free(truths->names[i]);
    free(truths->names);
}

void samples_free(struct samples *samples)
{
    if (!samples)
        return;
    for (size_t i = 0; i < samples->named; i++)
        free(samples->names[i]);
    free(samples->names);
    free(samples->classes);
    free(samples->lengths);
    free(samples->rows);
    free(samples);
}

static int read_truth(const char *path, const char *line, size_t length, struct truths *truths, struct why *why)
{
    CLEANUP(json_decrefp) json_t *row = json_loadb(line, length, 0, NULL);
    const char *truth = json_string_value(json_object_get(row, "truth"));
    if (!truth)
        return because(why, -EINVAL, "%s: line %zu has no \"truth\"; run with --truth", path, truths->count + 1);
    char *name = strdup(truth);
    if (!name)
        return because(why, -ENOMEM, "%s: not enough memory", path);
    truths->names[truths->count++] = name;
    return 0;
}

/* Exactly `rows` lines. */
static int read_truths(const char *path, size_t rows, struct truths *truths, struct why *why)
{
    CLEANUP(fclosep) FILE *file = fopen(path, "r");
    CLEANUP(freep) char *line = NULL;
    size_t room = 0;
    ssize_t length;
    if (!file)
        return because(why, -errno, "%s: cannot read it: %s", path, strerror(errno));
    truths->names = calloc(rows, sizeof(*truths->names));
    if (!truths->names)
        return because(why, -ENOMEM, "%s: not enough memory", path);
    while ((length = getline(&line, &room, file)) >= 0) {
        if (truths->count == rows)
            return because(why, -EINVAL, "%s: has more lines than the features have rows (%zu)", path, rows);
        int r = read_truth(path, line, (size_t)length, truths, why);
        if (r < 0)
            return r;
    }
    if (truths->count < rows)
        return because(why, -EINVAL, "%s: has %zu lines, but the features have %zu rows", path, truths->count, rows);
    return 0;
}

/* Length of a row; 0 when it is not all finite. */
static double measure(const float *row, size_t width)
{
    double square = 0;
    for (size_t i = 0; i < width; i++)
        square += (double)row[i] * (double)row[i];
    return isfinite(square) ? sqrt(square) : 0;
}

/* Copies the rows that count, scaled, and leaves their truths, in their order, at the front of `truths`. */
static void keep_rows(struct samples *samples, const struct npy *npy, struct truths *truths)
{
    for (size_t i = 0; i < npy->rows; i++) {
        const float *row = npy->values + i * npy->columns;
        double length = measure(row, npy->columns);
        if (length == 0) {
            samples->failed++;
            continue;
        }
        double *out = samples->rows + samples->count * npy->columns;
        for (size_t j = 0; j < npy->columns; j++)
            out[j] = (double)row[j] / length;
        samples->lengths[samples->count] = length;
        char *name = truths->names[samples->count];
        truths->names[samples->count++] = truths->names[i];
        truths->names[i] = name;
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The sorted names, each once. */
static int name_classes(struct samples *samples, const struct truths *truths)
{
    size_t pointers = samples->count * sizeof(char *);
    CLEANUP(freep) char **sorted = malloc(pointers);
    samples->names = calloc(samples->count, sizeof(char *));
    if (!sorted || !samples->names)
        return -ENOMEM;
    memcpy(sorted, truths->names, pointers);
    qsort(sorted, samples->count, sizeof(char *), by_name);
    for (size_t i = 0; i < samples->count; i++) {
        if (i && !strcmp(sorted[i], sorted[i - 1]))
            continue;
        if (!(samples->names[samples->named] = strdup(sorted[i])))
            return -ENOMEM;
        samples->named++;
    }
    for (size_t i = 0; i < samples->count; i++) {
        char **found = bsearch(&truths->names[i], samples->names, samples->named, sizeof(char *), by_name);
        samples->classes[i] = (int)(found - samples->names);
    }
    return 0;
}

static int join(const struct npy *npy, struct truths *truths, struct samples *samples)
{
    samples->width = npy->columns;
    samples->rows = calloc(npy->rows * npy->columns, sizeof(double));
    samples->lengths = calloc(npy->rows, sizeof(double));
    samples->classes = calloc(npy->rows, sizeof(int));
    if (!samples->rows || !samples->lengths || !samples->classes)
        return -ENOMEM;
    keep_rows(samples, npy, truths);
    return samples->count ? name_classes(samples, truths) : 0;
}

int samples_read(const char *features, const char *predictions, struct samples **ret, struct why *why)
{
    CLEANUP(npy_done) struct npy npy = { 0 };
    CLEANUP(truths_done) struct truths truths = { 0 };
    CLEANUP(samples_freep) struct samples *samples = calloc(1, sizeof(*samples));
    int r = samples ? npy_read(features, &npy, why) : because(why, -ENOMEM, "%s: not enough memory", features);
    if (r >= 0)
        r = read_truths(predictions, npy.rows, &truths, why);
    if (r < 0)
        return r;
    if (join(&npy, &truths, samples) < 0)
        return because(why, -ENOMEM, "%s: not enough memory", features);
    if (samples->named < 2 || samples->named > SAMPLES_CLASSES_MAX)
        return because(why, -EINVAL, "%s: images of %zu classes are left after %zu that failed; from 2 to %d can be told apart",
                       predictions, samples->named, samples->failed, SAMPLES_CLASSES_MAX);
    *ret = take(samples);
    return 0;
}
