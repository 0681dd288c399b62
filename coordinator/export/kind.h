/* kind.h: what a kind of export is to export.c; one file a kind, all of them in its table.
 *
 * Threads:   as in export.h.
 * Ownership: `state` belongs to export.c from a successful open to close, which removes what was not committed.
 * Errors:    as in export.h. */
#pragma once

#include "coordinator/export/export.h"

struct export_kind {
    bool (*wanted)(const struct export_options *options);
    int (*open)(const struct export_options *options, void **ret, struct why *why);
    int (*row)(void *state, const struct export_row *row, struct why *why);
    int (*finish)(void *state, struct why *why); /* all on disk, under its temporary name */
    int (*commit)(void *state, struct why *why); /* gets its name: after every kind has finished */
    const char *(*path)(const void *state);      /* NULL: no single file */
    void (*close)(void *state);
};

extern const struct export_kind export_jsonl, export_csv, export_npy, export_per_image, export_per_object;
