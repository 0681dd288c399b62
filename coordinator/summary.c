/* summary.c: facts and tally to JSON. Text from outside may hold any bytes and jansson takes UTF-8 only: hence text(). */
#include "coordinator/summary.h"

#include "common/cleanup.h"
#include "common/utf8.h"
#include "coordinator/export/outfile.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
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

static json_t *text_sized(const char *data, size_t size)
{
    CLEANUP(bytes_done) struct bytes clean;
    bytes_init(&clean, 3 * size + 1);
    return utf8_append(&clean, data, size) < 0 ? NULL : json_stringn(clean.data, clean.size);
}

/* null for NULL */
static json_t *text(const char *data)
{
    return data ? text_sized(data, strlen(data)) : json_null();
}

static json_t *count(uint64_t value)
{
    return json_integer((json_int_t)value);
}

/* null for what is not finite, as 0/0 */
static json_t *real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *texts(const char *const *items, uint32_t size)
{
    json_t *array = json_array();
    for (uint32_t i = 0; i < size; i++)
        json_array_append_new(array, text(items[i]));
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

static json_t *images(const struct tally *tally)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "examined", count(tally->examined), "with_truth", count(tally->with_truth),
                     "correct", count(tally->correct), "accuracy", real((double)tally->correct / (double)tally->with_truth),
                     "failed", count(tally->failed));
}

static json_t *failures(const struct tally *tally)
{
    json_t *array = json_array();
    for (int kind = ROW_OK + 1; kind <= ROW_ERRORS; kind++) {
        const struct tally_failure *failure = &tally->kind[kind];
        if (!failure->count)
            continue;
        json_array_append_new(array, json_pack("{s:s, s:o, s:b, s:s, s:{s:o, s:o}}",
            "kind", row_error_name((enum row_error)kind), "count", count(failure->count),
            "retryable", failure_retryable((enum row_error)kind), "advice", failure_advice((enum row_error)kind),
            "example", "uri", text_sized(failure->uri.data, failure->uri.size), "detail", text(failure->detail)));
    }
    return array;
}

/* As it was typed: 0.485, not the 0.4850000143 that the nearest float is. */
static json_t *single(float value)
{
    char digits[32];
    snprintf(digits, sizeof(digits), "%.7g", (double)value);
    return real(strtod(digits, NULL));
}

static json_t *triple(const float values[static 3])
{
    return json_pack("[o, o, o]", single(values[0]), single(values[1]), single(values[2]));
}

static json_t *preset(const struct preset *preset)
{
    if (!preset)
        return json_null();
    return json_pack("{s:o, s:i, s:i, s:o, s:o, s:s, s:b}", "name", text(preset->name), "resize", preset->resize, "crop", preset->crop,
                     "mean", triple(preset->mean), "std", triple(preset->std), "interpolation", interpolation_name(preset->interpolation),
                     "exif_orient", (int)preset->exif_orient);
}

static json_t *model(const struct job_facts *facts)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "network", text(facts->network),
                     "weights", text_sized(facts->weights_uri.data ? facts->weights_uri.data : "", facts->weights_uri.size),
                     "sha256", text(facts->weights_sha256), "classes", count(facts->classes), "labels", text(facts->labels));
}

static json_t *options(const struct job_facts *facts)
{
    static const char *const emits[] = { [ROW_TOPK] = "topk", [ROW_LOGITS] = "logits", [ROW_FEATURES] = "features" };
    return json_pack("{s:o, s:o, s:s, s:o}", "batch", count(facts->batch), "top", count(facts->top), "emit", emits[facts->emit],
                     "truth", text(facts->truth));
}

static json_t *times(const struct job_facts *facts, const struct tally *tally)
{
    double examined = (double)tally->examined;
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "started", time_of(facts->started_s),
                     "finished", time_of(facts->finished_s), "elapsed_s", real(facts->elapsed_s),
                     "images_per_s", real(examined / facts->elapsed_s), "coordinator_cpu_s", real(facts->cpu_s),
                     "coordinator_us_per_image", real(facts->cpu_s * 1e6 / examined));
}

static json_t *stage(const struct rec_stage *stage)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name", text(stage->name), "threads", count(stage->threads),
                     "items", count(stage->items), "errors", count(stage->errors), "bytes", count(stage->bytes),
                     "busy_s", real((double)stage->busy_ns / 1e9), "wait_s", real((double)stage->wait_ns / 1e9));
}

static json_t *node(const struct node_facts *node)
{
    json_t *stages = json_array();
    for (uint32_t i = 0; i < node->stages_count; i++)
        json_array_append_new(stages, stage(&node->stages[i]));
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name", text(node->name),
                     "version", text(node->version), "engine", text(node->engine), "device", text(node->device),
                     "fingerprint", text(node->fingerprint), "threads", count(node->threads),
                     "engine_batch", count(node->engine_batch), "images", count(node->images),
                     "batches", count(node->batches), "stages", stages);
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
    totals->busy_ns += stage->busy_ns;
}

