#include "coordinator/comparison_print.h"

#include "common/json.h"
#include "common/utf8.h"
#include "coordinator/export/json_text.h"
#include "coordinator/lines.h"
#include "coordinator/summary_preset.h"
#include "coordinator/value.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* ---- the surest changes ---- */

/* How sure the less sure of the two is. */
static float sureness(const struct comparison_change *change)
{
    float first = change->answer[0].probability, second = change->answer[1].probability;
    return first < second ? first : second;
}

static void free_change(struct comparison_change *change)
{
    free((char *)change->uri.data);
    free((char *)change->truth.data);
}

static int copy_span(struct span from, struct span *ret)
{
    char *copy = from.data ? malloc(from.size + 1) : NULL;
    if (from.data && !copy)
        return -ENOMEM;
    if (copy) {
        memcpy(copy, from.data, from.size);
        copy[from.size] = '\0';
    }
    *ret = (struct span){ copy, from.size };
    return 0;
}

static int copy_change(const struct comparison_change *from, struct comparison_change *ret)
{
    *ret = *from; /* labels live as long as the jobs' */
    ret->uri.data = ret->truth.data = NULL;
    int r = copy_span(from->uri, &ret->uri);
    if (r == 0)
        r = copy_span(from->truth, &ret->truth);
    if (r < 0)
        free_change(ret);
    return r;
}

int comparison_keep_surest(void *arg, const struct comparison_change *change, struct why *why)
{
    struct comparison_surest *surest = arg;
    struct comparison_change copy;
    int at = surest->count;
    while (at > 0 && sureness(change) > sureness(&surest->change[at - 1]))
        at--;
    if (at == COMPARISON_SHOWN || change->answer[0].error || change->answer[1].error)
        return 0;
    if (copy_change(change, &copy) < 0)
        return because(why, -ENOMEM, "out of memory for what has changed most");
    if (surest->count == COMPARISON_SHOWN)
        free_change(&surest->change[--surest->count]);
    memmove(&surest->change[at + 1], &surest->change[at], (size_t)(surest->count - at) * sizeof(copy));
    surest->change[at] = copy;
    surest->count++;
    return 0;
}

void comparison_surest_done(struct comparison_surest *surest)
{
    for (int i = 0; i < surest->count; i++)
        free_change(&surest->change[i]);
    surest->count = 0;
}

/* ---- for a terminal ---- */

static void print_job(struct bytes *out, const char *subject, const char *name, const json_t *summary)
{
    const json_t *model = json_object_get(summary, "model");
    line_subject(out, subject);
    line_text(out, name);
    if (summary && *text_at(model, "network")) {
        bytes_append_text(out, ": ");
        line_text(out, text_at(model, "network"));
        bytes_printf(out, " (sha256 %.12s), ", text_at(model, "sha256"));
        summary_precision(out, json_object_get(summary, "nodes"));
        bytes_append_text(out, ", ");
        summary_preset(out, json_object_get(summary, "preset"));
    }
    line_end(out);
}

static void print_count(struct bytes *out, const char *subject, uint64_t count)
{
    line_subject(out, subject);
    line_count(out, count);
    line_end(out);
}

static void print_images(struct bytes *out, const struct comparison *comparison)
{
    print_count(out, "images in both", comparison->images);
    if (comparison->alone[0])
        print_count(out, "  in the first only", comparison->alone[0]);
    if (comparison->alone[1])
        print_count(out, "  in the second only", comparison->alone[1]);
    if (!comparison->failed[0] && !comparison->failed[1])
        return;
    line_subject(out, "without a prediction");
    line_count(out, comparison->failed[0]);
    bytes_append_text(out, " of them in the first, ");
    line_count(out, comparison->failed[1]);
    bytes_append_text(out, " in the second\n");
}

static void print_same(struct bytes *out, const struct comparison *comparison)
{
    line_subject(out, "the same class");
    if (!comparison->answered) {
        bytes_append_text(out, "no image has a prediction in both\n");
        return;
    }
    line_rate(out, comparison->same, comparison->answered);
    line_end(out);
    if (!comparison->same)
        return;
    line_subject(out, "  its probability");
    bytes_printf(out, "differs by %.6f on average, by %.6f at most\n", comparison->moved / (double)comparison->same, comparison->most);
}

