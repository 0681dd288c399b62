#include "coordinator/evaluation_json.h"

#include "common/json.h"
#include "coordinator/value.h"

#include <stdlib.h>
#include <string.h>

static json_t *span_value(struct span span)
{
    return value_sized(span.data, span.size);
}

static json_t *label_value(const struct evaluation *e, uint32_t index)
{
    return value_text(labels_name(e->labels, index));
}

static json_t *truth_label(const struct evaluation *e, struct span truth)
{
    return value_text(evaluation_truth_label(e, truth));
}

static json_t *judged_value(const struct evaluation *e, const struct judged *judged)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "of", value_count(judged->of), "top1", value_count(judged->top1),
                     "top1_rate", value_ratio(judged->top1, judged->of), "top5", e->top5 ? value_count(judged->top5) : json_null(),
                     "top5_rate", e->top5 ? value_ratio(judged->top5, judged->of) : json_null());
}

static json_t *calibration(const struct evaluation *e)
{
    json_t *images = json_array(), *correct = json_array(), *probability = json_array();
    uint64_t all = 0, right = 0;
    double sum = 0;
    for (int i = 0; i < EVALUATION_BINS; i++) {
        const struct evaluation_bin *bin = &e->bins[i];
        json_array_append_new(images, value_count(bin->images));
        json_array_append_new(correct, value_count(bin->correct));
        json_array_append_new(probability, value_real(bin->probability / (double)bin->images));
        all += bin->images;
        right += bin->correct;
        sum += bin->probability;
    }
    return json_pack("{s:o, s:o, s:o, s:o, s:{s:o, s:o, s:o}}", "images", value_count(all), "error",
                     value_real(evaluation_calibration_error(e)), "accuracy", value_ratio(right, all), "mean_probability",
                     value_real(sum / (double)all), "bins", "images", images, "correct", correct, "mean_probability", probability);
}

static json_t *histogram(const struct evaluation *e)
{
    json_t *kinds[EVALUATED_KINDS];
    for (int kind = 0; kind < EVALUATED_KINDS; kind++) {
        kinds[kind] = json_array();
        for (int i = 0; i < EVALUATION_HISTOGRAM; i++)
            json_array_append_new(kinds[kind], value_count(e->histogram[i][kind]));
    }
    return json_pack("{s:o, s:o, s:o}", "right", kinds[EVALUATED_RIGHT], "wrong", kinds[EVALUATED_WRONG], "not_judged", kinds[EVALUATED_NOT]);
}

static json_t *confusions(const struct evaluation *e)
{
    struct evaluation_confusion list[EVALUATION_CONFUSIONS];
    uint32_t count = evaluation_confusions(e, list, EVALUATION_CONFUSIONS);
    json_t *array = json_array();
    for (uint32_t i = 0; i < count; i++)
        json_array_append_new(array, json_pack("{s:o, s:o, s:o, s:o, s:o}", "truth", span_value(e->classes[list[i].class_].truth),
                                               "truth_label", truth_label(e, e->classes[list[i].class_].truth),
                                               "label", label_value(e, list[i].index), "index", value_count(list[i].index),
                                               "count", value_count(list[i].count)));
    return array;
}

struct json_t *evaluation_compact(const struct evaluation *e)
{
    json_watch();
    json_t *object = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "judged", value_count(e->match.of), "unanswered",
                               value_count(e->unanswered), "left_out", value_count(e->left_out + e->pairs.left_out), "match",
                               judged_value(e, &e->match), "exact", judged_value(e, &e->exact), "calibration", calibration(e),
                               "histogram", histogram(e), "confusions", confusions(e));
    return value_whole(object);
}

/* ---- the rest ---- */

static json_t *class_value(const struct evaluation *e, const struct evaluation_class *class_)
{
    json_t *wrong = class_->wrong_count ? json_pack("{s:o, s:o, s:o}", "index", value_count(class_->wrong), "label", label_value(e, class_->wrong),
                                                    "count", value_count(class_->wrong_count)) : json_null();
    uint64_t of = class_->match.of;
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "truth", span_value(class_->truth), "truth_label",
                     truth_label(e, class_->truth), "images", value_count(of),
                     "unanswered", value_count(class_->unanswered), "correct", value_count(class_->match.top1),
                     "rate", value_ratio(class_->match.top1, of), "top5", e->top5 ? value_count(class_->match.top5) : json_null(),
                     "exact", class_->how == TRUTH_LOOSE ? json_null() : value_count(class_->exact), "most_frequent_wrong", wrong);
}

static int by_truth(const void *a, const void *b)
{
    struct span left = (*(const struct evaluation_class *const *)a)->truth, right = (*(const struct evaluation_class *const *)b)->truth;
    int order = memcmp(left.data, right.data, left.size < right.size ? left.size : right.size);
    return order ? order : (left.size > right.size) - (left.size < right.size);
}

static json_t *classes(const struct evaluation *e)
{
    uint32_t count = e->names.count;
    const struct evaluation_class **sorted = calloc(count + 1, sizeof(*sorted));
    json_t *array = sorted ? json_array() : NULL;
    for (uint32_t i = 0; array && i < count; i++)
        sorted[i] = &e->classes[i];
    if (array)
        qsort(sorted, count, sizeof(*sorted), by_truth);
    for (uint32_t i = 0; array && i < count; i++)
        json_array_append_new(array, class_value(e, sorted[i]));
    if (!sorted)
        json_refuse();
    free(sorted);
    return array;
}

static json_t *mistakes(const struct evaluation *e)
{
    json_t *array = json_array();
    for (uint32_t i = 0; i < e->mistake_count; i++) {
        const struct evaluation_example *mistake = &e->mistakes[i];
        struct span truth = { mistake->truth, mistake->truth ? (uint32_t)strlen(mistake->truth) : 0 };
        json_array_append_new(array, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "uri", value_sized(mistake->uri, mistake->uri_size),
                                               "truth", value_text(mistake->truth), "truth_label", truth_label(e, truth),
                                              "label", label_value(e, mistake->index),
                                               "index", value_count(mistake->index), "probability", value_real((double)mistake->probability)));
    }
    return array;
}

static json_t *failures(const struct evaluation *e)
{
    json_t *object = json_object();
    for (uint32_t kind = ROW_OK + 1; kind <= ROW_ERRORS; kind++) {
        json_t *array = e->failure_count[kind] ? json_array() : NULL;
        for (uint32_t i = 0; array && i < e->failure_count[kind]; i++)
            json_array_append_new(array, json_pack("{s:o, s:o}", "uri", value_sized(e->failures[kind][i].uri, e->failures[kind][i].uri_size),
                                                   "detail", value_text(e->failures[kind][i].detail)));
        if (array)
            json_object_set_new(object, row_error_name((enum row_error)kind), array);
    }
    return object;
}

struct json_t *evaluation_full(const struct evaluation *e)
{
    json_t *object = evaluation_compact(e);
    if (!object)
        return NULL;
    json_object_set_new(object, "classes", classes(e));
    json_object_set_new(object, "mistakes", mistakes(e));
    json_object_set_new(object, "failures", failures(e));
    if (json_object_set_new(object, "matrix", evaluation_matrix(e)) < 0)
        json_refuse();
    return value_whole(object);
}
