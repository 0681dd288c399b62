/* summary.c: facts and tally to JSON. Text from outside may hold any bytes and jansson takes UTF-8 only: hence value_text(). */
#include "coordinator/summary.h"

#include "common/cleanup.h"
#include "common/json.h"
#include "common/redact.h"
#include "coordinator/export/outfile.h"
#include "coordinator/value.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <time.h>

#define FILE_NAME "summary.json"

static void json_freep(json_t **json)
{
    json_decref(*json);
}

void summary_free(struct json_t *summary)
{
    json_decref(summary);
}

static json_t *texts(const char *const *items, uint32_t size)
{
    json_t *array = json_array();
    for (uint32_t i = 0; i < size; i++)
        json_array_append_new(array, value_text(items[i]));
    return array;
}

/* Sources as they may be shown. */
static json_t *addresses(const char *const *uris, uint32_t count)
{
    json_t *array = json_array();
    for (uint32_t i = 0; i < count; i++) {
        CLEANUP(bytes_done) struct bytes shown;
        bytes_init(&shown, 1 << 20);
        if (uri_redact(&shown, uris[i], strlen(uris[i])) < 0) {
            json_decref(array);
            return NULL; /* and so is the whole */
        }
        json_array_append_new(array, value_sized(shown.data ? shown.data : "", shown.size));
    }
    return array;
}

static json_t *time_of(double seconds)
{
    char iso[32];
    time_t whole = (time_t)seconds;
    struct tm utc;
    if (!gmtime_r(&whole, &utc) || !strftime(iso, sizeof(iso), "%Y-%m-%dT%H:%M:%SZ", &utc))
        return json_null();
    return json_string(iso);
}

static void set_judged(json_t *images, uint64_t with_truth, uint64_t correct)
{
    json_object_set_new(images, "with_truth", value_count(with_truth));
    json_object_set_new(images, "correct", value_count(correct));
    json_object_set_new(images, "accuracy", value_real((double)correct / (double)with_truth));
}

static json_t *images(const struct tally *tally)
{
    json_t *object = json_pack("{s:o, s:o}", "examined", value_count(tally->examined), "failed", value_count(tally->failed));
    set_judged(object, tally->with_truth, tally->correct);
    return object;
}

static json_t *failures(const struct tally *tally)
{
    json_t *array = json_array();
    for (int kind = ROW_OK + 1; kind <= ROW_ERRORS; kind++) {
        const struct tally_failure *failure = &tally->kind[kind];
        if (!failure->count)
            continue;
        json_array_append_new(array, json_pack("{s:s, s:o, s:b, s:s, s:{s:o, s:o}}",
            "kind", row_error_name((enum row_error)kind), "count", value_count(failure->count),
            "retryable", failure_retryable((enum row_error)kind), "advice", failure_advice((enum row_error)kind),
            "example", "uri", value_sized(failure->uri.data, failure->uri.size), "detail", value_text(failure->detail)));
    }
    return array;
}

/* As it was typed: 0.485, not the 0.4850000143 that the nearest float is. */
static json_t *single(float value)
{
    char digits[32];
    snprintf(digits, sizeof(digits), "%.7g", (double)value);
    return value_real(strtod(digits, NULL));
}

static json_t *triple(const float values[static 3])
{
    return json_pack("[o, o, o]", single(values[0]), single(values[1]), single(values[2]));
}

static json_t *preset(const struct preset *preset)
{
    if (!preset)
        return json_null();
    return json_pack("{s:o, s:i, s:i, s:o, s:o, s:s, s:b}", "name", value_text(preset->name), "resize", preset->resize, "crop", preset->crop,
                     "mean", triple(preset->mean), "std", triple(preset->std), "interpolation", interpolation_name(preset->interpolation),
                     "exif_orient", (int)preset->exif_orient);
}

