/* summary_print.c: summary.json, and one row, for a terminal: a column of subjects, a column of what is to say about them.
 * Control characters in foreign text are shown as '?', so that no file name can steer the terminal. */
#include "coordinator/summary.h"

#include "common/counted.h"
#include "common/utf8.h"
#include "coordinator/export/row_json.h"
#include "coordinator/summary_preset.h"
#include "coordinator/value.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#define SUBJECT_WIDTH 22
#define CONFUSIONS_SHOWN 3
#define TEXT_SHOWN    400 /* bytes of one foreign text */

/* One character of UTF-8 that steers a terminal: C0, DEL, C1. */
static bool is_control(const char *c)
{
    unsigned char byte = (unsigned char)c[0];
    return byte < ' ' || byte == 0x7f || (byte == 0xc2 && (unsigned char)c[1] < 0xa0);
}

/* `data` is UTF-8. */
static void show_clean(struct bytes *out, const char *data, size_t size)
{
    for (size_t i = 0; i < size;) {
        int n = utf8_next(data + i, size - i);
        if (n < 0 || is_control(data + i))
            bytes_append_char(out, '?');
        else
            bytes_append(out, data + i, (size_t)n);
        i += (size_t)(n < 0 ? -n : n);
    }
}

static void show(struct bytes *out, const char *text)
{
    size_t size = strlen(text), shown = size > TEXT_SHOWN ? TEXT_SHOWN : size;
    show_clean(out, text, shown);
    if (shown < size)
        bytes_append_text(out, "...");
}

static void show_count(struct bytes *out, uint64_t value)
{
    char digits[24];
    int size = snprintf(digits, sizeof(digits), "%" PRIu64, value);
    for (int i = 0; i < size; i++) {
        if (i && (size - i) % 3 == 0)
            bytes_append_char(out, ',');
        bytes_append_char(out, digits[i]);
    }
}

static void show_duration(struct bytes *out, double seconds)
{
    uint64_t whole = (uint64_t)llrint(seconds < 1e12 ? seconds : 0);
    if (seconds < 60)
        bytes_printf(out, "%.*f s", seconds < 10 ? 2 : 1, seconds);
    else if (whole < 3600)
        bytes_printf(out, "%" PRIu64 " min %" PRIu64 " s", whole / 60, whole % 60);
    else
        bytes_printf(out, "%" PRIu64 " h %" PRIu64 " min %" PRIu64 " s", whole / 3600, whole / 60 % 60, whole % 60);
}

static void subject(struct bytes *out, const char *name)
{
    bytes_printf(out, "%-*s", SUBJECT_WIDTH, name);
}

static void end_line(struct bytes *out)
{
    bytes_append_char(out, '\n');
}

static void print_images(struct bytes *out, const json_t *summary)
{
    subject(out, "images examined");
    show_count(out, count_at(json_object_get(summary, "images"), "examined"));
    uint64_t skipped = count_at(summary, "skipped");
    if (skipped) {
        bytes_append_text(out, " (");
        show_count(out, skipped);
        bytes_append_text(out, skipped == 1 ? " entry was neither file nor folder and was left out)" : " entries were neither file nor folder and were left out)");
    }
    end_line(out);
}

static void show_rate(struct bytes *out, uint64_t part, uint64_t all)
{
    show_count(out, part);
    bytes_append_text(out, " of ");
    show_count(out, all);
    bytes_printf(out, ", %.3f %%", all ? 100.0 * (double)part / (double)all : 0);
}

static void print_correct(struct bytes *out, const json_t *summary)
{
    const json_t *images = json_object_get(summary, "images");
    uint64_t judged = count_at(images, "with_truth"), correct = count_at(images, "correct");
    subject(out, "classified correctly");
    if (!json_is_string(json_object_get(json_object_get(summary, "options"), "truth")))
        bytes_append_text(out, "not judged: no --truth was given");
    else if (!strcmp(text_at(json_object_get(summary, "options"), "emit"), "features"))
        bytes_append_text(out, "not judged: features are no predictions");
    else if (!judged)
        bytes_append_text(out, "not judged: no name of an image told a truth; look at --truth");
    else {
        show_rate(out, correct, judged);
        if (judged < count_at(images, "examined"))
            bytes_append_text(out, " of those whose name tells the truth");
        if (count_at(images, "failed"))
            bytes_append_text(out, " (an image without a prediction counts as wrong)");
    }
    end_line(out);
}

