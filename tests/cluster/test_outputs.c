/* What a complete job gives: tables, arrays, one file an image, the report; and the ways to name images and their truth. */
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/photos.h"
#include "tests/cluster/lib/table.h"

#include "common/cleanup.h"
#include "common/labels.h"

#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

TEST(export_and_report_show_a_complete_job_again)
{
    photos_draw("photos", 9);
    write_text("photos/b/bad.jpg", "");
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--format", "jsonl,csv", "--job", "job", "photos"), 0);
    CHECK_INT(COORDINATE("export", "export", "job", "--format", "csv,jsonl", "-o", "again/and/again"), 0);
    check_same_file("job/predictions.jsonl", "again/and/again/predictions.jsonl");
    check_same_file("job/predictions.csv", "again/and/again/predictions.csv");
    check_contains("export.out", "again/and/again/predictions.csv\n");
    CHECK_INT(COORDINATE("report", "report", "job"), 0);
    check_same_file("run.out", "report.out");
    CHECK_INT(COORDINATE("image", "report", "job", "--image", "b/bad.jpg"), 0);
    check_contains("image.out", "photos/b/bad.jpg");
    check_contains("image.out", "decode");
    CHECK_INT(COORDINATE("none", "report", "job", "--image", "c.jpg"), 1);
    check_contains("none.err", "c.jpg: no image of this job has this URI");
    CHECK_INT(COORDINATE("format", "export", "job", "--format", "xml"), 2);
    CHECK_INT(COORDINATE("status", "status", "job"), 0);
    check_contains("status.out", "state     complete");
    check_contains("status.out", "done      10 images");
    check_contains("status.out", "failed    1 of those");
}

TEST(summary_json_says_where_the_numbers_come_from)
{
    photos_draw("photos", 5);
    model_write("model.safetensors", 1000);
    CHECK_INT(COORDINATE("run", "run", "--weights", "model.safetensors", "--preset", "article", "--job", "job", "photos"), 0);
    json_error_t error;
    json_t *summary = json_load_file("job/summary.json", 0, &error);
    CHECK(summary);
    const json_t *model = json_object_get(summary, "model"), *node = json_array_get(json_object_get(summary, "nodes"), 0);
    CLEANUP(freep) char *expected = NULL;
    CHECK_INT(test_shell(&expected, "sha256sum model.safetensors | cut -d' ' -f1 | tr -d '\\n'"), 0);
    CHECK_STR(json_string_value(json_object_get(model, "sha256")), expected);
    CHECK_STR(json_string_value(json_object_get(model, "network")), "resnet18");
    CHECK_CONTAINS(json_string_value(json_object_get(node, "fingerprint")), "onednn");
    CHECK_CONTAINS(json_string_value(json_object_get(node, "fingerprint")), "jpeg");
    CHECK_INT(json_array_size(json_object_get(summary, "stages")), 3);
    json_decref(summary);
    check_contains("job/summary.json", "\"article\"");
}

TEST(what_was_changed_in_a_preset_is_recorded_and_said)
{
    photos_draw("photos", 5);
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--job", "job", "--resize", "300", "--interpolation", "bicubic", "--exif-orient",
                         "photos"), 0);
    check_contains("run.out", "torchvision, but resize 300, bicubic, turned as EXIF says");
    check_contains("job/summary.json", "\"interpolation\": \"bicubic\"");
    check_contains("job/summary.json", "\"exif_orient\": true");
    CHECK_INT(COORDINATE("bad", "run", "--mean", "1,2", "--job", "job2", "photos"), 2);
    check_contains("bad.err", "--mean: \"1,2\" is not three numbers for red, green and blue, as in 0.485,0.456,0.406");
}

/* ---- per image ---- */

static void check_object(const json_t *row, const char *path)
{
    json_error_t error;
    json_t *object = json_load_file(path, 0, &error);
    if (!object)
        test_fail(__FILE__, __LINE__, "%s: %s", path, error.text);
    CHECK(json_equal(object, row));
    json_decref(object);
}

TEST(one_file_an_image_holds_the_line_of_the_table)
{
    struct table table;
    photos_draw("photos", 4);
    write_text("photos/a/zz.jpg", "");
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--per-image", "--output", "out", "--job", "job", "photos"), 0);
    table_read(&table, "out/predictions.jsonl");
    CHECK_INT(table.count, 5);
    for (size_t i = 0; i < table.count; i++) {
        char path[PATH_MAX];
        const char *key = strstr(row_uri(table.rows[i]), "/photos/") + strlen("/photos/");
        snprintf(path, sizeof(path), "out/%s.json", key);
        if (access(path, R_OK) < 0)
            snprintf(path, sizeof(path), "out/%.*s.json", (int)(strlen(key) - 4), key);
        check_object(table.rows[i], path);
    }
    table_done(&table);
}

/* ---- lists ---- */

