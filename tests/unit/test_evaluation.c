#include "coordinator/evaluation_json.h"
#include "coordinator/summary.h"

#include "common/cleanup.h"
#include "tests/test.h"

#include <jansson.h>
#include <math.h>

#define CLASSES 24
#define ROWS    6000

static uint64_t state = 88172645463325252u;

static uint32_t random_below(uint32_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 32) % n);
}

/* Names with synonyms and parts in common, so that the article's match and the exact one differ. */
static void name_of(uint32_t i, char *out, size_t size)
{
    static const char *const kinds[] = { "hound", "terrier", "spaniel" };
    if (i == 7)
        snprintf(out, size, "12"); /* a name that looks like an index */
    else if (i % 2)
        snprintf(out, size, "breed %c %s, other %c", 'A' + (char)i, kinds[i % 3], 'A' + (char)i);
    else
        snprintf(out, size, "breed %c %s", 'A' + (char)i, kinds[i % 3]);
}

static struct labels *make_labels(void)
{
    struct bytes text, table;
    struct labels *labels;
    struct why why;
    bytes_init(&text, 1 << 20);
    bytes_init(&table, 1 << 20);
    for (uint32_t i = 0; i < CLASSES; i++) {
        char name[64];
        name_of(i, name, sizeof(name));
        bytes_printf(&text, "n%08u %s\n", 2000000 + i, name);
        bytes_printf(&table, "n%08u\t%s\n", 2000000 + i, name);
    }
    test_write_file("labels", table.data, table.size);
    CHECK_INT(labels_parse("labels", text.data, text.size, &labels, &why), 0);
    bytes_done(&text);
    bytes_done(&table);
    return labels;
}

/* Every kind of truth there is; "" is none. */
static void truth_for(uint32_t class_, char *out, size_t size)
{
    char name[64];
    name_of(class_, name, sizeof(name));
    switch (random_below(9)) {
    case 0: snprintf(out, size, "n%08u", 2000000 + class_); break;
    case 1: snprintf(out, size, "%u", class_); break;
    case 2: snprintf(out, size, "hound"); break;
    case 3: snprintf(out, size, "other_%c", 'A' + (char)class_); break;
    case 4: snprintf(out, size, "no such breed"); break;
    case 5: *out = '\0'; break;
    case 6: snprintf(out, size, "12"); break;
    default: snprintf(out, size, "%s", name); break;
    }
    for (char *c = out; *c; c++)
        *c = *c == ' ' && random_below(2) ? '_' : *c;
}

static float probability(void)
{
    uint32_t pick = random_below(20);
    if (pick == 0)
        return (float)random_below(21) / 20; /* on the edges of the bars */
    if (pick == 1)
        return 1;
    return (float)random_below(1 << 24) / (1 << 24);
}

struct sample {
    struct rec_item item;
    struct rec_row row;
    struct rec_prediction predictions[5];
    char uri[32], truth[64];
    struct export_row out;
};

static void make_sample(struct sample *s, uint32_t i, const struct labels *labels)
{
    uint32_t class_ = random_below(CLASSES), shift = random_below(3) ? 0 : random_below(CLASSES);
    *s = (struct sample){ 0 };
    snprintf(s->uri, sizeof(s->uri), "/photos/%u.jpg", i);
    truth_for(class_, s->truth, sizeof(s->truth));
    s->item.uri = (struct span){ s->uri, (uint32_t)strlen(s->uri) };
    s->row.predictions = s->predictions;
    s->row.predictions_count = 5;
    for (uint32_t k = 0; k < 5; k++)
        s->predictions[k] = (struct rec_prediction){ (class_ + shift + 5 * k) % CLASSES, k ? 0 : probability() };
    if (random_below(30) == 0) {
        s->row = (struct rec_row){ .error = 1 + random_below(ROW_ERRORS - 1), .detail = "it is so" };
    }
    s->out = (struct export_row){ .item = &s->item, .row = &s->row };
    if (*s->truth)
        s->out.truth = (struct span){ s->truth, (uint32_t)strlen(s->truth) };
    s->out.match = truth_match(s->out.truth, &s->row, labels);
}

static void write_sample(const struct sample *s, FILE *file)
{
    fprintf(file, "{\"uri\":\"%s\",\"truth\":", s->uri);
    fprintf(file, *s->truth ? "\"%s\"" : "null", s->truth);
    if (s->row.error)
        fprintf(file, ",\"error\":\"%s\",\"detail\":\"%s\"}\n", row_error_name(s->row.error), s->row.detail);
    else {
        fprintf(file, ",\"error\":null,\"predictions\":[");
        for (int k = 0; k < 5; k++)
            fprintf(file, "%s[%u,%.9g]", k ? "," : "", s->predictions[k].index, (double)s->predictions[k].probability);
        fprintf(file, "]}\n");
    }
}

static void dump(const struct evaluation *e, const char *path)
{
    json_t *json = evaluation_full(e);
    CHECK(json);
    CHECK_INT(json_dump_file(json, path, JSON_REAL_PRECISION(12)), 0);
    json_decref(json);
}

TEST(every_number_is_the_one_that_numpy_finds)
{
    struct labels *labels = make_labels();
    struct evaluation *e;
    char *output;
    FILE *file = fopen("rows", "w");
    CHECK(file);
    CHECK_INT(evaluation_new(labels, 5, &e), 0);
    for (uint32_t i = 0; i < ROWS; i++) {
        struct sample sample;
        make_sample(&sample, i, labels);
        evaluation_add(e, &sample.out);
        write_sample(&sample, file);
    }
    fclose(file);
    evaluation_finish(e);
    dump(e, "evaluation.json");
    evaluation_free(e);
    labels_close(labels);
    int status = test_shell(&output, "/usr/bin/python3 -c 'import numpy' 2>/dev/null || exit 77; "
                                     "/usr/bin/python3 %s/tests/golden/check_evaluation.py labels rows evaluation.json", test_source());
    if (status == 77)
        test_skip("no judge: python3-numpy for /usr/bin/python3");
    if (status)
        test_fail(__FILE__, __LINE__, "%s", output);
    free(output);
}

