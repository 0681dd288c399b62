#include "coordinator/evaluation.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES (16u << 20) /* of all truths */

/* ---- life ---- */

int evaluation_new(const struct labels *labels, uint32_t top, struct evaluation **ret)
{
    struct evaluation *e = calloc(1, sizeof(*e));
    if (!e)
        return -ENOMEM;
    e->labels = labels;
    e->judging = top > 0;
    e->top5 = top >= EVALUATION_TOP || top >= labels_count(labels);
    e->pairs.cap = EVALUATION_PAIRS;
    names_init(&e->names, EVALUATION_TRUTHS, NAME_BYTES);
    *ret = e;
    return 0;
}

static void example_done(struct evaluation_example *example)
{
    free(example->uri);
    free(example->truth);
    free(example->detail);
}

void evaluation_free(struct evaluation *e)
{
    if (!e)
        return;
    for (uint32_t i = 0; i < e->mistake_count; i++)
        example_done(&e->mistakes[i]);
    for (uint32_t kind = 0; kind <= ROW_ERRORS; kind++)
        for (uint32_t i = 0; i < e->failure_count[kind]; i++)
            example_done(&e->failures[kind][i]);
    names_done(&e->names);
    counts_done(&e->pairs);
    free(e->classes);
    free(e);
}

/* ---- classes ---- */

static int grow_classes(struct evaluation *e)
{
    uint32_t capacity = e->class_capacity ? 2 * e->class_capacity : 64;
    struct evaluation_class *classes = realloc(e->classes, capacity * sizeof(*classes));
    if (!classes)
        return -ENOMEM;
    e->classes = classes;
    e->class_capacity = capacity;
    return 0;
}

/* The class of a truth, made if it is new; NULL when there is no room. */
static struct evaluation_class *class_of(struct evaluation *e, struct span truth)
{
    uint32_t before = e->names.count;
    if (before == e->class_capacity && grow_classes(e) < 0)
        return NULL;
    uint32_t number = names_number(&e->names, truth);
    if (number == NAMES_FULL)
        return NULL;
    if (number == before)
        e->classes[number] = (struct evaluation_class){ .truth = e->names.text[number], .how = truth_exact(truth, e->labels) };
    return &e->classes[number];
}

/* ---- one row ---- */

static struct evaluation_example example_of(const struct export_row *row)
{
    struct span uri = row->item->uri;
    struct evaluation_example example = { .uri = malloc(uri.size + 1), .uri_size = uri.size };
    if (example.uri) {
        memcpy(example.uri, uri.data, uri.size);
        example.uri[uri.size] = '\0';
    } else
        example.uri_size = 0;
    return example;
}

static void keep_mistake(struct evaluation *e, const struct export_row *row)
{
    const struct rec_prediction *answer = row->row->predictions;
    uint32_t at = e->mistake_count;
    while (at && e->mistakes[at - 1].probability < answer->probability)
        at--;
    if (at == EVALUATION_MISTAKES)
        return;
    if (e->mistake_count == EVALUATION_MISTAKES)
        example_done(&e->mistakes[--e->mistake_count]);
    memmove(&e->mistakes[at + 1], &e->mistakes[at], (e->mistake_count - at) * sizeof(e->mistakes[0]));
    e->mistake_count++;
    e->mistakes[at] = example_of(row);
    e->mistakes[at].truth = strndup(row->truth.data, row->truth.size);
    e->mistakes[at].index = answer->index;
    e->mistakes[at].probability = answer->probability;
}

static void keep_failure(struct evaluation *e, const struct export_row *row)
{
    uint32_t kind = row->row->error < ROW_ERRORS ? row->row->error : ROW_ERRORS;
    if (e->failure_count[kind] == EVALUATION_EXAMPLES)
        return;
    struct evaluation_example *example = &e->failures[kind][e->failure_count[kind]++];
    *example = example_of(row);
    example->detail = strdup(row->row->detail ? row->row->detail : "");
}

static void add_to_bins(struct evaluation *e, const struct export_row *row)
{
    double p = (double)row->row->predictions[0].probability;
    int bar = p > 0 ? (int)(EVALUATION_HISTOGRAM * p) : 0, bin = p > 0 ? (int)ceil(EVALUATION_BINS * p) - 1 : 0;
    int kind = row->match == MATCH_NONE ? EVALUATED_NOT : row->match == MATCH_TRUE ? EVALUATED_RIGHT : EVALUATED_WRONG;
    e->histogram[bar < EVALUATION_HISTOGRAM ? bar : EVALUATION_HISTOGRAM - 1][kind]++;
    if (kind == EVALUATED_NOT)
        return;
    struct evaluation_bin *b = &e->bins[bin < EVALUATION_BINS ? bin : EVALUATION_BINS - 1];
    b->images++;
    b->correct += kind == EVALUATED_RIGHT;
    b->probability += p;
}

