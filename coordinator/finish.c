#include "coordinator/finish.h"

#include "common/clock.h"
#include "common/counted.h"
#include "common/log.h"
#include "coordinator/evaluation_json.h"
#include "coordinator/export/export.h"
#include "coordinator/export/success.h"
#include "coordinator/exported.h"
#include "coordinator/facts.h"
#include "coordinator/shown.h"
#include "coordinator/summary.h"
#include "coordinator/truth_file.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#define MAX_FILES 8

/* ---- walking ---- */

struct walk {
    const struct labels *labels;
    struct truth *truth;
    struct arena arena;
    finish_each *each;
    void *arg;
    const char *path; /* of job.db */
};

static int walk_rows(struct walk *walk, const struct db_batch *batch, struct why *why)
{
    struct rec_item *items;
    struct rec_row *rows;
    uint32_t item_count = 0, row_count = 0;
    int r = items_decode(batch->items, batch->items_size, &walk->arena, &items, &item_count);
    if (r == 0)
        r = rows_decode(batch->rows, batch->rows_size, &walk->arena, &rows, &row_count);
    if (r == -ENOMEM)
        return because(why, r, "%s: batch %" PRIu64 ": out of memory", walk->path, batch->id);
    if (r < 0 || item_count != row_count)
        return because(why, -EBADMSG, "%s: the rows of batch %" PRIu64 " are damaged; put a copy of the whole job folder back, or begin a new job",
                       walk->path, batch->id);
    for (uint32_t i = 0; i < item_count && r >= 0; i++) {
        struct rec_item shown;
        if (shown_item(&items[i], &walk->arena, &shown) < 0)
            return because(why, -ENOMEM, "%s: batch %" PRIu64 ": out of memory", walk->path, batch->id);
        struct export_row row = { .item = &shown, .row = &rows[i], .truth = truth_of(walk->truth, shown.uri) };
        row.match = truth_match(row.truth, &rows[i], walk->labels);
        r = walk->each(walk->arg, &row, why);
    }
    return r;
}

static int walk_batch(void *arg, const struct db_batch *batch, struct why *why)
{
    struct walk *walk = arg;
    if (!batch->rows)
        return because(why, -EBUSY, "this job is not complete: batch %" PRIu64 " has no result yet", batch->id);
    int r = walk_rows(walk, batch, why);
    arena_done(&walk->arena);
    return r;
}

int finish_judge_by(struct spec *spec, const char *truth, struct why *why)
{
    char *text = NULL, *sha256 = NULL;
    if (!truth)
        return 0;
    int r = truth_check(truth, why);
    if (r == 0)
        r = truth_describe(truth, &text, &sha256, why);
    if (r < 0)
        return r;
    free(spec->truth);
    free(spec->truth_sha256);
    spec->truth = text;
    spec->truth_sha256 = sha256;
    return 0;
}

int finish_walk(struct db *db, const struct spec *spec, const struct labels *labels, finish_each *each, void *arg, struct why *why)
{
    struct walk walk = { .labels = labels, .each = each, .arg = arg, .path = db_path(db) };
    arena_init(&walk.arena, SIZE_MAX / 2);
    CLEANUP(freep) char *truth = NULL;
    int r = truth_find(spec->truth, spec->truth_sha256, spec->home, &truth, why);
    if (r < 0)
        return because_in(why, r, "%s", db_path(db));
    if (r == 0 && *truth)
        r = truth_open(truth, &walk.truth, why);
    if (r == 0)
        r = db_walk(db, walk_batch, &walk, why);
    if (r == 0)
        truth_tell_unused(walk.truth, spec->truth);
    truth_close(walk.truth);
    return r;
}

/* ---- exporting ---- */

struct export_walk {
    struct exporters *exporters; /* NULL: rows are only counted */
    struct tally *tally;
    struct evaluation *evaluation;
    const struct labels *labels;
    bool warned;
};

