/* html.c: the page and its headline; the sections are in parts.h. */
#include "coordinator/html/html.h"

#include "common/cleanup.h"
#include "coordinator/html/markup.h"
#include "coordinator/html/parts.h"
#include "coordinator/lines.h"
#include "coordinator/summary_preset.h"
#include "coordinator/value.h"

#include <inttypes.h>
#include <string.h>

const char *truth_shown(const struct json_t *object)
{
    return text_at(object, json_is_string(json_object_get(object, "truth_label")) ? "truth_label" : "truth");
}

/* ---- headline figures ---- */

static void begin_tile(struct bytes *out, const char *id)
{
    bytes_printf(out, "<div class=\"tile\"><b id=\"%s\">", id);
}

static void of(struct bytes *out, uint64_t part, uint64_t all, const char *rest)
{
    line_count(out, part);
    bytes_append_text(out, " of ");
    line_count(out, all);
    bytes_append_text(out, rest);
}

static void judged_tile(struct bytes *out, const json_t *judged, const char *id, const char *part, const char *rate, const char *name)
{
    if (!count_at(judged, "of") || !json_is_number(json_object_get(judged, rate)))
        return;
    begin_tile(out, id);
    markup_rate(out, real_at(judged, rate));
    bytes_printf(out, "</b><span>%s</span><span>", name);
    of(out, count_at(judged, part), count_at(judged, "of"), "</span></div>");
}

static void speed_tile(struct bytes *out, const json_t *time)
{
    double rate = real_at(time, "images_per_s");
    begin_tile(out, "rate");
    if (rate < 100)
        bytes_printf(out, "%.1f", rate);
    else
        line_count(out, (uint64_t)(rate + 0.5));
    bytes_append_text(out, "/s</b><span>images, in ");
    markup_duration(out, real_at(time, "elapsed_s"));
    bytes_append_text(out, "</span></div>");
}

void part_accuracy(struct bytes *out, const struct json_t *all)
{
    const json_t *images = json_object_get(all, "images"), *evaluation = json_object_get(all, "evaluation");
    const json_t *match = json_object_get(evaluation, "match"), *exact = json_object_get(evaluation, "exact");
    bytes_append_text(out, "<section id=\"accuracy\" class=\"tiles\">");
    judged_tile(out, match, "top1", "top1", "top1_rate", "correct");
    judged_tile(out, match, "top5", "top5", "top5_rate", "in the first 5");
    judged_tile(out, exact, "exact1", "top1", "top1_rate", "exactly right");
    judged_tile(out, exact, "exact5", "top5", "top5_rate", "exactly, first 5");
    begin_tile(out, "examined");
    line_count(out, count_at(images, "examined"));
    bytes_append_text(out, "</b><span>images</span></div>");
    begin_tile(out, "failed");
    line_count(out, count_at(images, "failed"));
    bytes_append_text(out, "</b><span>no prediction</span></div>");
    speed_tile(out, json_object_get(all, "time"));
    bytes_append_text(out, "</section>");
}

/* ---- the page ---- */

static void put_preset(struct bytes *out, const json_t *preset)
{
    CLEANUP(bytes_done) struct bytes text;
    bytes_init(&text, 1 << 16);
    summary_preset(&text, preset);
    if (bytes_error(&text))
        bytes_fail(out, bytes_error(&text));
    markup_foreign(out, text.data ? text.data : "?", 160);
}

static void put_head(struct bytes *out, const json_t *all)
{
    const json_t *model = json_object_get(all, "model");
    bytes_append_text(out, HTML_BEGIN
                           "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">"
                           "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"referrer\" content=\"no-referrer\">"
                           "<link rel=\"icon\" href=\"data:,\"><title>Sleddog report: ");
    markup_short(out, text_at(all, "directory"), 60);
    bytes_append_text(out, "</title><style>");
    for (const char *const *piece = html_style; *piece; piece++)
        bytes_append_text(out, *piece);
    bytes_append_text(out, "</style></head>\n<body><main><header><h1>Sleddog report</h1><p>");
    markup_foreign(out, text_at(all, "directory"), 90);
    if (*text_at(model, "network")) {
        bytes_append_text(out, ", ");
        markup_foreign(out, text_at(model, "network"), 40);
    }
    bytes_append_text(out, ", preset ");
    put_preset(out, json_object_get(all, "preset"));
    bytes_append_text(out, ", ");
    markup_foreign(out, text_at(json_object_get(all, "time"), "finished"), 40);
    bytes_append_text(out, "</p></header>\n");
}

int html_report(const struct json_t *all, const struct evaluation *evaluation, struct s3_session *s3, struct bytes *out)
{
    static void (*const parts[])(struct bytes *, const struct json_t *) = { part_throughput, part_failures, part_classes, part_facts };
    put_head(out, all);
    part_accuracy(out, all);
    part_confusions(out, all);
    part_probabilities(out, all);
    part_mistakes(out, all, evaluation, s3);
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        parts[i](out, all);
        bytes_append_char(out, '\n');
    }
    bytes_append_text(out, "<footer>An image counts as correct if its truth occurs in the label of the most probable class; "
                           "one without a prediction counts as wrong. Made by sleddog-coordinator report --html.</footer></main></body></html>\n");
    return bytes_error(out);
}
