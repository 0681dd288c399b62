/* gallery.h: the images of a folder, and their way through an engine.
 *
 * Threads:   one thread; the engine has its own.
 * Ownership: gallery_done() frees the list. Pixels of the images that judge, which are wanted again and again, stay in memory up to a limit.
 * Errors:    negative errno with a sentence. A file that is no readable image is no error: it is counted, told, and left out from then on. */
#pragma once

#include "proto/preset.h"
#include "worker/engines.h"

struct gallery_image {
    char *path;
    uint8_t *pixels; /* of one that judges, once it was decoded; NULL: it is decoded when it is wanted */
    bool unreadable;
};

struct gallery {
    struct gallery_image *images; /* in order of their names */
    int count;
    int unreadable;
    size_t kept;     /* bytes of pixels */
    void (*tell)(const char *path, const char *why); /* of an unreadable one; NULL: nobody */
};

/* Every regular file below `folder`; or, if they are more than `most`, that many of them, evenly spread. */
int gallery_open(struct gallery *gallery, const char *folder, int most, struct why *why);
void gallery_done(struct gallery *gallery); /* accepts zeroed memory */

/* Whether the i-th image is one of those that only judge: every fourth, and the only one. */
bool gallery_judges(const struct gallery *gallery, int i);

typedef void gallery_row(void *arg, int image, const float *values);

/* Runs the images that judge, or the others, through an engine, in order, and hands its values on. All runs of a gallery have the same preset, and engines
 * for images of its size. */
int gallery_run(struct gallery *gallery, bool judges, const struct preset *preset, const struct engines_opened *it, gallery_row *row, void *arg,
                struct why *why);
