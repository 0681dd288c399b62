/* test_torture_results.c: what comes out of a job, with every single allocation refused; SQLite's and jansson's too. */
#include "common/cleanup.h"
#include "coordinator/evaluation_json.h"
#include "coordinator/export/export.h"
#include "coordinator/finish.h"
#include "coordinator/retries.h"
#include "coordinator/summary.h"
#include "tests/test.h"
#include "tests/torture.h"
#include "tests/torture_db.h"
#include "tests/torture_spec.h"

#include <jansson.h>
#include <sys/stat.h>

static struct labels *labels;

static int export_rows(struct exporters *exporters, struct why *why)
{
    static const struct rec_prediction predictions[] = { { 151, 0.5f }, { 0, 0.25f } };
    static const float values[] = { 1, 2, 3 };
    const struct rec_row rows[] = {
        { .predictions = (struct rec_prediction *)predictions, .predictions_count = 2, .values = { (const char *)values, sizeof(values) } },
        { .error = ROW_DECODE, .detail = "no JPEG" },
    };
    int r = 0;
    for (size_t i = 0; i < 60 && r == 0; i++) {
        char uri[64];
        snprintf(uri, sizeof(uri), "/photos/n02085620-Chihuahua/caf\xe9 %zu.jpg", i);
        struct rec_item item = { .uri = { uri, (uint32_t)strlen(uri) }, .base = 8 };
        struct export_row row = { &item, &rows[i % 2], { uri + 8, 9 }, MATCH_TRUE };
        r = exporters_row(exporters, &row, why);
    }
    return r;
}

static int use_export(struct why *why)
{
    struct export_options options = { .directory = "out", .formats = EXPORT_JSONL | EXPORT_CSV | EXPORT_PER_IMAGE, .emit = ROW_LOGITS,
                                      .labels = labels, .rows = 60, .values = 3 };
    struct exporters *exporters;
    int r = exporters_open(&options, &exporters, why);
    if (r < 0)
        return r;
    r = export_rows(exporters, why);
    if (r == 0)
        return exporters_close(exporters, why);
    exporters_abort(exporters);
    return r;
}

#define STAGE(name_, threads_, items_, errors_, bytes_, busy_, wait_)                                                                      \
    { .name = name_, .threads = threads_, .items = items_, .errors = errors_, .bytes = bytes_, .busy_ns = busy_, .wait_ns = wait_ }

static int use_summary(struct why *why)
{
    static const struct rec_stage stages[] = { STAGE("fetch", 8, 600, 2, 60000000, 300000000, 79000000000) };
    static const struct node_facts node = { "node-a:5571", "0.1.0", "onednn", "2 cores", "f32", "onednn f32", 32, 16, 600, 10, stages, 1 };
    static const char *const texts[] = { "/photos", "/caf\xe9/*" };
    const struct job_facts facts = { .version = "0.1.0", .job = "j", .directory = "/job", .sources = texts, .sources_count = 2,
        .preset = preset_find("torchvision"), .network = "resnet50", .weights_uri = { "/w", 2 }, .weights_sha256 = "0123",
        .classes = 1000, .truth = "(n)", .batch = 60, .top = 5, .nodes = &node, .nodes_count = 1, .started_s = 1700000000,
        .finished_s = 1700000010.5, .elapsed_s = 10, .working_s = 9, .run_working_s = 9, .files = texts, .files_count = 2 };
    static struct tally tally;
    CLEANUP(bytes_done) struct bytes printed;
    struct json_t *summary;
    bytes_init(&printed, 1 << 20);
    int r = summary_new(&facts, &tally, &summary);
    if (r < 0)
        return because(why, r, "the summary: %s", strerror(-r));
    r = summary_write(summary, ".", why);
    if (r == 0 && (r = summary_print(summary, false, &printed)) < 0)
        because(why, r, "printing: %s", strerror(-r));
    summary_free(summary);
    return r;
}

static struct json_t *expected;

static int use_old_summary(struct why *why)
{
    struct json_t *summary;
    int r = summary_load(".", &summary, why);
    if (r < 0)
        return r;
    CHECK(json_equal(summary, expected));
    summary_free(summary);
    return 0;
}

static struct spec *finished;