static void add(struct evaluation *e, const char *truth, uint32_t index, float p)
{
    struct rec_prediction prediction = { index, p };
    struct rec_item item = { .uri = { "/x\xff.jpg", 7 } };
    struct rec_row row = { .predictions = &prediction, .predictions_count = 1 };
    struct export_row out = { &item, &row, { truth, truth ? (uint32_t)strlen(truth) : 0 }, MATCH_NONE };
    out.match = truth_match(out.truth, &row, e->labels);
    evaluation_add(e, &out);
}

TEST(a_perfectly_calibrated_answer_has_no_error_and_an_overconfident_one_its_distance)
{
    struct labels *labels = make_labels();
    struct evaluation *e;
    CHECK_INT(evaluation_new(labels, 5, &e), 0);
    CHECK(isnan(evaluation_calibration_error(e)));
    for (int i = 0; i < 4; i++)
        add(e, "n02000003", i < 3 ? 3 : 4, 0.75f);
    CHECK(fabs(evaluation_calibration_error(e)) < 1e-12);
    for (int i = 0; i < 4; i++)
        add(e, "n02000003", 4, 1.0f);
    CHECK(fabs(evaluation_calibration_error(e) - 0.5) < 1e-12);
    evaluation_free(e);
    labels_close(labels);
}

TEST(top_5_is_not_claimed_of_fewer_predictions)
{
    struct labels *labels = make_labels();
    struct evaluation *e;
    CHECK_INT(evaluation_new(labels, 3, &e), 0);
    add(e, "n02000003", 3, 0.5f);
    json_t *json = evaluation_compact(e), *match = json_object_get(json, "match");
    CHECK(json_is_null(json_object_get(match, "top5")) && json_is_null(json_object_get(match, "top5_rate")));
    CHECK_INT(json_integer_value(json_object_get(match, "top1")), 1);
    json_decref(json);
    evaluation_free(e);
    labels_close(labels);
}

TEST(more_truths_than_there_is_room_for_are_counted_and_said)
{
    struct labels *labels = make_labels();
    struct evaluation *e;
    char truth[32];
    CHECK_INT(evaluation_new(labels, 5, &e), 0);
    e->names.cap = 1000;
    e->pairs.cap = 900;
    for (int i = 0; i < 3000; i++) {
        snprintf(truth, sizeof(truth), "truth %d", i % 1500);
        add(e, truth, 5, 0.25f);
    }
    evaluation_finish(e);
    json_t *json = evaluation_full(e);
    CHECK_INT(json_integer_value(json_object_get(json, "judged")), 3000);
    CHECK_INT(json_integer_value(json_object_get(json, "left_out")), 2 * 500 + 2 * 100);
    CHECK_INT(json_array_size(json_object_get(json, "classes")), 1000);
    CHECK_INT(json_array_size(json_object_get(json, "confusions")), 10);
    CHECK_INT(json_array_size(json_object_get(json, "mistakes")), EVALUATION_MISTAKES);
    CHECK_STR(json_string_value(json_object_get(json_array_get(json_object_get(json, "mistakes"), 0), "uri")), "/x\xef\xbf\xbd.jpg");
    json_decref(json);
    evaluation_free(e);
    labels_close(labels);
}

TEST(nothing_at_all_is_evaluated_without_harm)
{
    struct labels *labels = make_labels();
    struct evaluation *e;
    CHECK_INT(evaluation_new(labels, 5, &e), 0);
    add(e, NULL, 5, NAN);
    evaluation_finish(e);
    dump(e, "evaluation.json");
    evaluation_free(e);
    labels_close(labels);
}

TEST(a_truth_names_a_class_exactly_by_id_by_name_or_by_number)
{
    struct labels *labels;
    struct why why;
    const char text[] = "tench, Tinca tinca\ncrane\nWalker hound, Walker foxhound\n2\n";
    CHECK_INT(labels_parse("x", text, sizeof(text) - 1, &labels, &why), 0);
    static const struct {
        const char *truth;
        enum truth_exact how;
        int right;
    } cases[] = {
        { "tench", TRUTH_BY_NAME, 0 }, { "Tinca_tinca", TRUTH_BY_NAME, 0 }, { "tench, Tinca tinca", TRUTH_BY_NAME, 0 },
        { "hound", TRUTH_LOOSE, -1 }, { "Walker_foxhound", TRUTH_BY_NAME, 2 }, { "Tench", TRUTH_LOOSE, -1 },
        { "2", TRUTH_BY_NAME, 3 }, { "1", TRUTH_BY_INDEX, 1 }, { "4", TRUTH_LOOSE, -1 }, { "n01440764", TRUTH_LOOSE, -1 },
        { "tinca", TRUTH_LOOSE, -1 }, { "cran", TRUTH_LOOSE, -1 }, { "cranes", TRUTH_LOOSE, -1 }, { "99999999999", TRUTH_LOOSE, -1 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct span truth = { cases[i].truth, (uint32_t)strlen(cases[i].truth) };
        CHECK_INT(truth_exact(truth, labels), cases[i].how);
        for (int k = 0; k < 4; k++)
            CHECK_INT(truth_is_class(truth, cases[i].how, (uint32_t)k, labels), k == cases[i].right);
    }
    labels_close(labels);
}
