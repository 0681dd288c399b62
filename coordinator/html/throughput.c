/* throughput.c: images a second through every stage over time, one strip a stage above a common clock, each with its own scale: a stage
 * that works in bursts would flatten the others. A rate is over a window: counters come in steps, with results and heartbeats. */
#include "coordinator/html/markup.h"
#include "coordinator/html/parts.h"
#include "coordinator/value.h"

#include "coordinator/history.h"

#include <math.h>

#define WIDTH   1040
#define LEFT    160
#define RIGHT   (WIDTH - 92)
#define STRIP   84
#define PLOT_H  62
#define TOP     8
#define BEAT    1.1 /* seconds: counters come with results, and with heartbeats, every second */
#define WINDOW  3.0 /* seconds at least */
#define WINDOWS 40  /* in the whole run at most */

struct series {
    const char *name;
    size_t count;
    double time[HISTORY_POINTS], items[HISTORY_POINTS], rate[HISTORY_POINTS];
};

static double number_at(const json_t *array, size_t i)
{
    double value = json_number_value(json_array_get(array, i));
    return isfinite(value) && value > 0 ? value : 0;
}

/* A counter that stood still for less than a heartbeat before it rose has risen evenly meanwhile. */
static void fill_in(struct series *s)
{
    for (size_t from = 0, to = 1; to < s->count; to++) {
        if (s->items[to] <= s->items[from])
            continue;
        double start = fmax(s->time[from], s->time[to] - BEAT), slope = (s->items[to] - s->items[from]) / fmax(s->time[to] - start, 1e-9);
        for (size_t i = from + 1; i < to; i++)
            s->items[i] += slope * fmax(s->time[i] - start, 0);
        from = to;
    }
}

static void find_rates(struct series *s)
{
    double span = s->count ? s->time[s->count - 1] - s->time[0] : 0, window = span / WINDOWS > WINDOW ? span / WINDOWS : WINDOW;
    for (size_t i = 0, from = 0; i < s->count; i++) {
        while (from < i && s->time[i] - s->time[from] > window)
            from++;
        size_t begin = from == i && i ? i - 1 : from;
        double seconds = s->time[i] - s->time[begin];
        s->rate[i] = seconds > 0 && s->items[i] > s->items[begin] ? (s->items[i] - s->items[begin]) / seconds : 0;
    }
    if (s->count > 1)
        s->rate[0] = s->rate[1];
}

static void read_series(struct series *s, const char *name, const json_t *time, const json_t *items)
{
    s->name = name;
    s->count = json_array_size(time) < HISTORY_POINTS ? json_array_size(time) : HISTORY_POINTS;
    for (size_t i = 0; i < s->count; i++) {
        s->time[i] = number_at(time, i);
        s->items[i] = number_at(items, i);
    }
    fill_in(s);
    find_rates(s);
}

static double highest(const struct series *s)
{
    double most = 0;
    for (size_t i = 0; i < s->count; i++)
        most = s->rate[i] > most ? s->rate[i] : most;
    return most;
}

/* 1, 2 or 5 times a power of ten, at least `value`. */
static double round_up(double value)
{
    double base = pow(10, floor(log10(value > 0 ? value : 1)));
    return value <= base ? base : value <= 2 * base ? 2 * base : value <= 5 * base ? 5 * base : 10 * base;
}

static void put_points(struct bytes *out, const struct series *s, double y0, double seconds, double top)
{
    for (size_t i = 0; i < s->count; i++)
        bytes_printf(out, "%s%.1f %.1f", i ? "L" : "", LEFT + (RIGHT - LEFT) * s->time[i] / seconds, y0 - PLOT_H * s->rate[i] / top);
}

static void put_strip(struct bytes *out, const struct series *s, size_t row, double seconds)
{
    double top = round_up(highest(s)), y0 = TOP + (double)row * STRIP + PLOT_H, mean = (s->items[s->count - 1] - s->items[0]) / seconds;
    bytes_printf(out, "<line class=\"grid\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>"
                      "<line class=\"axis\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>",
                 LEFT, y0 - PLOT_H, RIGHT, y0 - PLOT_H, LEFT, y0, RIGHT, y0);
    bytes_printf(out, "<text class=\"strong\" x=\"0\" y=\"%.1f\">", y0 - PLOT_H / 2.0 + 4);
    markup_short(out, s->name, 16);
    bytes_printf(out, "</text><text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.6g/s</text>", LEFT - 6, y0 - PLOT_H + 4, top);
    bytes_append_text(out, "<path class=\"fa\" d=\"M");
    put_points(out, s, y0, seconds, top);
    bytes_printf(out, "L%d %.1fL%d %.1fZ\"/><path class=\"la\" d=\"M", RIGHT, y0, LEFT, y0);
    put_points(out, s, y0, seconds, top);
    bytes_printf(out, "\"/><text class=\"ink\" x=\"%d\" y=\"%.1f\">%.*f/s</text>",
                 RIGHT + 10, y0 - PLOT_H / 2.0 + 4, mean < 100 ? 1 : 0, mean);
}

static void put_clock(struct bytes *out, double y, double seconds)
{
    for (int i = 0; i <= 4; i++) {
        bytes_printf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">", LEFT + (RIGHT - LEFT) * i / 4.0, y);
        markup_duration(out, seconds * i / 4);
        bytes_append_text(out, "</text>");
    }
}

static void put_chart(struct bytes *out, const struct series *series, size_t count)
{
    double seconds = series->time[series->count - 1];
    bytes_printf(out, "<svg id=\"strips\" viewBox=\"0 0 %d %zu\" role=\"img\" aria-label=\"Images a second through every stage over time\" "
                      "style=\"min-width:640px\">", WIDTH, TOP + count * STRIP + 12);
    for (size_t i = 0; i < count; i++)
        put_strip(out, &series[i], i, seconds);
    put_clock(out, (double)(TOP + count * STRIP), seconds);
    bytes_append_text(out, "</svg>");
}

/* A stage that nothing went through, as fetch and decode of made-up images, is left out. */
static size_t read_all(struct series *series, const json_t *history)
{
    const json_t *time = json_object_get(history, "time_s");
    size_t count = 0, i;
    json_t *stage;
    json_array_foreach(json_object_get(history, "stages"), i, stage) {
        if (count == LIMIT_STAGES)
            break;
        read_series(&series[count], text_at(stage, "name"), time, json_object_get(stage, "items"));
        count += series[count].count && series[count].items[series[count].count - 1] > 0;
    }
    read_series(&series[count], "safe in job.db", time, json_object_get(history, "done"));
    return count + (series[count].count > 0);
}

void part_throughput(struct bytes *out, const struct json_t *all)
{
    struct series *series = calloc(LIMIT_STAGES + 1, sizeof(*series));
    size_t count = series ? read_all(series, json_object_get(all, "history")) : 0;
    bytes_append_text(out, "<section id=\"throughput\"><h2>Throughput of every stage</h2>");
    if (!count || series->count < 2 || series->time[series->count - 1] <= 0)
        bytes_append_text(out, "<p>The run was too short to draw.</p>");
    else {
        bytes_append_text(out, "<p>Images a second, all workers together, since the beginning of the run; "
                               "each strip has its own scale. At the right, the mean.</p>");
        put_chart(out, series, count);
    }
    bytes_append_text(out, "</section>");
    free(series);
}