TEST(a_list_from_a_file_or_standard_input_keeps_its_order)
{
    static const char zeros[] = "photos/b/003.jpg\0photos/a/000.jpg\0photos/missing.jpg\0photos/a/000.jpg";
    struct table table;
    CLEANUP(freep) char *output = NULL;
    photos_draw("photos", 4);
    write_text("list", "photos/b/003.jpg\n\nphotos/a/000.jpg\nphotos/missing.jpg\nphotos/a/000.jpg\n");
    test_write_file("zeros", zeros, sizeof(zeros));
    CHECK_INT(COORDINATE("lines", "run", "--engine", "sim", "--job", "lines", "@list"), 0);
    CHECK_INT(COORDINATE("zeros", "run", "--engine", "sim", "--null", "--job", "zero", "@zeros"), 0);
    int status = test_shell(&output, "%s/sleddog-coordinator run --engine sim --job stdin @- <list", test_build());
    if (status)
        test_fail(__FILE__, __LINE__, "%s", output);
    check_same_file("lines/predictions.jsonl", "zero/predictions.jsonl");
    check_same_file("lines/predictions.jsonl", "stdin/predictions.jsonl");
    table_read(&table, "lines/predictions.jsonl");
    CHECK_INT(table.count, 4);
    CHECK_CONTAINS(row_uri(table.rows[0]), "/photos/b/003.jpg");
    CHECK_CONTAINS(row_uri(table.rows[1]), "/photos/a/000.jpg");
    CHECK_STR(row_error_kind(table.rows[2]), "not_found");
    CHECK_STR(row_uri(table.rows[3]), row_uri(table.rows[1]));
    table_done(&table);
}