static double load_of(const struct rec_stage *stage, double elapsed_s)
{
    return (double)stage->busy_ns / 1e9 / (stage->threads * elapsed_s);
}

static const struct rec_stage *busiest(const struct totals *totals, double elapsed_s, bool by_load)
{
    const struct rec_stage *most = NULL;
    for (uint32_t i = 0; i < totals->count; i++) {
        const struct rec_stage *stage = &totals->stage[i];
        if (!stage->busy_ns || !stage->threads)
            continue;
        if (!most || (by_load ? load_of(stage, elapsed_s) > load_of(most, elapsed_s) : stage->busy_ns > most->busy_ns))
            most = stage;
    }
    return most;
}

static json_t *slowest(const struct totals *totals, double elapsed_s)
{
    const struct rec_stage *stage = busiest(totals, elapsed_s, true);
    if (!stage || elapsed_s <= 0)
        return json_null();
    double load = load_of(stage, elapsed_s);
    if (load >= SUMMARY_SATURATED)
        return json_pack("{s:o, s:s, s:o}", "name", text(stage->name), "measure", "load", "value", real(load));
    stage = busiest(totals, elapsed_s, false);
    return json_pack("{s:o, s:s, s:o}", "name", text(stage->name), "measure", "cpu_share", "value",
                     real((double)stage->busy_ns / (double)totals->busy_ns));
}

static json_t *all_stages(const struct totals *totals, double elapsed_s)
{
    json_t *array = json_array();
    for (uint32_t i = 0; i < totals->count; i++) {
        const struct rec_stage *total = &totals->stage[i];
        json_t *object = stage(total);
        json_object_set_new(object, "cpu_ms_per_item", real((double)total->busy_ns / 1e6 / (double)total->items));
        json_object_set_new(object, "cpu_share", real((double)total->busy_ns / (double)totals->busy_ns));
        json_object_set_new(object, "load", real(load_of(total, elapsed_s)));
        json_array_append_new(array, object);
    }
    return array;
}

int summary_new(const struct job_facts *facts, const struct tally *tally, struct json_t **ret)
{
    struct totals totals = { 0 };
    for (uint32_t i = 0; i < facts->nodes_count; i++)
        for (uint32_t k = 0; k < facts->nodes[i].stages_count; k++)
            add_stage(&totals, &facts->nodes[i].stages[k]);
    json_t *files = texts(facts->files, facts->files_count), *sources = texts(facts->sources, facts->sources_count);
    json_t *summary = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
        "version", text(facts->version), "job", text(facts->job), "directory", text(facts->directory), "sources", sources,
        "skipped", count(facts->skipped), "images", images(tally), "failures", failures(tally), "time", times(facts, tally),
        "slowest_stage", slowest(&totals, facts->elapsed_s), "stages", all_stages(&totals, facts->elapsed_s),
        "model", model(facts), "preset", preset(facts->preset), "options", options(facts), "nodes", nodes(facts),
        "files", files, "per_image", text(facts->per_image));
    if (!summary)
        return -ENOMEM;
    *ret = summary;
    return 0;
}

int summary_write(const struct json_t *summary, const char *directory, struct why *why)
{
    CLEANUP(freep) char *dump = json_dumps(summary, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    struct outfile *file;
    if (!dump)
        return -ENOMEM;
    int r = outfile_open(directory, FILE_NAME, &file, why);
    if (r < 0)
        return r;
    r = outfile_write(file, dump, strlen(dump), why);
    if (r == 0)
        r = outfile_write(file, "\n", 1, why);
    if (r == 0)
        r = outfile_finish(file, why);
    if (r == 0)
        r = outfile_commit(file, why);
    outfile_close(file);
    return r;
}

int summary_load(const char *directory, struct json_t **ret, struct why *why)
{
    CLEANUP(freep) char *path = NULL;
    if (asprintf(&path, "%s/" FILE_NAME, directory) < 0)
        return -ENOMEM;
    CLEANUP(fclosep) FILE *file = fopen(path, "re");
    if (!file && errno == ENOENT)
        return because(why, -ENOENT, "%.600s: not there; it is written when a job is complete: see `sleddog-coordinator status`",
                       path);
    if (!file)
        return because(why, -errno, "%.600s: cannot be read: %s", path, strerror(errno));
    json_error_t error;
    CLEANUP(json_freep) json_t *summary = json_loadf(file, 0, &error);
    if (!json_is_object(summary))
        return because(why, -EINVAL, "%.600s: not a summary (line %d: %s)", path, summary ? 1 : error.line,
                       summary ? "not an object" : error.text);
    *ret = take(summary);
    return 0;
}