static void print_judged(struct bytes *out, const json_t *judged, const char *name)
{
    subject(out, name);
    show_rate(out, count_at(judged, "top1"), count_at(judged, "of"));
    if (json_is_integer(json_object_get(judged, "top5"))) {
        bytes_append_text(out, "; among the first 5: ");
        show_rate(out, count_at(judged, "top5"), count_at(judged, "of"));
    }
    end_line(out);
}

static void print_calibration(struct bytes *out, const json_t *calibration)
{
    double gap = 100 * (real_at(calibration, "mean_probability") - real_at(calibration, "accuracy"));
    if (!count_at(calibration, "images"))
        return;
    subject(out, "  calibration");
    bytes_printf(out, "error %.4f; probabilities are %.1f points too %s on average\n", real_at(calibration, "error"), fabs(gap),
                 gap < 0 ? "low" : "high");
}

/* "golden_retriever", or for an id "n02099601 golden retriever". */
static void show_truth(struct bytes *out, const json_t *object)
{
    show(out, text_at(object, "truth"));
    if (!json_is_string(json_object_get(object, "truth_label")))
        return;
    bytes_append_char(out, ' ');
    show(out, text_at(object, "truth_label"));
}

static void print_confusions(struct bytes *out, const json_t *evaluation, size_t limit)
{
    size_t i;
    json_t *confusion;
    const char *name = "most confused";
    json_array_foreach(json_object_get(evaluation, "confusions"), i, confusion) {
        if (i == limit)
            break;
        subject(out, name);
        show_count(out, count_at(confusion, "count"));
        bytes_append_text(out, " x ");
        show_truth(out, confusion);
        bytes_append_text(out, " taken for ");
        show(out, text_at(confusion, "label"));
        end_line(out);
        name = "";
    }
}

/* Nothing for a job without truths. */
static void print_evaluation(struct bytes *out, const json_t *summary, size_t confusions)
{
    const json_t *evaluation = json_object_get(summary, "evaluation"), *match = json_object_get(evaluation, "match");
    const json_t *exact = json_object_get(evaluation, "exact");
    if (!count_at(match, "of"))
        return;
    if (json_is_integer(json_object_get(match, "top5"))) {
        subject(out, "  among the first 5");
        show_rate(out, count_at(match, "top5"), count_at(match, "of"));
        end_line(out);
    }
    if (count_at(exact, "of"))
        print_judged(out, exact, "  exactly");
    print_calibration(out, json_object_get(evaluation, "calibration"));
    print_confusions(out, evaluation, confusions);
}

static void print_class(struct bytes *out, const json_t *class_)
{
    const json_t *wrong = json_object_get(class_, "most_frequent_wrong");
    uint64_t images = count_at(class_, "images"), correct = count_at(class_, "correct");
    bytes_printf(out, "%8" PRIu64 " %8" PRIu64 " %8.1f %%  ", images, correct, images ? 100.0 * (double)correct / (double)images : 0);
    show_truth(out, class_);
    if (json_is_object(wrong)) {
        bytes_printf(out, "  (%" PRIu64 " x ", count_at(wrong, "count"));
        show(out, text_at(wrong, "label"));
        bytes_append_char(out, ')');
    }
    end_line(out);
}

static void print_classes(struct bytes *out, const json_t *evaluation)
{
    size_t i;
    json_t *class_;
    uint64_t left_out = count_at(evaluation, "left_out");
    bytes_printf(out, "\n%8s %8s %10s  %s\n", "images", "correct", "", "truth (most frequent wrong answer)");
    json_array_foreach(json_object_get(evaluation, "classes"), i, class_)
        print_class(out, class_);
    if (left_out)
        bytes_printf(out, "%s not in this table: too many different truths or answers\n", COUNTED(left_out, "image is", "images are"));
}

