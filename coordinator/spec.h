/* spec.h: the description of a job: all that decides its rows and where they go. Kept in job.db as JSON, so that a job can be resumed and
 * exported without its command line.
 *
 * Threads:   plain data, constant once made.
 * Ownership: spec_free() frees everything inside.
 * Errors:    negative errno with a sentence. */
#pragma once

#include "common/cleanup.h"
#include "common/why.h"
#include "proto/messages.h"
#include "proto/preset.h"

#include <stdbool.h>

struct spec {
    char *job;             /* id */
    char *version;         /* that made it */
    char **sources;        /* as given */
    int source_count;
    char **include, **exclude; /* patterns: filter.h */
    int include_count, exclude_count;
    int64_t sample;        /* about one entry of the list in so many; 0: all */
    int64_t limit;         /* entries of it that are taken; 0: all */
    char *folder;          /* where relative sources were meant */
    bool null_separated;
    char *weights;         /* absolute path or https:// address, or "" for the workers' own */
    char *weights_sha256;  /* "" where the file is not here */
    char *labels;          /* absolute path, or "" for the built-in list */
    char *labels_sha256;   /* "" for the built-in list */
    char *truth;           /* regular expression, "@" and the absolute path of a table, or "" */
    char *home;            /* absolute path of the job's folder, not kept in it; NULL: not known yet */
    char *truth_sha256;    /* of that table; "": there is none */
    char *preset;
    int resize, crop;
    enum interpolation interpolation;
    bool exif_orient;
    float mean[3], std[3];
    enum row_emit emit;
    int top, batch;
    char *precision;       /* a word of --precision; "auto": as each worker chooses */
    int recheck;           /* %; 0: as each worker's own */
    char *output;          /* folder, or s3://bucket/prefix/ */
    bool output_inside;    /* which is the job directory, wherever that is moved to */
    char *formats;         /* "jsonl,csv" */
    bool per_image, mixed;
    double created;        /* seconds since 1970 */
    /* the S3 store, as options or environment said when the job was made; "" where they did not. No secrets. */
    char *endpoint_url, *region, *addressing_style, *profile, *ca_bundle;
    bool no_sign_request;
};

void spec_free(struct spec *spec);
DEFINE_FREEP(spec_free, struct spec)

/* Says where the job directory is now. */
int spec_set_folder(struct spec *spec, const char *absolute, struct why *why);
int spec_set_home(struct spec *spec, const char *absolute, struct why *why); /* exports go where they did */

/* Whether some images are named by a list, and may be nowhere. */
bool spec_has_list(const struct spec *spec);

/* To and from JSON; the text is the caller's to free. */
int spec_to_json(const struct spec *spec, char **ret, struct why *why);
int spec_from_json(const char *text, struct spec **ret, struct why *why);

/* Whether two jobs would have other rows or tables: the first thing in which they differ, with both values, "the preset is A, not B". */
bool spec_differs(const struct spec *is, const struct spec *other, char *ret, size_t size);
