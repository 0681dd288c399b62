#include "coordinator/summary.h"

#include "common/cleanup.h"
#include "coordinator/row_print.h"
#include "tests/test.h"

#include <math.h>

#define STAGE(name_, threads_, items_, errors_, bytes_, busy_, wait_)                                                                      \
    { .name = name_, .threads = threads_, .items = items_, .errors = errors_, .bytes = bytes_, .busy_ns = busy_, .wait_ns = wait_ }

static const struct rec_stage stages[2][3] = {
    { STAGE("fetch", 8, 600, 2, 60000000, 300000000, 79000000000), STAGE("decode", 32, 598, 1, 0, 4000000000, 310000000000),
      STAGE("engine", 1, 597, 0, 0, 9500000000, 200000000) },
    { STAGE("fetch", 8, 400, 0, 40000000, 200000000, 79000000000), STAGE("decode", 32, 400, 0, 0, 3000000000, 310000000000),
      STAGE("engine", 1, 400, 0, 0, 9300000000, 300000000) },
};
static const struct node_facts nodes[2] = {
    { "node-a:5571", "0.1.0", "onednn", "2 cores", "int8", "onednn int8 b16", 32, 16, 600, 10, stages[0], 3 },
    { "node-b:5571", "0.1.0", "onednn", "2 cores \x1b[31m", "int8", "onednn int8 b16", 32, 16, 400, 7, stages[1], 3 },
};
static const char *const sources[] = { "/photos", "/caf\xe9/*" };
static const char *const files[] = { "/job/predictions.jsonl", "/job/predictions.csv" };

static struct job_facts sample_facts(void)
{
    return (struct job_facts){ .version = "0.1.0", .job = "sleddog-job-1", .directory = "/job", .sources = sources,
        .sources_count = 2, .preset = preset_find("torchvision"), .network = "resnet50",
        .weights_uri = { "/w.safetensors", 14 }, .weights_sha256 = "0123456789abcdef", .classes = 1000,
        .truth = "n[0-9]+-([^/]+)/", .batch = 60, .top = 5, .nodes = nodes, .nodes_count = 2, .started_s = 1700000000,
        .finished_s = 1700000010.5, .elapsed_s = 12.5, .working_s = 10, .run_working_s = 10, .cpu_s = 0.004, .files = files, .files_count = 2 };
}

static void add(struct tally *tally, const char *uri, uint32_t error, const char *detail, const char *truth, enum match match)
{
    struct rec_item item = { .uri = { uri, (uint32_t)strlen(uri) } };
    struct rec_row row = { .error = error, .detail = detail };
    struct export_row out = { &item, &row, { truth, truth ? 1 : 0 }, match };
    tally_add(tally, &out);
}

static struct tally *sample_tally(void)
{
    static struct tally tally;
    tally = (struct tally){ 0 };
    for (int i = 0; i < 997; i++)
        add(&tally, "/photos/x.jpg", ROW_OK, "", "t", i < 700 ? MATCH_TRUE : MATCH_FALSE);
    add(&tally, "/photos/bad\n\xff.jpg", ROW_DECODE, "JPEG data ends", "t", MATCH_NONE);
    add(&tally, "/photos/gone.jpg", ROW_NOT_FOUND, "No such file", "t", MATCH_NONE);
    add(&tally, "/photos/worse.jpg", ROW_DECODE, "no JPEG", NULL, MATCH_NONE);
    return &tally;
}

static char *printed(const struct json_t *summary)
{
    struct bytes out;
    bytes_init(&out, 1 << 20);
    CHECK_INT(summary_print(summary, false, &out), 0);
    char *text = bytes_take(&out);
    fputs(text, stdout);
    return text;
}

static char *summary_of(const struct job_facts *facts, const struct tally *tally)
{
    struct json_t *summary;
    CHECK_INT(summary_new(facts, tally, &summary), 0);
    char *text = printed(summary);
    summary_free(summary);
    return text;
}