static bool is_right(struct span truth, enum truth_exact how, bool exact, uint32_t index, const struct labels *labels)
{
    return exact ? truth_is_class(truth, how, index, labels) : truth_matches(truth, index, labels);
}

/* The place of the first right answer, EVALUATION_TOP if there is none. */
static uint32_t rank(const struct evaluation *e, const struct export_row *row, enum truth_exact how, bool exact)
{
    uint32_t i = 0, count = row->row->error ? 0 : row->row->predictions_count;
    while (i < count && i < EVALUATION_TOP && !is_right(row->truth, how, exact, row->row->predictions[i].index, e->labels))
        i++;
    return i < count ? i : EVALUATION_TOP;
}

static void count_rank(struct judged *judged, uint32_t rank)
{
    judged->of++;
    judged->top1 += rank == 0;
    judged->top5 += rank < EVALUATION_TOP;
}

static void judge(struct evaluation *e, const struct export_row *row, bool answered)
{
    struct evaluation_class *class_ = class_of(e, row->truth);
    enum truth_exact how = class_ ? class_->how : truth_exact(row->truth, e->labels);
    uint32_t matched = rank(e, row, how, false), exactly = rank(e, row, how, true);
    e->unanswered += !answered;
    count_rank(&e->match, matched);
    if (how != TRUTH_LOOSE)
        count_rank(&e->exact, exactly);
    if (!class_) {
        e->left_out++;
        return;
    }
    class_->unanswered += !answered;
    class_->exact += exactly == 0;
    count_rank(&class_->match, matched);
    if (answered)
        counts_add(&e->pairs, (uint64_t)(class_ - e->classes) << 33 | (uint64_t)row->row->predictions[0].index << 1 | (matched == 0));
}

void evaluation_add(struct evaluation *e, const struct export_row *row)
{
    bool answered = !row->row->error && row->row->predictions_count;
    if (row->row->error)
        keep_failure(e, row);
    if (row->truth.data && e->judging)
        judge(e, row, answered);
    if (!answered)
        return;
    add_to_bins(e, row);
    if (row->match == MATCH_FALSE)
        keep_mistake(e, row);
}

/* ---- afterwards ---- */

void evaluation_finish(struct evaluation *e)
{
    for (const struct count *pair = NULL; (pair = counts_next(&e->pairs, pair));) {
        struct evaluation_class *class_ = &e->classes[pair_class(pair->key)];
        uint32_t index = pair_index(pair->key);
        if (pair_right(pair->key) || pair->n < class_->wrong_count || (pair->n == class_->wrong_count && index > class_->wrong))
            continue;
        class_->wrong = index;
        class_->wrong_count = pair->n;
    }
}

static int compare_spans(struct span a, struct span b)
{
    int order = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

static bool comes_before(const struct evaluation *e, const struct evaluation_confusion *a, const struct evaluation_confusion *b)
{
    if (a->count != b->count)
        return a->count > b->count;
    int order = compare_spans(e->classes[a->class_].truth, e->classes[b->class_].truth);
    return order ? order < 0 : a->index < b->index;
}

uint32_t evaluation_confusions(const struct evaluation *e, struct evaluation_confusion *ret, uint32_t size)
{
    uint32_t count = 0;
    for (const struct count *pair = NULL; (pair = counts_next(&e->pairs, pair));) {
        struct evaluation_confusion confusion = { pair_class(pair->key), pair_index(pair->key), pair->n };
        uint32_t at = count;
        if (pair_right(pair->key))
            continue;
        while (at && comes_before(e, &confusion, &ret[at - 1]))
            at--;
        if (at == size)
            continue;
        count += count < size;
        memmove(&ret[at + 1], &ret[at], (count - at - 1) * sizeof(*ret));
        ret[at] = confusion;
    }
    return count;
}

double evaluation_calibration_error(const struct evaluation *e)
{
    double sum = 0;
    uint64_t images = 0;
    for (int i = 0; i < EVALUATION_BINS; i++) {
        sum += fabs((double)e->bins[i].correct - e->bins[i].probability);
        images += e->bins[i].images;
    }
    return sum / (double)images;
}

const char *evaluation_truth_label(const struct evaluation *e, struct span truth)
{
    enum truth_exact how = truth_exact(truth, e->labels);
    for (uint32_t i = 0; (how == TRUTH_BY_ID || how == TRUTH_BY_INDEX) && i < labels_count(e->labels); i++)
        if (truth_is_class(truth, how, i, e->labels))
            return labels_name(e->labels, i);
    return NULL;
}