static void print_failure(struct bytes *out, const json_t *failure)
{
    const json_t *example = json_object_get(failure, "example");
    bytes_append_text(out, "  ");
    bytes_printf(out, "%-*s", SUBJECT_WIDTH - 2, text_at(failure, "kind"));
    show_count(out, count_at(failure, "count"));
    bytes_append_text(out, ", such as ");
    show(out, text_at(example, "uri"));
    const char *detail = text_at(example, "detail");
    bytes_append_text(out, *detail ? ": " : "");
    show(out, detail);
    bytes_printf(out, "\n%*s", SUBJECT_WIDTH, "");
    show(out, text_at(failure, "advice"));
    end_line(out);
}

static void print_failures(struct bytes *out, const json_t *summary)
{
    size_t i;
    json_t *failure;
    subject(out, "without a prediction");
    show_count(out, count_at(json_object_get(summary, "images"), "failed"));
    end_line(out);
    json_array_foreach(json_object_get(summary, "failures"), i, failure)
        print_failure(out, failure);
}

static void print_time(struct bytes *out, const json_t *summary)
{
    const json_t *time = json_object_get(summary, "time");
    double rate = real_at(time, "images_per_s");
    subject(out, "time");
    show_duration(out, real_at(time, "elapsed_s"));
    bytes_printf(out, ", %.*f images/s (coordinator: %.1f us of CPU an image)\n", rate < 100 ? 1 : 0, rate,
                 real_at(time, "coordinator_us_per_image"));
    double working = real_at(time, "working_s"), working_rate = real_at(time, "working_images_per_s");
    if (working <= 0)
        return;
    subject(out, "  of work");
    show_duration(out, working);
    bytes_printf(out, ", %.*f images/s, from the first batch sent to the last result kept\n", working_rate < 100 ? 1 : 0, working_rate);
}

static void print_slowest(struct bytes *out, const json_t *summary)
{
    const json_t *slowest = json_object_get(summary, "slowest_stage");
    if (!json_is_object(slowest))
        return;
    bool load = !strcmp(text_at(slowest, "measure"), "load");
    subject(out, "slowest stage");
    show(out, text_at(slowest, "name"));
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
    bytes_printf(out, "%-*s%8s %12s %10s %14s %10s\n", SUBJECT_WIDTH, "stage", "threads", "items", "errors",
                 "CPU ms/item", "CPU");
    json_array_foreach(stages, i, stage) {
        bytes_append_text(out, "  ");
        bytes_printf(out, "%-*.*s", SUBJECT_WIDTH - 2, SUBJECT_WIDTH - 3, text_at(stage, "name"));
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
    subject(out, "workers");
    show_count(out, json_array_size(nodes));
    end_line(out);
    json_array_foreach(nodes, i, node) {
        bytes_append_text(out, "  ");
        size_t before = out->size;
        show(out, text_at(node, "name"));
        size_t used = out->size - before;
        bytes_printf(out, "%*s", used < SUBJECT_WIDTH - 2 ? (int)(SUBJECT_WIDTH - 2 - used) : 1, "");
        show_count(out, count_at(node, "images"));
        bytes_append_text(out, count_at(node, "images") == 1 ? " image, " : " images, ");
        if (*text_at(node, "engine")) {
            show(out, text_at(node, "engine"));
            bytes_append_text(out, " on ");
            show(out, text_at(node, "device"));
        } else
            bytes_append_text(out, "in an earlier run");
        end_line(out);
    }
}

static bool is_among_first(const json_t *nodes, size_t count, const char *precision)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(text_at(json_array_get(nodes, i), "precision"), precision))
            return true;
    return false;
}

/* One, unless --mixed was given; nothing where nobody computed or it is not known any more. */
static void print_precision(struct bytes *out, const json_t *nodes)
{
    size_t i, shown = 0;
    json_t *node;
    json_array_foreach(nodes, i, node) {
        const char *precision = text_at(node, "precision");
        if (!*precision || !strcmp(precision, "none") || is_among_first(nodes, i, precision))
            continue;
        if (shown++)
            bytes_append_text(out, ", ");
        else
            subject(out, "precision");
        show(out, precision);
    }
    if (shown)
        end_line(out);
}

