/* facts.c: failures, classes, and where the numbers come from. */
#include "common/counted.h"
#include "coordinator/html/markup.h"
#include "coordinator/html/parts.h"
#include "coordinator/lines.h"
#include "coordinator/summary_preset.h"
#include "coordinator/value.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CLASSES_SHOWN 200

/* ---- failures ---- */

static void put_examples(struct bytes *out, const json_t *examples)
{
    size_t i;
    json_t *example;
    bytes_append_text(out, "<ul class=\"examples\">");
    json_array_foreach(examples, i, example) {
        bytes_append_text(out, "<li class=\"mono\">");
        markup_foreign(out, text_at(example, "uri"), 90);
        bytes_append_text(out, "<br><span class=\"note\">");
        markup_foreign(out, text_at(example, "detail"), 200);
        bytes_append_text(out, "</span></li>");
    }
    bytes_append_text(out, "</ul>");
}

static void put_failure(struct bytes *out, const json_t *failure, const json_t *examples)
{
    const char *kind = text_at(failure, "kind");
    bytes_append_text(out, "<tr><td><b>");
    markup_text(out, kind);
    bytes_append_text(out, "</b><br><span class=\"tag\">");
    bytes_append_text(out, json_is_true(json_object_get(failure, "retryable")) ? "worth retrying" : "final");
    bytes_append_text(out, "</span></td><td class=\"num failed\">");
    line_count(out, count_at(failure, "count"));
    bytes_append_text(out, "</td><td>");
    markup_text(out, text_at(failure, "advice"));
    put_examples(out, json_object_get(examples, kind));
    bytes_append_text(out, "</td></tr>");
}

void part_failures(struct bytes *out, const struct json_t *all)
{
    const json_t *failures = json_object_get(all, "failures"), *examples = json_object_get(json_object_get(all, "evaluation"), "failures");
    size_t i;
    json_t *failure;
    bytes_append_text(out, "<section id=\"failures\"><h2>Images without a prediction</h2>");
    if (!json_array_size(failures))
        bytes_append_text(out, "<p>None: every image has a prediction.</p>");
    else {
        bytes_append_text(out, "<table><tr><th>kind</th><th class=\"num\">images</th><th>what to do, and the first of them</th></tr>");
        json_array_foreach(failures, i, failure)
            put_failure(out, failure, examples);
        bytes_append_text(out, "</table>");
    }
    bytes_append_text(out, "</section>");
}

/* ---- classes ---- */

static int worst_first(const void *a, const void *b)
{
    const json_t *left = *(json_t *const *)a, *right = *(json_t *const *)b;
    double x = real_at(left, "rate"), y = real_at(right, "rate");
    return x != y ? (x < y ? -1 : 1) : strcmp(text_at(left, "truth"), text_at(right, "truth"));
}

static void put_class(struct bytes *out, const json_t *class_)
{
    const json_t *wrong = json_object_get(class_, "most_frequent_wrong");
    double rate = real_at(class_, "rate");
    bytes_append_text(out, "<tr><td>");
    markup_class(out, truth_shown(class_), 60);
    bytes_append_text(out, "</td><td class=\"num\">");
    line_count(out, count_at(class_, "correct"));
    bytes_append_text(out, " of ");
    line_count(out, count_at(class_, "images"));
    bytes_printf(out, "</td><td class=\"num\">%.1f&nbsp;%%</td><td>"
                      "<span class=\"track\"><span class=\"bar\" style=\"width:%.0f%%\"></span></span></td><td>",
                 100 * rate, 100 * rate);
    if (json_is_object(wrong)) {
        line_count(out, count_at(wrong, "count"));
        bytes_append_text(out, " &#215; ");
        markup_class(out, text_at(wrong, "label"), 60);
    }
    bytes_append_text(out, "</td></tr>");
}

void part_classes(struct bytes *out, const struct json_t *all)
{
    const json_t *evaluation = json_object_get(all, "evaluation"), *classes = json_object_get(evaluation, "classes");
    size_t count = json_array_size(classes), shown = count < CLASSES_SHOWN ? count : CLASSES_SHOWN;
    json_t **sorted = calloc(count + 1, sizeof(*sorted));
    if (!count || !sorted) {
        free(sorted);
        return;
    }
    for (size_t i = 0; i < count; i++)
        sorted[i] = json_array_get(classes, i);
    qsort(sorted, count, sizeof(*sorted), worst_first);
    bytes_printf(out, "<section id=\"classes\"><details%s><summary>By truth, worst first (%zu)</summary>", count <= 30 ? " open" : "", count);
    bytes_append_text(out, "<table><tr><th>truth</th><th class=\"num\">right</th><th></th><th></th><th>most frequent wrong answer</th></tr>");
    for (size_t i = 0; i < shown; i++)
        put_class(out, sorted[i]);
    bytes_append_text(out, "</table>");
    if (shown < count)
        bytes_printf(out, "<p class=\"note\">and %zu more; report --classes or --json has all of them</p>", count - shown);
    if (count_at(evaluation, "left_out"))
        bytes_printf(out, "<p class=\"note\">%s not in this table: too many different truths or answers</p>",
                     COUNTED(count_at(evaluation, "left_out"), "image is", "images are"));
    bytes_append_text(out, "</details></section>");
    free(sorted);
}

/* ---- where it comes from ---- */

