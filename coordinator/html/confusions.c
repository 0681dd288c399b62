/* confusions.c: what was taken for what. A cell's colour is the part of its row: blue for right answers, orange for wrong ones. */
#include "coordinator/html/markup.h"
#include "coordinator/html/parts.h"
#include "coordinator/lines.h"
#include "coordinator/value.h"

#include <inttypes.h>
#include <string.h>

#define CELL   40
#define LEFT   190
#define TOP    114
#define LABEL  26 /* characters */
#define STRONG 0.55 /* above this opacity a number is white */

static void put_cell(struct bytes *out, size_t x, size_t y, uint64_t n, uint64_t all, bool right, const char *truth, const char *label)
{
    if (!n)
        return;
    double opacity = 0.14 + 0.86 * (double)n / (double)(all ? all : 1);
    bytes_printf(out, "<rect class=\"cell %s\" data-n=\"%" PRIu64 "\" fill-opacity=\"%.2f\" x=\"%zu\" y=\"%zu\" width=\"%d\" height=\"%d\" "
                      "rx=\"5\"><title>", right ? "fr" : "fw", n, opacity, LEFT + x * CELL, TOP + y * CELL, CELL, CELL);
    bytes_printf(out, "%" PRIu64 " of %" PRIu64 ": ", n, all);
    markup_text(out, truth);
    bytes_append_text(out, right ? ", rightly answered " : " taken for ");
    markup_text(out, label);
    bytes_printf(out, "</title></rect><text %s x=\"%zu\" y=\"%zu\" text-anchor=\"middle\" pointer-events=\"none\">%" PRIu64 "</text>",
                 opacity > STRONG ? "style=\"fill:#fff;font-weight:600\"" : "class=\"ink\"",
                 LEFT + x * CELL + CELL / 2, TOP + y * CELL + CELL / 2 + 4, n);
}

static void put_column(struct bytes *out, size_t x, const char *label)
{
    bytes_printf(out, "<text transform=\"translate(%zu %d) rotate(-42)\"><title>", LEFT + x * CELL + CELL / 2, TOP - 8);
    markup_text(out, label);
    bytes_append_text(out, "</title>");
    markup_first(out, label, 22);
    bytes_append_text(out, "</text>");
}

static void put_row(struct bytes *out, size_t y, const json_t *row, const json_t *columns)
{
    const json_t *counts = json_object_get(row, "counts"), *right = json_object_get(row, "right");
    const char *truth = truth_shown(row);
    uint64_t all = count_at(row, "images"), other = count_at(row, "other");
    size_t x, middle = TOP + y * CELL + CELL / 2 + 4;
    json_t *column;
    bytes_printf(out, "<text class=\"ink\" x=\"%d\" y=\"%zu\" text-anchor=\"end\"><title>", LEFT - 8, middle);
    markup_text(out, truth);
    bytes_append_text(out, "</title>");
    markup_first(out, truth, LABEL);
    bytes_append_text(out, "</text>");
    json_array_foreach(columns, x, column) {
        json_int_t n = json_integer_value(json_array_get(counts, x));
        put_cell(out, x, y, n > 0 ? (uint64_t)n : 0, all, json_is_true(json_array_get(right, x)), truth, text_at(column, "label"));
    }
    put_cell(out, json_array_size(columns), y, other, all, false, truth, "others");
}

static void put_matrix(struct bytes *out, const json_t *matrix)
{
    const json_t *rows = json_object_get(matrix, "rows"), *columns = json_object_get(matrix, "columns");
    size_t height = json_array_size(rows), width = json_array_size(columns) + 1, i;
    json_t *item;
    bytes_printf(out, "<svg id=\"matrix\" class=\"fixed\" width=\"%zu\" height=\"%zu\" role=\"img\" "
                      "aria-label=\"Confusion matrix of the most confused\">",
                 LEFT + width * CELL + 90, TOP + height * CELL + 4);
    for (size_t line = 0; line <= height; line++)
        bytes_printf(out, "<line class=\"grid\" x1=\"%d\" y1=\"%zu\" x2=\"%zu\" y2=\"%zu\"/>",
                     LEFT, TOP + line * CELL, LEFT + width * CELL, TOP + line * CELL);
    json_array_foreach(columns, i, item)
        put_column(out, i, text_at(item, "label"));
    put_column(out, width - 1, "others");
    json_array_foreach(rows, i, item)
        put_row(out, i, item, columns);
    bytes_append_text(out, "</svg>");
}

static void put_list(struct bytes *out, const json_t *confusions)
{
    size_t i;
    json_t *item;
    bytes_append_text(out, "<table id=\"confused\"><tr><th class=\"num\">images</th><th>truth</th><th>taken for</th></tr>");
    json_array_foreach(confusions, i, item) {
        bytes_append_text(out, "<tr><td class=\"num\">");
        line_count(out, count_at(item, "count"));
        bytes_append_text(out, "</td><td>");
        markup_pair(out, truth_shown(item), text_at(item, "label"), 60);
        bytes_append_text(out, "</td><td>");
        markup_pair(out, text_at(item, "label"), truth_shown(item), 60);
        bytes_append_text(out, "</td></tr>");
    }
    bytes_append_text(out, "</table>");
}

void part_confusions(struct bytes *out, const struct json_t *all)
{
    const json_t *evaluation = json_object_get(all, "evaluation"), *confusions = json_object_get(evaluation, "confusions");
    bytes_append_text(out, "<section id=\"confusions\"><h2>What was taken for what</h2>");
    if (!json_array_size(confusions))
        bytes_append_text(out, count_at(evaluation, "judged") ? "<p>No answer was wrong.</p>" :
                               "<p>Nothing was judged: no image has a truth (option --truth) and a prediction.</p>");
    else {
        bytes_append_text(out, "<p>Rows are truths, those with most wrong answers first; columns are answers. "
                               "Stronger colour is a larger part of a row.</p>"
                               "<div class=\"legend\"><span><i class=\"r\"></i>right</span><span><i class=\"w\"></i>wrong</span></div>");
        bytes_append_text(out, "<div class=\"beside\">");
        put_matrix(out, json_object_get(evaluation, "matrix"));
        bytes_append_text(out, "<div><h3>Most frequent</h3>");
        put_list(out, confusions);
        bytes_append_text(out, "</div></div>");
    }
    bytes_append_text(out, "</section>");
}