static json_t *model(const struct job_facts *facts)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "network", value_text(facts->network),
                     "weights", value_sized(facts->weights_uri.data ? facts->weights_uri.data : "", facts->weights_uri.size),
                     "sha256", value_text(facts->weights_sha256), "classes", value_count(facts->classes), "labels", value_text(facts->labels));
}

/* Which part of the list. */
static void put_choice(json_t *options, const struct job_facts *facts)
{
    json_object_set_new(options, "include", texts(facts->include, facts->include_count));
    json_object_set_new(options, "exclude", texts(facts->exclude, facts->exclude_count));
    json_object_set_new(options, "sample", facts->sample ? value_count(facts->sample) : json_null());
    json_object_set_new(options, "limit", facts->limit ? value_count(facts->limit) : json_null());
}

static json_t *options(const struct job_facts *facts)
{
    static const char *const emits[] = { [ROW_TOPK] = "topk", [ROW_LOGITS] = "logits", [ROW_FEATURES] = "features" };
    json_t *options = json_pack("{s:o, s:o, s:s, s:o, s:o}", "batch", value_count(facts->batch), "top", value_count(facts->top), "emit", emits[facts->emit],
                                "truth", value_text(facts->truth), "truth_sha256", value_text(facts->truth_sha256));
    put_choice(options, facts);
    return options;
}

static json_t *times(const struct job_facts *facts, const struct tally *tally)
{
    double examined = (double)tally->examined;
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "started", time_of(facts->started_s),
                     "finished", time_of(facts->finished_s), "elapsed_s", value_real(facts->elapsed_s),
                     "images_per_s", value_real(examined / facts->elapsed_s), "working_s", value_real(facts->working_s),
                     "working_images_per_s", value_real(examined / facts->working_s), "coordinator_cpu_s", value_real(facts->cpu_s),
                     "coordinator_us_per_image", value_real(facts->cpu_s * 1e6 / examined));
}

static json_t *stage(const struct rec_stage *stage)
{
    const char *again = strcmp(stage->name, "engine") ? "retries" : "rechecked";
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name", value_text(stage->name), "threads", value_count(stage->threads),
                     "items", value_count(stage->items), "errors", value_count(stage->errors), "bytes", value_count(stage->bytes),
                     again, value_count(stage->retries), "copies", value_count(stage->copies),
                     "busy_s", value_real((double)stage->busy_ns / 1e9), "wait_s", value_real((double)stage->wait_ns / 1e9));
}

static json_t *node(const struct node_facts *node)
{
    json_t *stages = json_array();
    for (uint32_t i = 0; i < node->stages_count; i++)
        json_array_append_new(stages, stage(&node->stages[i]));
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name", value_text(node->name),
                     "version", value_text(node->version), "engine", value_text(node->engine), "device", value_text(node->device),
                     "precision", value_text(node->precision), "fingerprint", value_text(node->fingerprint), "threads", value_count(node->threads),
                     "engine_batch", value_count(node->engine_batch), "images", value_count(node->images),
                     "batches", value_count(node->batches), "stages", stages);
}

static json_t *nodes(const struct job_facts *facts)
{
    json_t *array = json_array();
    for (uint32_t i = 0; i < facts->nodes_count; i++)
        json_array_append_new(array, node(&facts->nodes[i]));
    return array;
}

/* One stage of the pipeline over all nodes, in the order in which they first appear. */
struct totals {
    struct rec_stage stage[LIMIT_STAGES];
    uint32_t count;
    uint64_t busy_ns;
};

static struct rec_stage *total_of(struct totals *totals, const char *name)
{
    for (uint32_t i = 0; i < totals->count; i++)
        if (!strcmp(totals->stage[i].name, name))
            return &totals->stage[i];
    if (totals->count == LIMIT_STAGES)
        return NULL;
    totals->stage[totals->count].name = name;
    return &totals->stage[totals->count++];
}

