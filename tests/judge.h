/* judge.h: what Pillow and torchvision say of files, for tests that compare with them byte for byte.
 *
 *     judge_ask(&judge, 256, 224);  judge_add(&judge, path)...;  judge_run(&judge);  pixels = judge_next(&judge)...
 *
 * One Python process serves all files of a judge.
 *
 * Threads:   a judge belongs to its test.
 * Ownership: judge_next() lends memory of the judge.
 * Errors:    fail the test; without Python, Pillow or torchvision the test is skipped. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct judge {
    int resize, crop;
    const char *interpolation; /* NULL: bilinear */
    bool orient;               /* as EXIF says */
    FILE *list;
    char *answers;
    size_t size, at;
};

void judge_ask(struct judge *judge, int resize, int crop);
void judge_add(struct judge *judge, const char *path);
void judge_run(struct judge *judge);
/* (crop, crop, 3) of the next file, in the order of judge_add(); NULL if Pillow refuses it. */
const uint8_t *judge_next(struct judge *judge);