static int export_one(void *arg, const struct export_row *row, struct why *why)
{
    struct export_walk *walk = arg;
    if (walk->tally)
        tally_add(walk->tally, row);
    if (walk->evaluation)
        evaluation_add(walk->evaluation, row);
    if (!walk->warned && row->truth.data && truth_hopeless(row->truth, walk->labels)) {
        walk->warned = true;
        log_warning("the truth \"%.*s\" is a WordNet id, but the labels have none: no answer can match", (int)row->truth.size, row->truth.data);
    }
    return walk->exporters ? exporters_row(walk->exporters, row, why) : 0;
}

/* How many floats a row has: said by the first that has any. */
static int find_values(void *arg, const struct export_row *row, struct why *why)
{
    (void)why;
    uint32_t *values = arg;
    *values = row->row->values.size / (uint32_t)sizeof(float);
    return *values ? -ECANCELED : 0;
}

static int count_values(struct db *db, const struct spec *spec, const struct labels *labels, uint32_t *ret, struct why *why)
{
    *ret = 0;
    int r = spec->emit == ROW_TOPK ? 0 : finish_walk(db, spec, labels, find_values, ret, why);
    return r == -ECANCELED ? 0 : r;
}

static int list_files(const struct exporters *exporters, struct bytes *ret, struct why *why)
{
    const char *path;
    for (int i = 0; (path = exporters_path(exporters, i)); i++)
        bytes_append(ret, path, strlen(path) + 1);
    return bytes_error(ret) ? because(why, bytes_error(ret), "the list of files written: %s", strerror(-bytes_error(ret))) : 0;
}

int finish_export(struct db *db, const struct spec *spec, const struct labels *labels, const struct finish_output *output,
                  struct tally *tally, struct evaluation *evaluation, struct bytes *ret_files, struct why *why)
{
    struct export_walk walk = { .tally = tally, .evaluation = evaluation, .labels = labels };
    struct export_options options = { .directory = output->directory, .s3 = output->s3, .formats = output->formats, .emit = spec->emit, .labels = labels };
    struct db_counts counts = { 0 };
    int r = db_count(db, &counts, why);
    if (r == 0)
        r = count_values(db, spec, labels, &options.values, why);
    options.rows = counts.images;
    if (r == 0)
        r = exporters_open(&options, &walk.exporters, why);
    if (r == 0)
        r = finish_walk(db, spec, labels, export_one, &walk, why);
    if (r == 0)
        r = list_files(walk.exporters, ret_files, why);
    if (r < 0) {
        exporters_abort(walk.exporters);
        return r;
    }
    return exporters_close(walk.exporters, why);
}

/* ---- evaluating ---- */

static int open_evaluation(const struct spec *spec, const struct labels *labels, struct evaluation **ret, struct why *why)
{
    int r = evaluation_new(labels, spec->emit == ROW_FEATURES ? 0 : (uint32_t)spec->top, ret);
    return r < 0 ? because(why, r, "out of memory") : 0;
}

static int evaluate_one(void *arg, const struct export_row *row, struct why *why)
{
    (void)why;
    evaluation_add(arg, row);
    return 0;
}

int finish_evaluate(struct db *db, const struct spec *spec, const struct labels *labels, struct evaluation **ret, struct why *why)
{
    CLEANUP(evaluation_freep) struct evaluation *evaluation = NULL;
    int r = open_evaluation(spec, labels, &evaluation, why);
    if (r == 0)
        r = finish_walk(db, spec, labels, evaluate_one, evaluation, why);
    if (r < 0)
        return r;
    evaluation_finish(evaluation);
    *ret = take(evaluation);
    return 0;
}

static void say_what_is_left_out(const struct evaluation *evaluation)
{
    uint64_t images = evaluation->left_out + evaluation->pairs.left_out;
    if (images)
        log_warning("more than %u different truths, or %u different answers to them: %s in the totals but not in the tables "
                    "by class; look at --truth", EVALUATION_TRUTHS, EVALUATION_PAIRS, COUNTED(images, "image is", "images are"));
}

/* ---- the summary ---- */

static int print_summary(const struct json_t *summary, struct why *why)
{
    struct bytes text;
    bytes_init(&text, 16 << 20);
    int r = summary_print(summary, false, &text);
    if (r == 0)
        fwrite(text.data, 1, text.size, stdout);
    bytes_done(&text);
    return r < 0 ? because(why, r, "the summary: %s", strerror(-r)) : 0;
}