static void fact(struct bytes *out, const char *name, const json_t *object, const char *key)
{
    const char *text = text_at(object, key);
    if (!json_is_string(json_object_get(object, key)) || !*text)
        return;
    bytes_printf(out, "<dt>%s</dt><dd>", name);
    markup_foreign(out, text, 120);
    bytes_append_text(out, "</dd>");
}

static void number(struct bytes *out, const char *name, const json_t *object, const char *key)
{
    uint64_t value = count_at(object, key);
    if (value)
        bytes_printf(out, "<dt>%s</dt><dd>%" PRIu64 "</dd>", name, value);
}

static void put_preset(struct bytes *out, const json_t *preset)
{
    fact(out, "preset", preset, "name");
    bytes_printf(out, "<dt>resize, crop</dt><dd>%" PRIu64 ", %" PRIu64 "</dd><dt>mean; std</dt><dd>", count_at(preset, "resize"),
                 count_at(preset, "crop"));
    summary_triple(out, json_object_get(preset, "mean"));
    bytes_append_text(out, "; ");
    summary_triple(out, json_object_get(preset, "std"));
    bytes_append_text(out, "</dd>");
    fact(out, "interpolation", preset, "interpolation");
    bytes_printf(out, "<dt>turned by EXIF</dt><dd>%s</dd>", json_is_true(json_object_get(preset, "exif_orient")) ? "yes" : "no");
}

static void put_facts(struct bytes *out, const json_t *all)
{
    const json_t *model = json_object_get(all, "model"), *preset = json_object_get(all, "preset"), *options = json_object_get(all, "options");
    size_t i;
    json_t *source;
    bytes_append_text(out, "<dl>");
    json_array_foreach(json_object_get(all, "sources"), i, source) {
        bytes_append_text(out, "<dt>source</dt><dd>");
        markup_foreign(out, json_is_string(source) ? json_string_value(source) : "?", 120);
        bytes_append_text(out, "</dd>");
    }
    number(out, "about one image in", options, "sample");
    number(out, "no more images than", options, "limit");
    fact(out, "truth", options, "truth");
    fact(out, "network", model, "network");
    fact(out, "weights", model, "weights");
    fact(out, "sha256", model, "sha256");
    fact(out, "labels", model, "labels");
    put_preset(out, preset);
    fact(out, "begun", json_object_get(all, "time"), "started");
    fact(out, "finished", json_object_get(all, "time"), "finished");
    fact(out, "job directory", all, "directory");
    fact(out, "version", all, "version");
    bytes_append_text(out, "</dl>");
}

static void put_stages(struct bytes *out, const json_t *stages)
{
    size_t i;
    json_t *stage;
    bytes_append_text(out, "<h3>Stages</h3><table><tr>"
                           "<th>stage</th><th class=\"num\">threads</th><th class=\"num\">items</th><th class=\"num\">errors</th>"
                           "<th class=\"num\">CPU ms an item</th><th class=\"num\">part of all CPU time</th></tr>");
    json_array_foreach(stages, i, stage) {
        bytes_append_text(out, "<tr><td>");
        markup_text(out, text_at(stage, "name"));
        bytes_printf(out, "</td><td class=\"num\">%" PRIu64 "</td><td class=\"num\">", count_at(stage, "threads"));
        line_count(out, count_at(stage, "items"));
        bytes_append_text(out, "</td><td class=\"num\">");
        line_count(out, count_at(stage, "errors"));
        bytes_printf(out, "</td><td class=\"num\">%.3f</td><td class=\"num\">%.1f&nbsp;%%</td></tr>", real_at(stage, "cpu_ms_per_item"),
                     100 * real_at(stage, "cpu_share"));
    }
    bytes_append_text(out, "</table>");
    json_array_foreach(stages, i, stage)
        if (count_at(stage, "rechecked")) {
            bytes_append_text(out, "<p>Undecided in int8 and computed again in f32: ");
            line_count(out, count_at(stage, "rechecked"));
            bytes_append_text(out, count_at(stage, "rechecked") == 1 ? " image.</p>" : " images.</p>");
        }
}

static void put_nodes(struct bytes *out, const json_t *nodes)
{
    size_t i;
    json_t *node;
    bytes_append_text(out, "<h3 style=\"margin-top:18px\">Workers</h3><table>"
                           "<tr><th>worker</th><th class=\"num\">images</th><th>engine and device</th><th>numerics</th></tr>");
    json_array_foreach(nodes, i, node) {
        bytes_append_text(out, "<tr><td>");
        markup_foreign(out, text_at(node, "name"), 40);
        bytes_append_text(out, "</td><td class=\"num\">");
        line_count(out, count_at(node, "images"));
        bytes_append_text(out, "</td><td>");
        markup_foreign(out, text_at(node, "engine"), 20);
        bytes_append_text(out, " on ");
        markup_foreign(out, text_at(node, "device"), 80);
        bytes_append_text(out, "</td><td class=\"mono\">");
        markup_foreign(out, text_at(node, "fingerprint"), 120);
        bytes_append_text(out, "</td></tr>");
    }
    bytes_append_text(out, "</table>");
}

void part_facts(struct bytes *out, const struct json_t *all)
{
    bytes_append_text(out, "<section id=\"facts\"><h2 style=\"margin-bottom:12px\">Where the numbers come from</h2>");
    put_facts(out, all);
    put_stages(out, json_object_get(all, "stages"));
    put_nodes(out, json_object_get(all, "nodes"));
    bytes_append_text(out, "</section>");
}