static void add_stage(struct totals *totals, const struct rec_stage *stage)
{
    struct rec_stage *total = total_of(totals, stage->name ? stage->name : "");
    if (!total)
        return;
    total->threads += stage->threads;
    total->items += stage->items;
    total->errors += stage->errors;
    total->bytes += stage->bytes;
    total->busy_ns += stage->busy_ns;
    total->wait_ns += stage->wait_ns;
    total->retries += stage->retries;
    total->copies += stage->copies;
    totals->busy_ns += stage->busy_ns;
}

static double load_of(const struct rec_stage *stage, double working_s)
{
    return (double)stage->busy_ns / 1e9 / (stage->threads * working_s);
}

static const struct rec_stage *busiest(const struct totals *totals, double working_s, bool by_load)
{
    const struct rec_stage *most = NULL;
    for (uint32_t i = 0; i < totals->count; i++) {
        const struct rec_stage *stage = &totals->stage[i];
        if (!stage->busy_ns || !stage->threads)
            continue;
        if (!most || (by_load ? load_of(stage, working_s) > load_of(most, working_s) : stage->busy_ns > most->busy_ns))
            most = stage;
    }
    return most;
}

static json_t *slowest(const struct totals *totals, double working_s)
{
    const struct rec_stage *stage = busiest(totals, working_s, true);
    if (!stage || working_s <= 0)
        return json_null();
    double load = load_of(stage, working_s);
    if (load >= SUMMARY_SATURATED)
        return json_pack("{s:o, s:s, s:o}", "name", value_text(stage->name), "measure", "load", "value", value_real(load));
    stage = busiest(totals, working_s, false);
    return json_pack("{s:o, s:s, s:o}", "name", value_text(stage->name), "measure", "cpu_share", "value",
                     value_real((double)stage->busy_ns / (double)totals->busy_ns));
}

static json_t *all_stages(const struct totals *totals, double working_s)
{
    json_t *array = json_array();
    for (uint32_t i = 0; i < totals->count; i++) {
        const struct rec_stage *total = &totals->stage[i];
        json_t *object = stage(total);
        json_object_set_new(object, "cpu_ms_per_item", value_real((double)total->busy_ns / 1e6 / (double)total->items));
        json_object_set_new(object, "cpu_share", value_real((double)total->busy_ns / (double)totals->busy_ns));
        json_object_set_new(object, "load", value_real(load_of(total, working_s)));
        json_array_append_new(array, object);
    }
    return array;
}

/* Parallel arrays: moments, images safe by then, and what had gone through each stage. */
static json_t *history(const struct history *history)
{
    if (!history)
        return json_null();
    json_t *moments = json_array(), *done = json_array(), *stages = json_array();
    for (uint32_t i = 0; i < history->count; i++) {
        json_array_append_new(moments, value_real((double)history->points[i].at_ns / 1e9));
        json_array_append_new(done, value_count(history->points[i].done));
    }
    for (uint32_t k = 0; k < history->stages; k++) {
        json_t *items = json_array();
        for (uint32_t i = 0; i < history->count; i++)
            json_array_append_new(items, value_count(history->points[i].items[k]));
        json_array_append_new(stages, json_pack("{s:o, s:o}", "name", value_text(history->stage[k]), "items", items));
    }
    return json_pack("{s:o, s:o, s:o}", "time_s", moments, "done", done, "stages", stages);
}

int summary_new(const struct job_facts *facts, const struct tally *tally, struct json_t **ret)
{
    struct totals totals = { 0 };
    for (uint32_t i = 0; i < facts->nodes_count; i++)
        for (uint32_t k = 0; k < facts->nodes[i].stages_count; k++)
            add_stage(&totals, &facts->nodes[i].stages[k]);
    json_watch();
    json_t *files = texts(facts->files, facts->files_count), *sources = addresses(facts->sources, facts->sources_count);
    json_t *nothing = json_null(); /* not counted, needs no release */
    json_t *summary = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:O}",
        "version", value_text(facts->version), "job", value_text(facts->job), "directory", value_text(facts->directory), "sources", sources,
        "skipped", value_count(facts->skipped), "images", images(tally), "failures", failures(tally), "time", times(facts, tally),
        "slowest_stage", slowest(&totals, facts->run_working_s), "stages", all_stages(&totals, facts->run_working_s),
        "model", model(facts), "preset", preset(facts->preset), "options", options(facts), "nodes", nodes(facts),
        "files", files, "per_image", value_text(facts->per_image), 
        "history", history(facts->history), "evaluation", facts->evaluation ? facts->evaluation : nothing);
    *ret = value_whole(summary);
    return *ret ? 0 : -ENOMEM;
}