/* A complete job of one batch. */
static void make_job(void)
{
    struct rec_item items[3] = { { .uri = { "/n01440764/a", 12 } }, { .uri = { "/b", 2 } }, { .uri = { "/c", 2 } } };
    struct rec_prediction prediction = { 3, 0.5f };
    struct rec_row rows[3] = { { .predictions = &prediction, .predictions_count = 1 }, { .error = ROW_DECODE, .detail = "x" },
                               { .error = ROW_FETCH, .detail = "y" } };
    struct bytes item_bytes, row_bytes;
    struct why why;
    struct db *db;
    bytes_init(&item_bytes, 1 << 20);
    bytes_init(&row_bytes, 1 << 20);
    CHECK(items_encode(items, 3, &item_bytes) == 0 && rows_encode(rows, 3, &row_bytes) == 0);
    CHECK_INT(torture_spec(&finished, &why), 0);
    torture_db_remove();
    CHECK_INT(db_create("job.db", &db, &why), 0);
    struct db_batch batch = { .count = 3, .items = item_bytes.data, .items_size = item_bytes.size };
    CHECK_INT(db_add_batch(db, &batch, &why), 0);
    CHECK_INT(db_add_result(db, 0, row_bytes.data, row_bytes.size, 1, "node", 2, &why), 1);
    db_close(db);
    bytes_done(&item_bytes);
    bytes_done(&row_bytes);
}

static int use_finish(struct why *why)
{
    static struct tally tally;
    CLEANUP(db_closep) struct db *db = NULL;
    CLEANUP(bytes_done) struct bytes files;
    bytes_init(&files, 1 << 20);
    tally = (struct tally){ 0 };
    int r = db_open("job.db", true, &db, why);
    if (r == 0)
        r = finish_export(db, finished, labels, &(struct finish_output){ EXPORT_JSONL, "out", NULL }, &tally, NULL, &files, why);
    if (r == 0) {
        static off_t whole; /* the first run is an undisturbed one */
        struct stat status;
        CHECK_STR(files.data, "out/predictions.jsonl");
        CHECK(stat(files.data, &status) == 0 && tally.examined == 3);
        if (!whole)
            whole = status.st_size;
        CHECK_INT(status.st_size, whole);
    }
    return r;
}

static int use_evaluation(struct why *why)
{
    CLEANUP(evaluation_freep) struct evaluation *evaluation = NULL;
    struct rec_prediction prediction = { 151, 0.5f };
    const struct rec_row rows[] = { { .predictions = &prediction, .predictions_count = 1 }, { .error = ROW_DECODE, .detail = "x" } };
    int r = evaluation_new(labels, 5, &evaluation);
    for (int i = 0; i < 60 && r == 0; i++) {
        struct rec_item item = { .uri = { "/dogs/a.jpg", 11 } };
        struct export_row row = { &item, &rows[i % 5 == 0], { i % 2 ? "Chihuahua" : "n01440764", 9 }, i % 2 ? MATCH_TRUE : MATCH_FALSE };
        evaluation_add(evaluation, &row);
    }
    if (r == 0) {
        evaluation_finish(evaluation);
        struct json_t *json = evaluation_full(evaluation);
        r = json ? 0 : -ENOMEM;
        summary_free(json);
    }
    return r < 0 ? because(why, r, "%s", strerror(-r)) : 0;
}

/* Whatever happens, there is a row for each. */
static int use_retries(struct why *why)
{
    CLEANUP(db_closep) struct db *db = NULL;
    uint64_t images = 0;
    struct rec_prediction prediction = { 1, 1 };
    struct rec_row row = { .detail = "", .predictions = &prediction, .predictions_count = 1 };
    CLEANUP(bytes_done) struct bytes rows;
    bytes_init(&rows, 1 << 20);
    if (rows_encode(&row, 1, &rows) < 0)
        return because(why, -ENOMEM, "out of memory");
    int r = db_open("job.db", false, &db, why);
    if (r == 0)
        r = retries_plan(db, 1, &images, why);
    if (r == 0)
        r = db_begin(db, why);
    if (r == 0)
        r = retries_take(db, 1, rows.data, rows.size, why);
    CHECK(r < 0 || (r == 1 && images == 1));
    return r < 0 ? r : 0; /* closing rolls back */
}

TEST(results_survive_refused_memory)
{
    torture_db_begin();
    test_write_file("labels", "a\nb\n", 4);
    struct why why;
    CHECK_INT(labels_open(NULL, &labels, &why), 0);
    make_job();
    torture_lenient(use_retries);
    torture(use_export);
    torture(use_summary);
    CHECK_INT(summary_load(".", &expected, &why), 0);
    torture(use_old_summary);
    torture_lenient(use_finish);
    torture_lenient(use_evaluation); /* memory refused counts as a full table */
    summary_free(expected);
    spec_free(finished);
    labels_close(labels);
}
