/* summary_print.c: summary.json for a terminal. */
#include "coordinator/summary.h"

#include "common/counted.h"
#include "coordinator/evaluation_print.h"
#include "coordinator/lines.h"
#include "coordinator/summary_preset.h"
#include "coordinator/value.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#define CONFUSIONS_SHOWN 3

/* That it was not the whole list changes what the numbers mean. */
static void print_choice(struct bytes *out, const json_t *options)
{
    uint64_t sample = count_at(options, "sample"), limit = count_at(options, "limit");
    if (sample > 1)
        bytes_printf(out, ", about one in %" PRIu64, sample);
    if (limit)
        bytes_printf(out, ", no more than %" PRIu64 " were asked for", limit);
}

static void print_images(struct bytes *out, const json_t *summary)
{
    line_subject(out, "images examined");
    line_count(out, count_at(json_object_get(summary, "images"), "examined"));
    print_choice(out, json_object_get(summary, "options"));
    uint64_t skipped = count_at(summary, "skipped");
    if (skipped) {
        bytes_append_text(out, " (");
        line_count(out, skipped);
        bytes_append_text(out, skipped == 1 ? " entry was neither file nor folder and was left out)" : " entries were neither file nor folder and were left out)");
    }
    line_end(out);
}

static void print_correct(struct bytes *out, const json_t *summary)
{
    const json_t *images = json_object_get(summary, "images");
    uint64_t judged = count_at(images, "with_truth"), correct = count_at(images, "correct");
    line_subject(out, "classified correctly");
    if (!strcmp(text_at(json_object_get(summary, "options"), "emit"), "features"))
        bytes_append_text(out, "not judged: features are no predictions");
    else if (!json_is_string(json_object_get(json_object_get(summary, "options"), "truth")))
        bytes_append_text(out, "not judged: no --truth was given; report --truth does it");
    else if (!judged)
        bytes_append_text(out, "not judged: of no image a truth is known; look at --truth");
    else {
        line_rate(out, correct, judged);
        if (judged < count_at(images, "examined"))
            bytes_append_text(out, " of those whose truth is known");
        if (count_at(images, "failed"))
            bytes_append_text(out, " (an image without a prediction counts as wrong)");
    }
    line_end(out);
}

static void print_failure(struct bytes *out, const json_t *failure)
{
    const json_t *example = json_object_get(failure, "example");
    bytes_append_text(out, "  ");
    bytes_printf(out, "%-*s", LINE_SUBJECT - 2, text_at(failure, "kind"));
    line_count(out, count_at(failure, "count"));
    bytes_append_text(out, ", such as ");
    line_text(out, text_at(example, "uri"));
    const char *detail = text_at(example, "detail");
    bytes_append_text(out, *detail ? ": " : "");
    line_text(out, detail);
    bytes_printf(out, "\n%*s", LINE_SUBJECT, "");
    line_text(out, text_at(failure, "advice"));
    line_end(out);
}

static void print_failures(struct bytes *out, const json_t *summary)
{
    size_t i;
    json_t *failure;
    line_subject(out, "without a prediction");
    line_count(out, count_at(json_object_get(summary, "images"), "failed"));
    line_end(out);
    json_array_foreach(json_object_get(summary, "failures"), i, failure)
        print_failure(out, failure);
}

static void print_time(struct bytes *out, const json_t *summary)
{
    const json_t *time = json_object_get(summary, "time");
    double rate = real_at(time, "images_per_s");
    line_subject(out, "time");
    line_duration(out, real_at(time, "elapsed_s"));
    bytes_printf(out, ", %.*f images/s (coordinator: %.1f us of CPU an image)\n", rate < 100 ? 1 : 0, rate,
                 real_at(time, "coordinator_us_per_image"));
    double working = real_at(time, "working_s"), working_rate = real_at(time, "working_images_per_s");
    if (working <= 0)
        return;
    line_subject(out, "  of work");
    line_duration(out, working);
    bytes_printf(out, ", %.*f images/s, from the first batch sent to the last result kept\n", working_rate < 100 ? 1 : 0, working_rate);
}

static void print_slowest(struct bytes *out, const json_t *summary)
{
    const json_t *slowest = json_object_get(summary, "slowest_stage");
    if (!json_is_object(slowest))
        return;
    bool load = !strcmp(text_at(slowest, "measure"), "load");
    line_subject(out, "slowest stage");
    line_text(out, text_at(slowest, "name"));
    bytes_printf(out, load ? ": its threads were busy %.0f %% of the time\n" : ": %.0f %% of the CPU time of all stages\n",
                 100 * real_at(slowest, "value"));
}

static void print_repeats(struct bytes *out, const json_t *stage)
{
    uint64_t retries = count_at(stage, "retries"), copies = count_at(stage, "copies"), rechecked = count_at(stage, "rechecked");
    if (rechecked)
        bytes_printf(out, "    %s computed again in f32\n", COUNTED(rechecked, "image", "images"));
    if (retries || copies)
        bytes_printf(out, "    %s repeated, %s sent twice\n", COUNTED(retries, "failed request", "failed requests"), COUNTED(copies, "slow one", "slow ones"));
}

