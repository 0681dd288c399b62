/* export.h: the files a finished job leaves, written row by row in the order of the list.
 *
 *   jsonl      predictions.jsonl: one object a line, keys uri, name, truth, predictions, match, error (and uri_base64 after
 *              uri when that is not UTF-8)
 *   csv        predictions.csv: a header line, then uri,name,truth,label,index,probability,match,error,detail of the first
 *              prediction; fields quoted by RFC 4180, lines end with LF; what is not UTF-8 becomes U+FFFD
 *   npy        features.npy or logits.npy with --emit: '<f4' (rows, values), row i belongs to line i of predictions.jsonl,
 *              which is then written too; a row that failed is NaN
 *   per-image  <directory>/<key>.json, the object of one row; see image_path.h for keys that make no good file name
 *
 * A table is written beside its place under a temporary name; exporters_close() renames them when all are on the disk, so each
 * is there whole or not at all. Per-image files appear as rows pass, each whole; exporters_close() waits for the disk.
 *
 * Threads:   one at a time.
 * Ownership: rows are borrowed for the call; exporters_abort() and a failed exporters_close() remove what is unfinished.
 * Errors:    negative errno and a sentence that names the file; after one, only exporters_abort() makes sense. */
#pragma once

#include "common/labels.h"
#include "common/why.h"
#include "coordinator/truth.h"
#include "proto/messages.h"

#include <stdbool.h>
#include <stdint.h>

enum export_format {
    EXPORT_JSONL = 1,
    EXPORT_CSV = 2,
    EXPORT_PER_IMAGE = 4,
};

struct s3_session;

struct export_options {
    const char *directory; /* made if missing; or s3://bucket/prefix/ ... */
    struct s3_session *s3; /* ... and the session for it */
    unsigned formats;      /* of enum export_format, or-ed */
    enum row_emit emit;
    const struct labels *labels;
    uint64_t rows;   /* exactly so many will come */
    uint32_t values; /* floats a row, 0 with ROW_TOPK */
};

struct export_row {
    const struct rec_item *item;
    const struct rec_row *row;
    struct span truth; /* data NULL: none */
    enum match match;
};

struct exporters;

/* "jsonl,csv" to formats. */
int export_formats(const char *list, unsigned *ret, struct why *why);

int exporters_open(const struct export_options *options, struct exporters **ret, struct why *why);
int exporters_row(struct exporters *exporters, const struct export_row *row, struct why *why);

/* Path of the i-th table, for the summary; NULL after the last. */
const char *exporters_path(const struct exporters *exporters, int i);

int exporters_close(struct exporters *exporters, struct why *why); /* frees in any case */
void exporters_abort(struct exporters *exporters);                 /* accepts NULL */