static void print_preset(struct bytes *out, const json_t *preset)
{
    CLEANUP(bytes_done) struct bytes text;
    bytes_init(&text, 1 << 16);
    summary_preset(&text, preset);
    if (bytes_error(&text))
        bytes_fail(out, bytes_error(&text));
    subject(out, "preset");
    show(out, text.data ? text.data : "?");
    bytes_append_char(out, '\n');
    if (bytes_error(&text))
        bytes_fail(out, bytes_error(&text));
}

static void print_model(struct bytes *out, const json_t *summary)
{
    const json_t *model = json_object_get(summary, "model"), *preset = json_object_get(summary, "preset");
    const char *weights = text_at(model, "weights");
    subject(out, "model");
    if (*text_at(model, "network")) {
        show(out, text_at(model, "network"));
        bytes_append_text(out, ", ");
        show_count(out, count_at(model, "classes"));
        bytes_append_text(out, count_at(model, "classes") == 1 ? " class, " : " classes, ");
        show(out, *weights ? weights : "the workers' own weights");
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
        subject(out, name);
        show(out, json_is_string(file) ? json_string_value(file) : "?");
        end_line(out);
        name = "";
    }
    if (json_array_size(json_object_get(summary, "files")) == 0) {
        subject(out, name);
        bytes_append_text(out, "none: the tables could not be written; sleddog-coordinator status says how to do it again\n");
    }
    if (!json_is_string(json_object_get(summary, "per_image")))
        return;
    subject(out, "one file an image");
    show(out, text_at(summary, "per_image"));
    end_line(out);
}

int summary_print(const struct json_t *summary, bool classes, struct bytes *out)
{
    subject(out, "job");
    show(out, text_at(summary, "job"));
    end_line(out);
    print_images(out, summary);
    print_correct(out, summary);
    print_evaluation(out, summary, classes ? SIZE_MAX : CONFUSIONS_SHOWN);
    print_failures(out, summary);
    print_time(out, summary);
    print_slowest(out, summary);
    print_stages(out, summary);
    print_nodes(out, summary);
    print_model(out, summary);
    print_files(out, summary);
    if (classes)
        print_classes(out, json_object_get(summary, "evaluation"));
    return bytes_error(out);
}

static void print_predictions(const struct rec_row *row, const struct labels *labels, struct bytes *out)
{
    for (uint32_t i = 0; i < row->predictions_count; i++) {
        const struct rec_prediction *prediction = &row->predictions[i];
        const char *name = labels_name(labels, prediction->index);
        subject(out, i ? "" : "predictions");
        bytes_printf(out, "%9.4f %%  ", 100 * (double)prediction->probability);
        show(out, name ? name : "(no label)");
        bytes_printf(out, " (class %u)\n", prediction->index);
    }
    if (row->values.size) {
        subject(out, "numbers");
        bytes_printf(out, "%u\n", row->values.size / 4);
    }
}

int summary_print_row(const struct export_row *row, const struct labels *labels, struct bytes *out)
{
    subject(out, "image");
    show_clean(out, row->item->uri.data, row->item->uri.size);
    end_line(out);
    if (row->truth.data) {
        subject(out, "truth");
        show_clean(out, row->truth.data, row->truth.size);
        end_line(out);
    }
    if (row->row->error) {
        subject(out, "no prediction");
        bytes_printf(out, "%s: ", row_error_name(row->row->error));
        show(out, row->row->detail ? row->row->detail : "");
        bytes_printf(out, "\n%*s%s\n", SUBJECT_WIDTH, "", failure_advice(row->row->error));
        return bytes_error(out);
    }
    print_predictions(row->row, labels, out);
    if (row->match != MATCH_NONE) {
        subject(out, "correct");
        bytes_append_text(out, row->match == MATCH_TRUE ? "yes\n" : "no\n");
    }
    return bytes_error(out);
}
