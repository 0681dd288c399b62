/* evaluation_matrix.c: the most confused truths against the classes that were answered for them. Two passes over the pairs: what was
 * answered how often for the chosen rows decides the columns, then the cells are filled. */
#include "coordinator/evaluation_json.h"

#include "coordinator/value.h"

#include <stdlib.h>
#include <string.h>

#define ROWS      14
#define COLUMNS   18
#define NO_COLUMN UINT32_MAX

struct matrix {
    uint32_t row[ROWS], row_count; /* numbers of truths */
    uint32_t column[COLUMNS], column_count; /* class indices */
    uint64_t cell[ROWS][COLUMNS], other[ROWS];
};

static uint64_t wrong_answers(const struct evaluation_class *class_)
{
    return class_->match.of - class_->match.top1 - class_->unanswered;
}

/* Truths with most wrong answers, the earlier in the list among equals. */
static void choose_rows(const struct evaluation *e, struct matrix *m)
{
    for (uint32_t i = 0; i < e->names.count; i++) {
        uint64_t wrong = wrong_answers(&e->classes[i]);
        uint32_t at = m->row_count;
        while (at && wrong_answers(&e->classes[m->row[at - 1]]) < wrong)
            at--;
        if (!wrong || at == ROWS)
            continue;
        m->row_count += m->row_count < ROWS;
        memmove(&m->row[at + 1], &m->row[at], (m->row_count - at - 1) * sizeof(m->row[0]));
        m->row[at] = i;
    }
}

static uint32_t row_of(const struct matrix *m, uint32_t class_)
{
    uint32_t i = 0;
    while (i < m->row_count && m->row[i] != class_)
        i++;
    return i;
}

static uint32_t column_of(const struct matrix *m, uint32_t index)
{
    for (uint32_t i = 0; i < m->column_count; i++)
        if (m->column[i] == index)
            return i;
    return NO_COLUMN;
}

static void add_column(struct matrix *m, uint32_t index)
{
    if (m->column_count < COLUMNS && column_of(m, index) == NO_COLUMN)
        m->column[m->column_count++] = index;
}

/* A cell among the chosen rows. */
struct answer {
    uint32_t row, index;
    uint64_t n;
    bool right;
};

/* Right ones first, by row; then wrong ones, most frequent first. */
static int by_use(const void *a, const void *b)
{
    const struct answer *left = a, *right = b;
    if (left->right != right->right)
        return left->right ? -1 : 1;
    if (left->right && left->row != right->row)
        return left->row < right->row ? -1 : 1;
    if (left->n != right->n)
        return left->n > right->n ? -1 : 1;
    return left->row != right->row ? (left->row < right->row ? -1 : 1) : left->index < right->index ? -1 : left->index > right->index;
}

static struct answer *answers_for(const struct evaluation *e, const struct matrix *m, uint32_t *ret_count)
{
    struct answer *answers = calloc(e->pairs.used + 1u, sizeof(*answers));
    uint32_t count = 0;
    for (const struct count *pair = NULL; answers && (pair = counts_next(&e->pairs, pair));) {
        uint32_t row = row_of(m, pair_class(pair->key));
        if (row < m->row_count)
            answers[count++] = (struct answer){ row, pair_index(pair->key), pair->n, pair_right(pair->key) };
    }
    if (answers)
        qsort(answers, count, sizeof(*answers), by_use);
    *ret_count = count;
    return answers;
}

static void fill(struct matrix *m, const struct answer *answers, uint32_t count)
{
    uint32_t last = UINT32_MAX;
    for (uint32_t i = 0; i < count; i++) {
        bool first_right = answers[i].right && answers[i].row != last;
        if (first_right || !answers[i].right)
            add_column(m, answers[i].index);
        last = answers[i].row;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t column = column_of(m, answers[i].index);
        if (column == NO_COLUMN) {
            m->other[answers[i].row] += answers[i].n;
            continue;
        }
        m->cell[answers[i].row][column] += answers[i].n;
    }
}

static json_t *row_value(const struct evaluation *e, const struct matrix *m, uint32_t row)
{
    const struct evaluation_class *class_ = &e->classes[m->row[row]];
    json_t *counts = json_array(), *right = json_array();
    for (uint32_t i = 0; i < m->column_count; i++) {
        json_array_append_new(counts, value_count(m->cell[row][i]));
        json_array_append_new(right, json_boolean(truth_matches(class_->truth, m->column[i], e->labels)));
    }
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "truth", value_sized(class_->truth.data, class_->truth.size),
                     "truth_label", value_text(evaluation_truth_label(e, class_->truth)),
                     "images", value_count(class_->match.of), "counts", counts, "right", right, "other", value_count(m->other[row]));
}

struct json_t *evaluation_matrix(const struct evaluation *e)
{
    struct matrix m = { 0 };
    uint32_t count;
    choose_rows(e, &m);
    struct answer *answers = answers_for(e, &m, &count);
    if (!answers)
        return NULL;
    fill(&m, answers, count);
    free(answers);
    json_t *rows = json_array(), *columns = json_array();
    for (uint32_t i = 0; i < m.row_count; i++)
        json_array_append_new(rows, row_value(e, &m, i));
    for (uint32_t i = 0; i < m.column_count; i++)
        json_array_append_new(columns, json_pack("{s:o, s:o}", "index", value_count(m.column[i]), "label",
                                                 value_text(labels_name(e->labels, m.column[i]))));
    return json_pack("{s:o, s:o}", "rows", rows, "columns", columns);
}