TEST(a_tally_counts_by_kind_and_keeps_the_first_example)
{
    struct tally *tally = sample_tally();
    add(tally, "/new", 77, "?", NULL, MATCH_NONE);
    CHECK_INT(tally->examined, 1001);
    CHECK_INT(tally->failed, 4);
    CHECK_INT(tally->with_truth, 999);
    CHECK_INT(tally->correct, 700);
    CHECK_INT(tally->kind[ROW_DECODE].count, 2);
    CHECK_STR(tally->kind[ROW_DECODE].first_uri, "/photos/bad\n\xff.jpg");
    CHECK_STR(tally->kind[ROW_DECODE].detail, "JPEG data ends");
    CHECK_INT(tally->kind[ROW_ERRORS].count, 1);
}

TEST(every_kind_of_failure_has_advice_and_the_contract_s_retry)
{
    static const bool retryable[ROW_ERRORS] = { [ROW_NOT_FOUND] = true, [ROW_DENIED] = true, [ROW_FETCH] = true,
                                                [ROW_TIMEOUT] = true, [ROW_CRASH] = true };
    for (int kind = 1; kind < ROW_ERRORS; kind++) {
        CHECK_INT(failure_retryable((enum row_error)kind), retryable[kind]);
        CHECK(strcmp(failure_advice((enum row_error)kind), failure_advice(ROW_ERRORS)));
    }
}

TEST(what_options_changed_in_a_preset_is_said)
{
    struct job_facts facts = sample_facts();
    struct preset preset = *preset_find("torchvision");
    facts.preset = &preset;
    preset.resize = 300;
    preset.std[1] = 0.5f;
    preset.interpolation = INTERPOLATION_BICUBIC;
    preset.exif_orient = true;
    char *text = summary_of(&facts, sample_tally());
    CHECK_CONTAINS(text, "torchvision, but resize 300, std 0.229,0.5,0.225, bicubic, turned as EXIF says\n");
    free(text);
    preset = *preset_find("article");
    preset.exif_orient = true;
    text = summary_of(&facts, sample_tally());
    CHECK_CONTAINS(text, "article, but turned as EXIF says\n");
    free(text);
}

TEST(the_summary_says_what_was_examined_right_and_failed)
{
    struct job_facts facts = sample_facts();
    char *text = summary_of(&facts, sample_tally());
    CHECK_CONTAINS(text, "images examined       1,000\n");
    CHECK_CONTAINS(text, "classified correctly  700 of 999, 70.070 % of those whose truth is known (an image without");
    CHECK_CONTAINS(text, "without a prediction  3\n");
    CHECK_CONTAINS(text, "  decode              2, such as /photos/bad?\xef\xbf\xbd.jpg: JPEG data ends\n");
    CHECK_CONTAINS(text, "  not_found           1, such as /photos/gone.jpg: No such file\n");
    CHECK_CONTAINS(text, "time                  12.5 s, 80.0 images/s (coordinator: 4.0 us of CPU an image)\n"
                         "  of work             10.0 s, 100 images/s, from the first batch sent to the last result kept\n");
    CHECK_CONTAINS(text, "slowest stage         engine: its threads were busy 94 % of the time\n");
    CHECK_CONTAINS(text, "  decode                    64          998          1          7.014     26.6 %\n");
    CHECK_CONTAINS(text, "  node-a:5571         600 images, onednn on 2 cores\n");
    CHECK_CONTAINS(text, "2 cores ?[31m\n");
    CHECK_CONTAINS(text, "resnet50, 1,000 classes, /w.safetensors (sha256 0123456789ab)\n");
    CHECK_CONTAINS(text, "torchvision, resize 256, crop 224\n");
    CHECK_CONTAINS(text, "files                 /job/predictions.jsonl\n                      /job/predictions.csv\n");
    free(text);
}