int summary_set_truth(struct json_t *summary, const char *truth, const char *truth_sha256, uint64_t with_truth, uint64_t correct)
{
    json_t *options = json_object_get(summary, "options");
    json_watch();
    set_judged(json_object_get(summary, "images"), with_truth, correct);
    json_object_set_new(options, "truth", value_text(truth));
    json_object_set_new(options, "truth_sha256", value_text(*truth_sha256 ? truth_sha256 : NULL));
    return json_refused() ? -ENOMEM : 0;
}

int summary_set_evaluation(struct json_t *summary, struct json_t *evaluation)
{
    return json_object_set_new(summary, "evaluation", evaluation) < 0 ? -ENOMEM : 0;
}

int summary_set_files(struct json_t *summary, const struct bytes *files, const char *per_image)
{
    json_watch();
    json_t *paths = json_array();
    for (const char *at = files->data; at && at < files->data + files->size; at += strlen(at) + 1)
        json_array_append_new(paths, value_text(at));
    json_object_set_new(summary, "files", paths);
    json_object_set_new(summary, "per_image", value_text(per_image));
    return json_refused() ? -ENOMEM : 0;
}

int summary_dump(const struct json_t *summary, struct bytes *out)
{
    json_watch();
    CLEANUP(freep) char *dump = json_write(summary, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    if (!dump || json_refused())
        return -ENOMEM;
    bytes_append_text(out, dump);
    return bytes_append_char(out, '\n');
}

int summary_write(const struct json_t *summary, const char *directory, struct why *why)
{
    CLEANUP(outfile_closep) struct outfile *file = NULL;
    int r = outfile_open(NULL, directory, FILE_NAME, &file, why);
    if (r == 0)
        r = summary_dump(summary, outfile_buffer(file)) < 0 ? outfile_because(why, -ENOMEM, FILE_NAME) : 0;
    if (r == 0)
        r = outfile_finish(file, why);
    return r == 0 ? outfile_commit(file, why) : r;
}

int summary_load(const char *directory, struct json_t **ret, struct why *why)
{
    CLEANUP(freep) char *path = NULL;
    if (asprintf(&path, "%s/" FILE_NAME, directory) < 0)
        return because(why, -ENOMEM, FILE_NAME ": out of memory");
    CLEANUP(fclosep) FILE *file = fopen(path, "re");
    if (!file && errno == ENOENT)
        return because(why, -ENOENT, "%.600s: not there; it is written when a job is complete: see `sleddog-coordinator status`",
                       path);
    if (!file)
        return because(why, -errno, "%.600s: cannot be read: %s", path, strerror(errno));
    json_error_t error;
    CLEANUP(json_freep) json_t *summary = json_read_file(file, 0, &error);
    if (json_refused())
        return because(why, -ENOMEM, "%.600s: out of memory", path);
    if (!json_is_string(json_object_get(summary, "job")))
        return because(why, -EBADMSG, "%.600s: not a summary (line %d: %s); see `sleddog-coordinator status`", path, summary ? 1 : error.line,
                       summary ? "it names no job" : error.text);
    *ret = take(summary);
    return 0;
}

bool summary_exists(const char *directory)
{
    CLEANUP(summary_freep) struct json_t *summary = NULL;
    return summary_load(directory, &summary, NULL) == 0;
}