TEST(several_sources_follow_each_other)
{
    struct table table;
    photos_draw("photos", 4);
    write_text("list", "photos/a/000.jpg\n");
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--job", "job", "photos/*/00[13].jpg", "sim:2", "@list", "photos/a/002.jpg"), 0);
    table_read(&table, "job/predictions.jsonl");
    static const char *const order[] = { "/b/001.jpg", "/b/003.jpg", "sim:0", "sim:1", "/a/000.jpg", "/a/002.jpg" };
    CHECK_INT(table.count, ARRAY_SIZE(order));
    for (size_t i = 0; i < ARRAY_SIZE(order); i++)
        CHECK_CONTAINS(row_uri(table.rows[i]), order[i]);
    table_done(&table);
}

/* ---- truth ---- */

/* Puts the photo again where its folder names the class that it was given, and where it names another. */
static void place_by_answer(struct labels *labels)
{
    struct table table;
    char name[256], path[PATH_MAX];
    CHECK_INT(COORDINATE("first", "run", "--engine", "sim", "--job", "first", "photo.jpg"), 0);
    table_read(&table, "first/predictions.jsonl");
    const json_t *prediction = json_array_get(json_object_get(table.rows[0], "predictions"), 0);
    uint32_t index = (uint32_t)json_integer_value(json_object_get(prediction, "index"));
    snprintf(name, sizeof(name), "%s", labels_name(labels, index));
    name[strcspn(name, ",")] = '\0';
    for (char *c = name; *c; c++)
        if (*c == ' ')
            *c = '_';
    snprintf(path, sizeof(path), "mkdir -p 'by/name-%s' by/name-nothing by/name-%s by/name-%s && for d in by/*; do cp photo.jpg \"$d\"; done", name,
             labels_wordnet(labels, index), labels_wordnet(labels, (index + 1) % 1000));
    CHECK_INT(test_shell(NULL, "%s", path), 0);
    table_done(&table);
}

TEST(truth_is_judged_by_name_and_by_wordnet_id)
{
    struct labels *labels;
    struct table table;
    struct why why;
    int right = 0, wrong = 0;
    CHECK_INT(labels_open(NULL, &labels, &why), 0);
    photo_draw("photo.jpg", 3);
    place_by_answer(labels);
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--truth", "/name-([^/]+)/", "--job", "job", "by", "photo.jpg"), 0);
    table_read(&table, "job/predictions.jsonl");
    CHECK_INT(table.count, 5);
    for (size_t i = 0; i < table.count; i++) {
        right += json_is_true(json_object_get(table.rows[i], "match"));
        wrong += json_is_false(json_object_get(table.rows[i], "match"));
    }
    CHECK_INT(right, 2);
    CHECK_INT(wrong, 2);
    check_contains("run.out", "classified correctly  2 of 4, 50.000 %");
    table_done(&table);
    labels_close(labels);
}

/* ---- other models ---- */

static void expect_judged(const char *arguments)
{
    CLEANUP(freep) char *output = NULL;
    int status = test_shell(&output, "/usr/bin/python3 %s/tests/golden/check_npy.py %s", test_source(), arguments);
    if (status == 77 || status == 127)
        test_skip("no judge (python3-numpy for /usr/bin/python3): %s", output);
    if (status)
        test_fail(__FILE__, __LINE__, "%s", output);
}

TEST(features_and_logits_are_arrays_that_numpy_reads)
{
    photos_draw("photos", 7);
    write_text("photos/a/001-bad.jpg", "");
    model_write("model.safetensors", 12);
    write_text("names", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\n");
    CHECK_INT(COORDINATE("logits", "run", "--local", "2", "--batch", "3", "--weights", "model.safetensors", "--labels", "names", "--emit", "logits",
                         "--job", "logits", "photos"), 0);
    CHECK_INT(COORDINATE("features", "run", "--weights", "model.safetensors", "--labels", "names", "--emit", "features", "--job", "features",
                         "photos"), 0);
    CHECK_INT(COORDINATE("topk", "run", "--weights", "model.safetensors", "--labels", "names", "--job", "topk", "photos"), 0);
    check_same_file("logits/predictions.jsonl", "topk/predictions.jsonl");
    CHECK_INT(COORDINATE("export", "export", "logits", "-o", "again"), 0);
    check_same_file("logits/logits.npy", "again/logits.npy");
    expect_judged("logits logits 12");
    expect_judged("features features 512");
}

/* How long a row of the array is, another image must say. */
TEST(the_first_image_of_an_array_may_be_one_that_failed)
{
    photos_draw("photos", 3);
    write_text("list", "missing.jpg\nphotos/a/000.jpg\nmissing too.jpg\nphotos/b/001.jpg\n");
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--batch", "1", "--emit", "logits", "--job", "job", "@list"), 0);
    CHECK_INT(test_shell(NULL, "head -c 128 job/logits.npy | grep -aq \"'shape': (4, 1000)\" && test $(stat -c %%s job/logits.npy) = 16128"), 0);
}

/* Said once, and not for every image. */
TEST(ids_that_labels_without_ids_cannot_match_are_told_once)
{
    CLEANUP(freep) char *times = NULL;
    model_write("model.safetensors", 3);
    write_text("names", "one\ntwo\nthree\n");
    photo_draw("photo.jpg", 3);
    CHECK_INT(test_shell(NULL, "mkdir -p n02085620 n02085782 && cp photo.jpg n02085620 && cp photo.jpg n02085782"), 0);
    CHECK_INT(COORDINATE("run", "run", "--weights", "model.safetensors", "--labels", "names", "--truth", "/(n[0-9]{8})/", "--job", "job", "n02085620", "n02085782"), 0);
    check_contains("run.err", "the truth \"n02085620\" is a WordNet id, but the labels have none: no answer can match");
    CHECK_INT(test_shell(&times, "grep -c 'is a WordNet id' run.err"), 0);
    CHECK_STR(times, "1\n");
}

TEST(more_classes_asked_for_than_there_are_gives_all_of_them)
{
    struct table table;
    photos_draw("photos", 2);
    model_write("model.safetensors", 3);
    write_text("names", "one\ntwo\nthree\n");
    CHECK_INT(COORDINATE("run", "run", "--weights", "model.safetensors", "--labels", "names", "--top", "5", "--job", "job", "photos"), 0);
    table_read(&table, "job/predictions.jsonl");
    CHECK_INT(json_array_size(json_object_get(table.rows[0], "predictions")), 3);
    table_done(&table);
    CHECK_INT(COORDINATE("made up", "run", "--engine", "sim", "--top", "1001", "--job", "sim", "sim:2"), 0);
    table_read(&table, "sim/predictions.jsonl");
    CHECK_INT(json_array_size(json_object_get(table.rows[0], "predictions")), 1000);
    table_done(&table);
    CHECK_INT(test_shell(NULL, "test $(%s/sleddog-worker classify --engine sim --top 1001 sim:1 | wc -l) = 1001", test_build()), 0); /* its name, and all */
}

TEST(a_sample_and_a_limit_are_parts_of_the_whole_and_the_report_says_so)
{
    CHECK_INT(test_shell(NULL, "mkdir set && for i in $(seq 1 300); do echo x >set/$i.jpg; done"), 0);
    CHECK_INT(COORDINATE("all", "run", "--engine", "sim", "--decode", "none", "--job", "all", "set"), 0);
    CHECK_INT(COORDINATE("some", "run", "--engine", "sim", "--decode", "none", "--sample", "6", "--job", "some", "set"), 0);
    CHECK_INT(COORDINATE("few", "run", "--engine", "sim", "--decode", "none", "--sample", "6", "--limit", "20", "--job", "few", "set"), 0);
    CHECK_INT(test_shell(NULL, "[ $(wc -l <some/predictions.jsonl) -gt 20 ] && ! grep -vxFf all/predictions.jsonl some/predictions.jsonl && "
                               "head -20 some/predictions.jsonl | cmp - few/predictions.jsonl"), 0);
    check_contains("few.out", "images examined       20, about one in 6, no more than 20 were asked for\n");
    check_contains("few/summary.json", "\"sample\": 6");
    check_contains("few/summary.json", "\"limit\": 20");
    CHECK_INT(COORDINATE("page", "report", "few", "--html", "page.html"), 0);
    check_contains("page.html", "<dt>about one image in</dt><dd>6</dd><dt>no more images than</dt><dd>20</dd>");
}