TEST(where_stages_share_cores_the_slowest_is_the_largest_part_of_the_cpu)
{
    struct rec_stage shared[2] = { { .name = "decode", .threads = 32, .items = 10, .busy_ns = 16000000000 },
                                   { .name = "engine", .threads = 2, .items = 10, .busy_ns = 4000000000 } };
    struct node_facts node = nodes[0];
    node.stages = shared;
    node.stages_count = 2;
    struct job_facts facts = sample_facts();
    facts.nodes = &node;
    facts.nodes_count = 1;
    char *text = summary_of(&facts, sample_tally());
    CHECK_CONTAINS(text, "slowest stage         decode: 80 % of the CPU time of all stages\n");
    free(text);
}

TEST(what_was_not_judged_is_not_called_wrong)
{
    struct tally tally = { 0 };
    struct job_facts facts = sample_facts();
    facts.truth = NULL;
    add(&tally, "/x", ROW_OK, "", NULL, MATCH_NONE);
    char *text = summary_of(&facts, &tally);
    CHECK_CONTAINS(text, "not judged: no --truth was given");
    free(text);
    facts.truth = "(x)";
    text = summary_of(&facts, &tally);
    CHECK_CONTAINS(text, "of no image a truth is known");
    free(text);
}

TEST(the_article_s_figures_look_as_in_the_article)
{
    struct tally tally = { .examined = 20580, .with_truth = 20580, .correct = 13806 };
    struct job_facts facts = sample_facts();
    facts.elapsed_s = 315;
    char *text = summary_of(&facts, &tally);
    CHECK_CONTAINS(text, "13,806 of 20,580, 67.085 %\n");
    CHECK_CONTAINS(text, "5 min 15 s, 65.3 images/s");
    free(text);
    facts.elapsed_s = 12073;
    text = summary_of(&facts, &tally);
    CHECK_CONTAINS(text, "3 h 21 min 13 s");
    free(text);
}

TEST(a_job_without_images_nodes_or_time_divides_by_nothing)
{
    struct tally tally = { 0 };
    struct job_facts facts = { .elapsed_s = 0 };
    char *text = summary_of(&facts, &tally);
    CHECK_CONTAINS(text, "images examined       0\n");
    CHECK(!strstr(text, "nan") && !strstr(text, "inf"));
    free(text);
}

TEST(summary_json_is_enough_to_print_it_again)
{
    struct job_facts facts = sample_facts();
    struct json_t *summary, *loaded;
    struct why why;
    CHECK_INT(summary_new(&facts, sample_tally(), &summary), 0);
    CHECK_INT(summary_write(summary, ".", &why), 0);
    CHECK_INT(summary_load(".", &loaded, &why), 0);
    char *before = printed(summary), *after = printed(loaded);
    CHECK_STR(after, before);
    free(before);
    free(after);
    summary_free(summary);
    summary_free(loaded);
    char *output;
    int status = test_shell(&output, "/usr/bin/python3 -c 'import json;"
                                     " s = json.load(open(\"summary.json\", encoding=\"utf-8\"));"
                                     " assert s[\"images\"] == {\"examined\": 1000, \"with_truth\": 999, \"correct\": 700,"
                                     " \"accuracy\": s[\"images\"][\"accuracy\"], \"failed\": 3};"
                                     " assert abs(s[\"images\"][\"accuracy\"] - 700 / 999) < 1e-8;"
                                     " assert s[\"time\"][\"started\"] == \"2023-11-14T22:13:20Z\";"
                                     " assert s[\"nodes\"][1][\"stages\"][2][\"busy_s\"] == 9.3;"
                                     " assert s[\"sources\"] == [\"/photos\", \"/caf\\ufffd/*\"]'");
    if (status)
        test_fail(__FILE__, __LINE__, "%s", output);
    free(output);
}

