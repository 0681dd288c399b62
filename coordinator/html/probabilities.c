/* probabilities.c: how sure the answers were, and whether they had a right to be. Both pictures have one size and the same axis below. */
#include "coordinator/html/markup.h"

#include "common/counted.h"
#include "coordinator/html/parts.h"
#include "coordinator/lines.h"
#include "coordinator/value.h"

#include <inttypes.h>

#define WIDTH  440
#define HEIGHT 260
#define LEFT   46
#define TOP    12
#define RIGHT  (WIDTH - 8)
#define BOTTOM (HEIGHT - 40)
#define PLOT_W (RIGHT - LEFT)
#define PLOT_H (BOTTOM - TOP)

static uint64_t number_at(const json_t *array, size_t i)
{
    json_int_t value = json_integer_value(json_array_get(array, i));
    return value > 0 ? (uint64_t)value : 0;
}

static double x_of(double p)
{
    return LEFT + PLOT_W * p;
}

static double y_of(double part)
{
    return BOTTOM - PLOT_H * part;
}

static void begin_chart(struct bytes *out, const char *id, const char *label)
{
    bytes_printf(out, "<svg id=\"%s\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">", id, WIDTH, HEIGHT, label);
}

static void x_axis(struct bytes *out)
{
    for (int i = 0; i <= 5; i++)
        bytes_printf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%d&nbsp;%%</text>", x_of(i / 5.0), BOTTOM + 16, 20 * i);
    bytes_printf(out, "<line class=\"axis\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>", LEFT, BOTTOM, RIGHT, BOTTOM);
    bytes_printf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">probability of the first answer</text></svg>",
                 LEFT + PLOT_W / 2, BOTTOM + 34);
}

static void grid_line(struct bytes *out, double part)
{
    bytes_printf(out, "<line class=\"grid\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>", LEFT, y_of(part), RIGHT, y_of(part));
}

/* ---- histogram ---- */

static const struct {
    const char *key, *style, *dot, *name;
} kinds[] = { { "right", "fr", "r", "right" }, { "wrong", "fw", "w", "wrong" }, { "not_judged", "fn", "n", "not judged" } };

static uint64_t tallest(const json_t *histogram)
{
    uint64_t most = 1;
    for (size_t i = 0; i < EVALUATION_HISTOGRAM; i++) {
        uint64_t sum = 0;
        for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
            sum += number_at(json_object_get(histogram, kinds[k].key), i);
        most = sum > most ? sum : most;
    }
    return most;
}

static bool is_empty(const json_t *histogram)
{
    uint64_t sum = 0;
    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
        for (size_t i = 0; i < EVALUATION_HISTOGRAM; i++)
            sum += number_at(json_object_get(histogram, kinds[k].key), i);
    return !sum;
}

static void put_bar(struct bytes *out, const json_t *histogram, size_t i, uint64_t top)
{
    double x = x_of((double)i / EVALUATION_HISTOGRAM) + 1, width = (double)PLOT_W / EVALUATION_HISTOGRAM - 2;
    uint64_t below = 0;
    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        uint64_t n = number_at(json_object_get(histogram, kinds[k].key), i);
        double y = y_of((double)(below + n) / (double)top);
        below += n;
        if (n)
            bytes_printf(out, "<rect class=\"%s\" data-n=\"%" PRIu64 "\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\">"
                         "<title>%d to %d %%: %" PRIu64 " %s</title></rect>", kinds[k].style, n, x, y, width, PLOT_H * (double)n / (double)top, (int)(5 * i),
                         (int)(5 * i + 5), n, kinds[k].name);
    }
}

static void put_legend(struct bytes *out, const json_t *histogram)
{
    bytes_append_text(out, "<div class=\"legend\">");
    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        uint64_t sum = 0;
        for (size_t i = 0; i < EVALUATION_HISTOGRAM; i++)
            sum += number_at(json_object_get(histogram, kinds[k].key), i);
        if (!sum)
            continue;
        bytes_printf(out, "<span><i class=\"%s\"></i>%s ", kinds[k].dot, kinds[k].name);
        line_count(out, sum);
        bytes_append_text(out, "</span>");
    }
    bytes_append_text(out, "</div>");
}