static void print_right(struct bytes *out, const struct comparison *comparison)
{
    line_subject(out, "classified correctly");
    if (!comparison->judged) {
        bytes_append_text(out, "not judged: no image has a truth in both; --truth judges both by one\n");
        return;
    }
    line_rate(out, comparison->right[0], comparison->judged);
    bytes_append_text(out, " in the first\n");
    line_subject(out, "");
    line_rate(out, comparison->right[1], comparison->judged);
    bytes_append_text(out, " in the second\n");
    print_count(out, "  in the first only", comparison->lost);
    print_count(out, "  in the second only", comparison->gained);
}

static void print_change(struct bytes *out, const struct comparison_change *change)
{
    bytes_append_text(out, "  ");
    utf8_append_shown(out, change->uri.data, change->uri.size);
    bytes_printf(out, "\n%*s", LINE_SUBJECT, "");
    for (int i = 0; i < 2; i++) {
        const struct comparison_answer *answer = &change->answer[i];
        line_text(out, *answer->label ? answer->label : "(no label)");
        bytes_printf(out, " %.1f %%%s", 100 * (double)answer->probability, i ? "" : ", now ");
    }
    if (change->truth.data) {
        bytes_append_text(out, "; it is ");
        utf8_append_shown(out, change->truth.data, change->truth.size);
    }
    line_end(out);
}

int comparison_print(const struct comparison *comparison, const struct comparison_surest *surest, const char *const names[2],
                     const struct json_t *const summaries[2], struct bytes *out)
{
    print_job(out, "first", names[0], summaries[0]);
    print_job(out, "second", names[1], summaries[1]);
    print_images(out, comparison);
    print_same(out, comparison);
    print_right(out, comparison);
    if (surest->count)
        bytes_append_text(out, "surest of what changed\n");
    for (int i = 0; i < surest->count; i++)
        print_change(out, &surest->change[i]);
    return bytes_error(out);
}

/* ---- for programs ---- */

static json_t *describe_job(const struct comparison *comparison, int i, const char *name, const json_t *summary)
{
    return json_pack("{s:o, s:o?, s:o?, s:o?, s:o, s:o, s:o}", "directory", value_text(name), "job", json_incref(json_object_get(summary, "job")),
                     "model", json_incref(json_object_get(summary, "model")), "preset", json_incref(json_object_get(summary, "preset")),
                     "alone", value_count(comparison->alone[i]), "failed", value_count(comparison->failed[i]), "correct", value_count(comparison->right[i]));
}

int comparison_print_json(const struct comparison *comparison, const char *const names[2], const struct json_t *const summaries[2], struct bytes *out)
{
    json_watch();
    json_t *all = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "first", describe_job(comparison, 0, names[0], summaries[0]),
                            "second", describe_job(comparison, 1, names[1], summaries[1]), "images", value_count(comparison->images),
                            "answered", value_count(comparison->answered), "same", value_count(comparison->same), "changed", value_count(comparison->changed),
                            "same_rate", value_ratio(comparison->same, comparison->answered),
                            "probability_mean", value_real(comparison->moved / (double)comparison->same), "probability_most", value_real(comparison->most),
                            "judged", value_count(comparison->judged), "lost", value_count(comparison->lost), "gained", value_count(comparison->gained));
    char *text = json_write(all, JSON_INDENT(2));
    json_decref(all);
    if (!text || json_refused())
        bytes_fail(out, -ENOMEM);
    else {
        bytes_append_text(out, text);
        bytes_append_char(out, '\n');
    }
    free(text);
    return bytes_error(out);
}

/* ---- the changes ---- */

void comparison_csv_head(struct bytes *out)
{
    bytes_append_text(out, "uri,truth,first_label,first_probability,first_match,first_error,second_label,second_probability,second_match,second_error\n");
}

static void put_text(struct bytes *out, const char *data, size_t size)
{
    bytes_append_char(out, ',');
    csv_field(out, data ? data : "", size);
}

static void put_answer(struct bytes *out, const struct comparison_answer *answer)
{
    put_text(out, answer->label, strlen(answer->label));
    bytes_append_char(out, ',');
    if (!answer->error)
        json_text_number(out, answer->probability);
    bytes_append_text(out, answer->match == MATCH_NONE ? "," : answer->match == MATCH_TRUE ? ",true" : ",false");
    const char *error = row_error_name(answer->error);
    put_text(out, error, strlen(error));
}

void comparison_csv_line(struct bytes *out, const struct comparison_change *change)
{
    csv_field(out, change->uri.data, change->uri.size);
    put_text(out, change->truth.data, change->truth.data ? change->truth.size : 0);
    put_answer(out, &change->answer[0]);
    put_answer(out, &change->answer[1]);
    bytes_append_char(out, '\n');
}
