/* summary.h: the end of a job in numbers: summary.json, and the same for people.
 *
 * summary.json holds all that the printed form needs, so `report` prints it again at any time.
 *
 * The slowest stage: of all stages, added up over the workers, the one whose threads spent the largest part of the work on a
 * CPU (busy / (threads * run_working_s)), if that is at least SUMMARY_SATURATED: nothing else can have held up the job then. Where
 * none is near that, stages shared cores, and it is the one with the largest part of all stages' CPU time.
 *
 * Threads:   any, one at a time for one summary.
 * Ownership: a summary (a jansson object) is freed by summary_free(). Facts and tally are borrowed.
 * Errors:    -ENOMEM; those of outfile.h; -EINVAL for a summary.json that is none. */
#pragma once

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/why.h"
#include "coordinator/history.h"
#include "coordinator/tally.h"
#include "proto/preset.h"

#include <stdbool.h>

#define SUMMARY_SATURATED 0.75

struct json_t;

struct node_facts {
    const char *name; /* as in the node list, or local-1 */
    const char *version, *engine, *device, *precision, *fingerprint;
    uint32_t threads, engine_batch;
    uint64_t images, batches; /* of which this node's results were taken */
    const struct rec_stage *stages;
    uint32_t stages_count;
};

struct job_facts {
    const char *version, *job, *directory;
    const char *const *sources;
    uint32_t sources_count;
    const char *const *include, *const *exclude;
    uint32_t include_count, exclude_count;
    uint64_t sample, limit; /* 0: none */
    uint64_t skipped; /* entries that are neither file nor folder */
    const struct preset *preset;
    const char *network;
    struct span weights_uri; /* empty: the workers' default */
    const char *weights_sha256;
    uint32_t classes;
    const char *labels; /* file, NULL: built in */
    const char *truth;  /* expression or "@FILE", NULL: none */
    const char *truth_sha256; /* of that file; NULL: there is none */
    uint32_t batch, top;
    enum row_emit emit;
    const struct node_facts *nodes;
    uint32_t nodes_count;
    double started_s, finished_s; /* wall clock, seconds since 1970 */
    double elapsed_s;             /* from the start to the last commit, of all runs; less than the difference if the job was resumed */
    double working_s;             /* of that from the first dispatch on: without waiting for workers and their models */
    double run_working_s;         /* the same of the last run alone, whose nodes these are */
    double cpu_s;                 /* of the coordinator */
    const char *const *files;
    uint32_t files_count;
    const char *per_image; /* folder, NULL: not wanted */
    const struct history *history; /* NULL: none */
    struct json_t *evaluation; /* evaluation_compact(); NULL: none */
};

int summary_new(const struct job_facts *facts, const struct tally *tally, struct json_t **ret);
void summary_free(struct json_t *summary); /* accepts NULL */
DEFINE_FREEP(summary_free, struct json_t)

/* Its images were judged again, by this truth, as truth_describe() gives it: so many have one, and so many of those are right. */
int summary_set_truth(struct json_t *summary, const char *truth, const char *truth_sha256, uint64_t with_truth, uint64_t correct);

/* Takes over `evaluation` (evaluation_full()); -ENOMEM if that is NULL. */
int summary_set_evaluation(struct json_t *summary, struct json_t *evaluation);

/* Where the tables are (absolute paths, NUL-separated), and the folder of one file an image; NULL: none. */
int summary_set_files(struct json_t *summary, const struct bytes *files, const char *per_image);

/* Appends the text of summary.json. */
int summary_dump(const struct json_t *summary, struct bytes *out);

/* As summary.json in `directory`. */
int summary_write(const struct json_t *summary, const char *directory, struct why *why);
bool summary_exists(const char *directory); /* and is whole */
int summary_load(const char *directory, struct json_t **ret, struct why *why);

/* Appends the form for a terminal. Missing or odd members are shown as 0 or "?".
 * `classes`: with all confusions that it has and a line a class; evaluation_full() has them. */
int summary_print(const struct json_t *summary, bool classes, struct bytes *out);