static void put_histogram(struct bytes *out, const json_t *evaluation)
{
    const json_t *histogram = json_object_get(evaluation, "histogram");
    uint64_t top = tallest(histogram);
    bytes_append_text(out, "<figure><h3>How sure the answers were</h3>");
    put_legend(out, histogram);
    begin_chart(out, "histogram", "Histogram of the probabilities of the first answers");
    for (int i = 1; i <= 2; i++) {
        grid_line(out, i / 2.0);
        bytes_printf(out, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">", LEFT - 6, y_of(i / 2.0) + 4);
        line_count(out, (top * (uint64_t)i + 1) / 2);
        bytes_append_text(out, "</text>");
    }
    for (size_t i = 0; i < EVALUATION_HISTOGRAM; i++)
        put_bar(out, histogram, i, top);
    x_axis(out);
    bytes_append_text(out, "<figcaption>Images by the probability of their first answer.</figcaption></figure>");
}

/* ---- reliability ---- */

static void put_bin(struct bytes *out, const json_t *bins, size_t i, double most)
{
    uint64_t images = number_at(json_object_get(bins, "images"), i), correct = number_at(json_object_get(bins, "correct"), i);
    double mean = json_number_value(json_array_get(json_object_get(bins, "mean_probability"), i));
    if (!images)
        return;
    double accuracy = (double)correct / (double)images, radius = 3.5 + 6 * (double)images / most;
    bytes_printf(out, "<line stroke=\"var(--wrong)\" stroke-width=\"2\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>", x_of(mean), y_of(mean),
                 x_of(mean), y_of(accuracy));
    bytes_printf(out, "<circle class=\"fr\" stroke=\"var(--card)\" stroke-width=\"1.5\" data-images=\"%" PRIu64 "\" data-correct=\"%" PRIu64
                 "\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"><title>%s said %.1f %% on average; %.1f %% right</title></circle>",
                 images, correct, x_of(mean), y_of(accuracy), radius, COUNTED(images, "image", "images"), 100 * mean, 100 * accuracy);
}

static void put_reliability(struct bytes *out, const json_t *evaluation)
{
    const json_t *calibration = json_object_get(evaluation, "calibration"), *bins = json_object_get(calibration, "bins");
    uint64_t most = 1;
    for (size_t i = 0; i < EVALUATION_BINS; i++) {
        uint64_t n = number_at(json_object_get(bins, "images"), i);
        most = n > most ? n : most;
    }
    bytes_append_text(out, "<figure><h3>Whether they had a right to be</h3>"
                           "<div class=\"legend\"><span><i class=\"r\"></i>part that was right</span><span><i class=\"w\"></i>gap</span></div>");
    begin_chart(out, "reliability", "Reliability diagram: accuracy against probability");
    for (int i = 0; i <= 5; i++) {
        grid_line(out, i / 5.0);
        bytes_printf(out, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%d&nbsp;%%</text>", LEFT - 6, y_of(i / 5.0) + 4, 20 * i);
    }
    bytes_printf(out, "<line class=\"diagonal\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>", LEFT, BOTTOM, RIGHT, TOP);
    for (size_t i = 0; i < EVALUATION_BINS; i++)
        put_bin(out, bins, i, (double)most);
    x_axis(out);
    bytes_append_text(out, "<figcaption>Calibrated answers lie on the dashed line: of those given with 80 %, 80 % are right. Above it they are too "
                           "modest, below too sure. Larger dots are more images. Expected calibration error ");
    bytes_printf(out, "<b id=\"calibration\">%.4f</b> (15 bins, Guo et al. 2017).</figcaption></figure>", real_at(calibration, "error"));
}

void part_probabilities(struct bytes *out, const struct json_t *all)
{
    const json_t *evaluation = json_object_get(all, "evaluation");
    bytes_append_text(out, "<section id=\"probabilities\"><h2>Probabilities</h2>");
    if (is_empty(json_object_get(evaluation, "histogram"))) {
        bytes_append_text(out, "<p>There are none: no image has a prediction.</p></section>");
        return;
    }
    bytes_append_text(out, "<div class=\"two\">");
    put_histogram(out, evaluation);
    if (count_at(json_object_get(evaluation, "calibration"), "images"))
        put_reliability(out, evaluation);
    bytes_append_text(out, "</div></section>");
}