static int write_and_print(struct db *db, const char *job_dir, const struct spec *spec, const struct coordinator *c, const struct tally *tally,
                           struct evaluation *evaluation, const struct bytes *files, struct why *why)
{
    struct json_t *summary = NULL;
    evaluation_finish(evaluation);
    say_what_is_left_out(evaluation);
    struct json_t *judged = evaluation_compact(evaluation);
    int r = judged ? facts_summary(db, job_dir, spec, c, tally, judged, files, &summary, why) : -ENOMEM;
    summary_free(judged);
    if (r < 0)
        return r == -ENOMEM ? because(why, r, "the summary: out of memory") : r;
    r = summary_write(summary, job_dir, why);
    if (r == 0)
        r = print_summary(summary, why);
    summary_free(summary);
    return r;
}

/* ---- all of it ---- */

static struct finished count_failures(const struct tally *tally)
{
    struct finished finished = { .failed = tally->failed };
    for (int kind = 0; kind < ROW_ERRORS; kind++)
        finished.retryable += failure_retryable((enum row_error)kind) ? tally->kind[kind].count : 0;
    return finished;
}

/* What a store has of an earlier job's goes first: it does not say the truth any more. */
static int write_tables(struct db *db, const struct spec *spec, const struct labels *labels, struct s3_session *s3, struct tally *tally,
                        struct evaluation *evaluation, struct bytes *ret_files, struct why *why)
{
    struct finish_output output = { .directory = spec->output, .s3 = s3 };
    int r = export_formats(spec->formats, &output.formats, why);
    output.formats |= spec->per_image ? EXPORT_PER_IMAGE : 0;
    if (r == 0)
        r = success_forget(s3, spec->output, why);
    return r < 0 ? r : finish_export(db, spec, labels, &output, tally, evaluation, ret_files, why);
}

/* For the summary, where no table could be written. */
static int count_rows(struct db *db, const struct spec *spec, const struct labels *labels, struct tally *tally, struct evaluation **evaluation,
                      struct why *why)
{
    struct export_walk walk = { .tally = tally, .labels = labels, .warned = true };
    evaluation_free(take(*evaluation));
    *tally = (struct tally){ 0 };
    int r = open_evaluation(spec, labels, evaluation, why);
    walk.evaluation = *evaluation;
    return r < 0 ? r : finish_walk(db, spec, labels, export_one, &walk, why);
}

int finish_job(const char *job_dir, const struct spec *spec, const struct labels *labels, struct s3_session *s3, const struct coordinator *c,
               struct finished *ret, struct why *why)
{
    CLEANUP(db_closep) struct db *db = NULL;
    CLEANUP(freep) struct tally *tally = calloc(1, sizeof(*tally));
    CLEANUP(evaluation_freep) struct evaluation *evaluation = NULL;
    CLEANUP(bytes_done) struct bytes files;
    struct why reason = { "" }; /* there is no table */
    char path[PATH_MAX];
    *ret = (struct finished){ 0 };
    bytes_init(&files, 1 << 20);
    if (!tally)
        return because(why, -ENOMEM, "out of memory");
    snprintf(path, sizeof(path), "%s/job.db", job_dir);
    int r = open_evaluation(spec, labels, &evaluation, why);
    if (r == 0)
        r = db_open(path, false, &db, why);
    if (r == 0)
        r = db_verify(db, why);
    if (r < 0)
        return r;
    int tables = write_tables(db, spec, labels, s3, tally, evaluation, &files, &reason);
    if (tables < 0) {
        bytes_clear(&files);
        r = count_rows(db, spec, labels, tally, &evaluation, why);
    }
    if (r == 0)
        r = write_and_print(db, job_dir, spec, c, tally, evaluation, &files, why);
    if (r == 0 && tables == 0)
        tables = success_write(s3, spec->output, job_dir, &reason);
    if (r == 0)
        r = tables < 0 ? exported_fail(db, why) : exported_mark(db, &files, why);
    *ret = count_failures(tally);
    if (r == 0 && !ret->retryable)
        r = db_remove_private(db, why); /* nothing will be fetched any more */
    if (tables == 0)
        return r;
    ret->unwritten = r == 0;
    *why = reason;
    return tables;
}