static void print_stages(struct bytes *out, const json_t *summary)
{
    size_t i;
    json_t *stage;
    const json_t *stages = json_object_get(summary, "stages");
    if (!json_array_size(stages))
        return;
    bytes_printf(out, "%-*s%8s %12s %10s %14s %10s\n", LINE_SUBJECT, "stage", "threads", "items", "errors",
                 "CPU ms/item", "CPU");
    json_array_foreach(stages, i, stage) {
        bytes_append_text(out, "  ");
        bytes_printf(out, "%-*.*s", LINE_SUBJECT - 2, LINE_SUBJECT - 3, text_at(stage, "name"));
        bytes_printf(out, "%8" PRIu64 " %12" PRIu64 " %10" PRIu64 " %14.3f %8.1f %%\n", count_at(stage, "threads"),
                     count_at(stage, "items"), count_at(stage, "errors"), real_at(stage, "cpu_ms_per_item"),
                     100 * real_at(stage, "cpu_share"));
        print_repeats(out, stage);
    }
}

static void print_nodes(struct bytes *out, const json_t *summary)
{
    size_t i;
    json_t *node;
    const json_t *nodes = json_object_get(summary, "nodes");
    line_subject(out, "workers");
    line_count(out, json_array_size(nodes));
    line_end(out);
    json_array_foreach(nodes, i, node) {
        bytes_append_text(out, "  ");
        size_t before = out->size;
        line_text(out, text_at(node, "name"));
        size_t used = out->size - before;
        bytes_printf(out, "%*s", used < LINE_SUBJECT - 2 ? (int)(LINE_SUBJECT - 2 - used) : 1, "");
        line_count(out, count_at(node, "images"));
        bytes_append_text(out, count_at(node, "images") == 1 ? " image, " : " images, ");
        if (*text_at(node, "engine")) {
            line_text(out, text_at(node, "engine"));
            bytes_append_text(out, " on ");
            line_text(out, text_at(node, "device"));
        } else
            bytes_append_text(out, "in an earlier run");
        line_end(out);
    }
}

static void print_precision(struct bytes *out, const json_t *nodes)
{
    CLEANUP(bytes_done) struct bytes text;
    bytes_init(&text, 1 << 16);
    summary_precision(&text, nodes);
    if (bytes_error(&text))
        bytes_fail(out, bytes_error(&text));
    if (!text.size)
        return;
    line_subject(out, "precision");
    bytes_append(out, text.data, text.size);
    line_end(out);
}

static void print_preset(struct bytes *out, const json_t *preset)
{
    CLEANUP(bytes_done) struct bytes text;
    bytes_init(&text, 1 << 16);
    summary_preset(&text, preset);
    if (bytes_error(&text))
        bytes_fail(out, bytes_error(&text));
    line_subject(out, "preset");
    line_text(out, text.data ? text.data : "?");
    bytes_append_char(out, '\n');
    if (bytes_error(&text))
        bytes_fail(out, bytes_error(&text));
}

static void print_model(struct bytes *out, const json_t *summary)
{
    const json_t *model = json_object_get(summary, "model"), *preset = json_object_get(summary, "preset");
    const char *weights = text_at(model, "weights");
    line_subject(out, "model");
    if (*text_at(model, "network")) {
        line_text(out, text_at(model, "network"));
        bytes_append_text(out, ", ");
        line_count(out, count_at(model, "classes"));
        bytes_append_text(out, count_at(model, "classes") == 1 ? " class, " : " classes, ");
        line_text(out, *weights ? weights : "the workers' own weights");
        bytes_printf(out, " (sha256 %.12s)\n", text_at(model, "sha256"));
    } else
        bytes_append_text(out, "none: the predictions are made up\n");
    print_precision(out, json_object_get(summary, "nodes"));
    print_preset(out, preset);
}

static void print_files(struct bytes *out, const json_t *summary)
{
    size_t i;
    json_t *file;
    const char *name = "files";
    json_array_foreach(json_object_get(summary, "files"), i, file) {
        line_subject(out, name);
        line_text(out, json_is_string(file) ? json_string_value(file) : "?");
        line_end(out);
        name = "";
    }
    if (json_array_size(json_object_get(summary, "files")) == 0) {
        line_subject(out, name);
        bytes_append_text(out, "none: the tables could not be written; sleddog-coordinator status says how to do it again\n");
    }
    if (!json_is_string(json_object_get(summary, "per_image")))
        return;
    line_subject(out, "one file an image");
    line_text(out, text_at(summary, "per_image"));
    line_end(out);
}

int summary_print(const struct json_t *summary, bool classes, struct bytes *out)
{
    const json_t *evaluation = json_object_get(summary, "evaluation");
    line_subject(out, "job");
    line_text(out, text_at(summary, "job"));
    line_end(out);
    print_images(out, summary);
    print_correct(out, summary);
    evaluation_print(out, evaluation, classes ? SIZE_MAX : CONFUSIONS_SHOWN);
    print_failures(out, summary);
    print_time(out, summary);
    print_slowest(out, summary);
    print_stages(out, summary);
    print_nodes(out, summary);
    print_model(out, summary);
    print_files(out, summary);
    if (classes)
        evaluation_print_classes(out, evaluation);
    return bytes_error(out);
}
