/* outfile_kind.h: what a place for files is to outfile.c; one file a kind.
 *
 * Threads:   as in outfile.h.
 * Ownership: `state` belongs to outfile.c from a successful open to close, which removes what was not committed; `path` outlives it.
 * Errors:    as in outfile.h; -ENOMEM of open may come without a sentence. */
#pragma once

#include "coordinator/export/outfile.h"

struct outfile_kind {
    int (*open)(struct s3_session *s3, const char *directory, const char *path, void **ret, struct why *why);
    int (*write)(void *state, const char *data, size_t size, struct why *why);
    int (*finish)(void *state, struct why *why);
    int (*commit)(void *state, struct why *why);
    void (*close)(void *state);
};

extern const struct outfile_kind outfile_local, outfile_s3;
