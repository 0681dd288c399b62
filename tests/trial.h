/* trial.h: what we make of files against what Pillow makes of them, accepted or refused, pixel by pixel.
 *
 *     trial_new(&trial, 48, 40);  trial_add(&trial, file, size, "cut", at)...;  trial_end(&trial, &accepted);
 *
 * Threads:   a trial belongs to its test.
 * Ownership: files are copied.
 * Errors:    fail the test; skipped without the judge. */
#pragma once

#include "tests/judge.h"
#include "worker/image/preprocess.h"

#include <stdbool.h>
#include <stddef.h>

struct trial {
    struct judge judge;
    struct preprocess *p;
    int crop;
    bool lenient; /* what Pillow accepts may be refused */
    int count, refused_more, room;
    struct answer {
        char path[64];
        int r;
        char why[256];
        uint8_t *pixels; /* NULL if refused */
    } *answers;
};

void trial_new(struct trial *trial, int resize, int crop);
void trial_new_spec(struct trial *trial, const struct preprocess_spec *spec);

/* What we say of `file` is kept for the comparison; the file is written for the judge. */
void trial_add(struct trial *trial, const void *file, size_t size, const char *name, size_t at);

/* Asks the judge and compares. */
void trial_end(struct trial *trial, int *ret_accepted);