/* Of one stage on two nodes. */
TEST(the_numbers_of_a_stage_are_added_up_over_the_nodes)
{
    const struct rec_stage own[2] = {
        { .name = "fetch", .threads = 1, .items = 2, .errors = 3, .bytes = 4, .busy_ns = 5000000000, .wait_ns = 6000000000, .retries = 7, .copies = 8 },
        { .name = "fetch", .threads = 10, .items = 20, .errors = 30, .bytes = 40, .busy_ns = 50000000000, .wait_ns = 60000000000, .retries = 70, .copies = 80 },
    };
    const struct node_facts both[2] = { { "a", "", "", "", "", "", 1, 1, 1, 1, &own[0], 1 }, { "b", "", "", "", "", "", 1, 1, 1, 1, &own[1], 1 } };
    static const char *const expected[] = { "\"threads\": 11,", "\"items\": 22,", "\"errors\": 33,", "\"bytes\": 44,", "\"retries\": 77,", "\"copies\": 88,",
                                            "\"busy_s\": 55.0,", "\"wait_s\": 66.0," };
    struct job_facts facts = sample_facts();
    struct json_t *summary;
    struct bytes text;
    facts.nodes = both;
    bytes_init(&text, 1 << 20);
    CHECK_INT(summary_new(&facts, sample_tally(), &summary), 0);
    CHECK_INT(summary_dump(summary, &text), 0);
    for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++)
        CHECK_CONTAINS(text.data, expected[i]);
    bytes_done(&text);
    summary_free(summary);
}

TEST(a_summary_that_is_none_is_refused_or_printed_without_harm)
{
    struct json_t *summary;
    struct why why;
    CHECK_INT(summary_load(".", &summary, &why), -ENOENT);
    CHECK_CONTAINS(why.text, "./summary.json: not there; it is written when a job is complete");
    test_write_file("summary.json", "[1]", 3);
    CHECK_INT(summary_load(".", &summary, &why), -EBADMSG);
    test_write_file("summary.json", "{\"a\":", 5);
    CHECK_INT(summary_load(".", &summary, &why), -EBADMSG);
    CHECK_CONTAINS(why.text, "not a summary (line 1");
    const char odd[] = "{\"job\":\"odd\",\"images\":{\"examined\":-5,\"with_truth\":\"x\"},\"failures\":[1,{}],\"nodes\":[null],"
                       "\"stages\":[{}],\"files\":[3],\"time\":[],\"slowest_stage\":{\"value\":1e308}}";
    test_write_file("summary.json", odd, sizeof(odd) - 1);
    CHECK_INT(summary_load(".", &summary, &why), 0);
    char *text = printed(summary);
    CHECK_CONTAINS(text, "images examined       0\n");
    free(text);
    summary_free(summary);
}

static char *row_text(const struct rec_row *row, const char *truth, enum match match)
{
    struct labels *labels;
    CHECK_INT(labels_open(NULL, &labels, NULL), 0);
    struct rec_item item = { .uri = { "/a\x1b/x.jpg", 9 } };
    struct export_row out = { &item, row, { truth, truth ? (uint32_t)strlen(truth) : 0 }, match };
    struct bytes text;
    bytes_init(&text, 1 << 16);
    CHECK_INT(row_print(&out, labels, &text), 0);
    labels_close(labels);
    return bytes_take(&text);
}

TEST(one_row_is_readable)
{
    struct rec_prediction top[2] = { { 151, 0.873112f }, { 2000, 0.1f } };
    struct rec_row row = { .predictions = top, .predictions_count = 2 };
    struct rec_row failed = { .error = ROW_DECODE, .detail = "JPEG data ends" };
    char *text = row_text(&row, "Chihuahua", MATCH_TRUE);
    CHECK_STR(text, "image                 /a?/x.jpg\n"
                    "truth                 Chihuahua\n"
                    "predictions             87.3112 %  Chihuahua (class 151)\n"
                    "                        10.0000 %  (no label) (class 2000)\n"
                    "correct               yes\n");
    free(text);
    text = row_text(&failed, NULL, MATCH_NONE);
    CHECK_CONTAINS(text, "no prediction         decode: JPEG data ends\n                      the picture is damaged");
    free(text);
}
