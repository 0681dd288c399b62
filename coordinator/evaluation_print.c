#include "coordinator/evaluation_print.h"

#include "common/counted.h"
#include "coordinator/lines.h"
#include "coordinator/value.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>

static void print_judged(struct bytes *out, const json_t *judged, const char *name)
{
    line_subject(out, name);
    line_rate(out, count_at(judged, "top1"), count_at(judged, "of"));
    if (json_is_integer(json_object_get(judged, "top5"))) {
        bytes_append_text(out, "; among the first 5: ");
        line_rate(out, count_at(judged, "top5"), count_at(judged, "of"));
    }
    line_end(out);
}

static void print_calibration(struct bytes *out, const json_t *calibration)
{
    double gap = 100 * (real_at(calibration, "mean_probability") - real_at(calibration, "accuracy"));
    if (!count_at(calibration, "images"))
        return;
    line_subject(out, "  calibration");
    bytes_printf(out, "error %.4f; probabilities are %.1f points too %s on average\n", real_at(calibration, "error"), fabs(gap),
                 gap < 0 ? "low" : "high");
}

/* "golden_retriever", or for an id "n02099601 golden retriever". */
static void show_truth(struct bytes *out, const json_t *object)
{
    line_text(out, text_at(object, "truth"));
    if (!json_is_string(json_object_get(object, "truth_label")))
        return;
    bytes_append_char(out, ' ');
    line_text(out, text_at(object, "truth_label"));
}

static void print_confusions(struct bytes *out, const json_t *evaluation, size_t limit)
{
    size_t i;
    json_t *confusion;
    const char *name = "most confused";
    json_array_foreach(json_object_get(evaluation, "confusions"), i, confusion) {
        if (i == limit)
            break;
        line_subject(out, name);
        line_count(out, count_at(confusion, "count"));
        bytes_append_text(out, " x ");
        show_truth(out, confusion);
        bytes_append_text(out, " taken for ");
        line_text(out, text_at(confusion, "label"));
        line_end(out);
        name = "";
    }
}

/* An expression that takes the wrong part of a path looks like a model that is always wrong. */
static void print_doubt(struct bytes *out, const json_t *evaluation)
{
    line_subject(out, "  is --truth right?");
    bytes_append_text(out, "no truth is the name of a class, and none occurs in an answer; one is ");
    show_truth(out, json_array_get(json_object_get(evaluation, "confusions"), 0));
    line_end(out);
}

void evaluation_print(struct bytes *out, const json_t *evaluation, size_t confusions)
{
    const json_t *match = json_object_get(evaluation, "match"), *exact = json_object_get(evaluation, "exact");
    if (!count_at(match, "of"))
        return;
    if (json_is_integer(json_object_get(match, "top5"))) {
        line_subject(out, "  among the first 5");
        line_rate(out, count_at(match, "top5"), count_at(match, "of"));
        line_end(out);
    }
    if (count_at(exact, "of"))
        print_judged(out, exact, "  exactly");
    else if (!count_at(match, "top1") && !count_at(match, "top5") && json_array_size(json_object_get(evaluation, "confusions")))
        print_doubt(out, evaluation);
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
        line_text(out, text_at(wrong, "label"));
        bytes_append_char(out, ')');
    }
    line_end(out);
}

void evaluation_print_classes(struct bytes *out, const json_t *evaluation)
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
