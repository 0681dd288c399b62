/* test_torture_coordinator.c: what the coordinator is made of, with every single allocation refused; SQLite's and jansson's too. */
#include "common/cleanup.h"
#include "coordinator/batch.h"
#include "coordinator/evaluation_json.h"
#include "coordinator/export/export.h"
#include "coordinator/finish.h"
#include "coordinator/jobdir.h"
#include "coordinator/lister.h"
#include "coordinator/nodelist.h"
#include "coordinator/quarantine.h"
#include "coordinator/retries.h"
#include "coordinator/run_options.h"
#include "coordinator/sockets.h"
#include "coordinator/source/source.h"
#include "coordinator/summary.h"
#include "tests/test.h"
#include "tests/torture.h"

#include <jansson.h>
#include <malloc.h>
#include <poll.h>
#include <sqlite3.h>
#include <sys/stat.h>

/* ---- SQLite takes its memory where we do (and jansson, see common/json.h) ---- */

static void *sqlite_malloc(int size)
{
    return malloc((size_t)size);
}

static void *sqlite_realloc(void *memory, int size)
{
    return realloc(memory, (size_t)size);
}

static int sqlite_size(void *memory)
{
    return (int)malloc_usable_size(memory);
}

static int sqlite_round(int size)
{
    return (size + 7) / 8 * 8;
}

static int sqlite_start(void *arg)
{
    (void)arg;
    return SQLITE_OK;
}

static void sqlite_stop(void *arg)
{
    (void)arg;
}

static void torture_sqlite(void)
{
    static const sqlite3_mem_methods methods = { sqlite_malloc, free, sqlite_realloc, sqlite_size, sqlite_round, sqlite_start, sqlite_stop,
                                                 NULL };
    CHECK_INT(sqlite3_config(SQLITE_CONFIG_MALLOC, &methods), SQLITE_OK);
}

/* Nothing here must survive a power cut, and there are thousands of databases. */
__attribute__((visibility("default"))) int fsync(int fd)
{
    (void)fd;
    return 0;
}

__attribute__((visibility("default"))) int fdatasync(int fd)
{
    return fsync(fd);
}

static char in_memory[] = "/dev/shm/sleddog-test-XXXXXX";

static void leave_memory(void)
{
    test_shell(NULL, "rm -r %s", in_memory);
}

/* Half of the time of thousands of databases is that of the file system they are in. Where there is none in memory the test's folder does. */
static void work_in_memory(void)
{
    if (mkdtemp(in_memory) && atexit(leave_memory) == 0)
        CHECK_INT(chdir(in_memory), 0);
}

/* ---- descriptions ---- */

static struct nodelist nodes;

static int use_nodelist(struct why *why)
{
    int r = nodelist_read("nodes", NULL, &nodes, why);
    if (r < 0)
        return r;
    CHECK_INT(nodes.count, 3);
    nodelist_free(&nodes);
    return 0;
}

static int use_truth(struct why *why)
{
    struct truth *truth;
    int r = truth_open("n[0-9]+-([^/]+)/", &truth, why);
    if (r < 0)
        return r;
    truth_close(truth);
    return 0;
}

static int make_spec(struct spec **ret, struct why *why)
{
    struct run_options options = RUN_DEFAULTS;
    char *sources[] = { (char *)"sim:7", (char *)"/caf\xe9" };
    options.labels = "labels";
    options.truth = "(n[0-9]+)";
    options.format = "jsonl,csv";
    options.batch = 3;
    return spec_from_options(&options, sources, ARRAY_SIZE(sources), "job", ret, why);
}

static char *description;

static int use_new_spec(struct why *why)
{
    CLEANUP(spec_freep) struct spec *spec = NULL;
    CLEANUP(freep) char *json = NULL;
    int r = make_spec(&spec, why);
    return r < 0 ? r : spec_to_json(spec, &json, why);
}

static int use_old_spec(struct why *why)
{
    CLEANUP(spec_freep) struct spec *spec = NULL;
    int r = spec_from_json(description, &spec, why);
    if (r == 0)
        CHECK(!strcmp(spec->sources[1], "/caf\xe9") && !strcmp(spec->truth, "(n[0-9]+)") && spec->batch == 3);
    return r;
}

TEST(descriptions_survive_refused_memory)
{
    test_write_file("labels", "a\nb\n", 4);
    test_write_file("nodes", "a\n[x]\nb:1 key=k.pub # c\n[::1]:7\n", 32);
    torture_sqlite();
    torture(use_nodelist);
    torture(use_truth);
    torture(use_new_spec);
    struct spec *spec;
    struct why why;
    CHECK(make_spec(&spec, &why) == 0 && spec_to_json(spec, &description, &why) == 0);
    torture(use_old_spec);
    free(description);
    spec_free(spec);
}

/* ---- sources ---- */

static const char *source;
static int source_entries;

DEFINE_FREEP(source_close, struct source)

static int use_source(struct why *why)
{
    CLEANUP(source_closep) struct source *opened = NULL;
    char *args[] = { (char *)source };
    struct rec_item item;
    int entries = 0, r = source_open(args, 1, &(struct source_options){ .null_separated = false }, &opened, why);
    if (r < 0)
        return r;
    while ((r = source_next(opened, &item, why)) > 0)
        entries++;
    if (r == 0)
        CHECK_INT(entries, source_entries);
    return r;
}

static void torture_source(const char *arg, int entries)
{
    source = arg;
    source_entries = entries;
    torture(use_source);
}

TEST(sources_survive_refused_memory)
{
    for (int i = 0; i < 30; i++) {
        char path[64];
        snprintf(path, sizeof(path), "photos%s", i % 10 ? "" : i ? "/deep" : "");
        mkdir(path, 0777);
        snprintf(path, sizeof(path), "photos%s/%d.jpg", i < 10 ? "" : "/deep", i);
        test_write_file(path, "", 0);
    }
    test_write_file("list", "a.jpg\nb.jpg\n", 12);
    torture_source("photos", 30);
    torture_source("photos/**/?.jpg", 10);
    torture_source("photos/d*/*", 20);
    torture_source("photos/1.jpg", 1);
    torture_source("@list", 2);
    torture_source("sim:3", 3);
}

/* ---- the job's state ---- */

static struct store_batch *stored(uint64_t id)
{
    struct store_batch *batch = malloc(sizeof(*batch) + 1);
    if (batch)
        *batch = (struct store_batch){ .id = id, .count = 1 };
    return batch;
}

static int use_batches(struct why *why)
{
    static struct batches batches;
    int r = 0;
    batches_init(&batches);
    for (uint64_t id = 0; id < 5 && r == 0; id++) {
        struct store_batch *batch = stored(id);
        r = batch ? batches_add(&batches, batch) : -ENOMEM;
    }
    batches_done(&batches);
    return r < 0 ? because(why, r, "%s", strerror(-r)) : 0;
}

static struct store_batch *stored_items(uint32_t count)
{
    struct rec_item items[8];
    CLEANUP(bytes_done) struct bytes bytes;
    bytes_init(&bytes, 65536);
    for (uint32_t i = 0; i < count; i++)
        items[i] = (struct rec_item){ .uri = { "/image", 6 }, .etag = "" };
    if (items_encode(items, count, &bytes) < 0)
        return NULL;
    struct store_batch *batch = malloc(sizeof(*batch) + bytes.size);
    if (!batch)
        return NULL;
    *batch = (struct store_batch){ .id = 0, .count = count, .size = bytes.size };
    memcpy(batch->items, bytes.data, bytes.size);
    return batch;
}

static int answer_pieces(struct batches *batches)
{
    struct rec_row rows[8] = { { .error = ROW_DECODE, .detail = "no JPEG" } };
    int r = 0;
    for (int i = 1; i < 8; i++)
        rows[i] = rows[0];
    while (r == 0) {
        struct batch *piece = batches->alone.first ? batches->alone.first : batches->queue.first;
        batches_unqueue(batches, piece);
        r = quarantine_answer(batches, piece, rows);
    }
    return r < 0 ? r : 0;
}

/* A suspect that is not marked for want of memory is missed, and told by the next death. */
static int use_quarantine(struct why *why)
{
    struct batches batches;
    batches_init(&batches);
    struct store_batch *items = stored_items(8);
    int r = items ? batches_add(&batches, items) : -ENOMEM;
    struct batch *batch = r == 0 ? batches_pop(&batches) : NULL;
    if (r == 0)
        r = batch_suspect(batch, 3);
    if (r == 0)
        r = quarantine_split(&batches, batch);
    if (r == 0)
        r = answer_pieces(&batches);
    if (r == 0)
        CHECK_INT(batch->split->missing, 0);
    batches_done(&batches);
    return r < 0 ? because(why, r, "%s", strerror(-r)) : 0;
}

static int use_sockets(struct why *why)
{
    struct sockets sockets;
    int r = sockets_open(".", &sockets, why);
    if (r < 0)
        return r;
    sockets_close(&sockets);
    return 0;
}

static int keep_nothing(void *arg, const struct db_batch *batch, struct why *why)
{
    (void)why;
    *(int *)arg += batch->rows != NULL;
    return 0;
}

static int fill_db(struct db *db, struct why *why)
{
    static char big[20000]; /* over several pages */
    int with_rows = 0;
    CLEANUP(freep) char *text = NULL;
    struct db_counts counts;
    int r = db_begin(db, why);
    for (uint64_t id = 0; id < 3 && r == 0; id++) {
        struct db_batch batch = { .id = id, .first = id, .count = 1, .items = big, .items_size = sizeof(big) };
        r = db_add_batch(db, &batch, why);
    }
    if (r == 0)
        r = db_add_result(db, 1, big, sizeof(big), 1, "node", 0, why);
    r = r == 1 ? db_set(db, "key", "value", why) : r;
    if (r == 0)
        r = db_commit(db, why);
    if (r == 0)
        r = db_get(db, "key", &text, why);
    if (r == 0)
        r = db_count(db, &counts, why);
    if (r == 0)
        r = db_pending(db, 0, 10, keep_nothing, &with_rows, why);
    if (r == 0)
        r = db_walk(db, keep_nothing, &with_rows, why);
    if (r == 0) {
        CHECK_STR(text, "value");
        CHECK_INT(counts.batches, 3);
        CHECK_INT(with_rows, 1);
    }
    return r;
}

static void remove_db(void)
{
    unlink("job.db");
    unlink("job.db-wal");
    unlink("job.db-shm");
}

static int use_db(struct why *why)
{
    CLEANUP(db_closep) struct db *db = NULL;
    remove_db();
    int r = db_create("job.db", &db, why);
    if (r == 0)
        r = fill_db(db, why);
    if (r < 0)
        return r;
    db_closep(&db);
    return db_open("job.db", true, &db, why);
}

/* Whenever a job.db is there afterwards, it is whole. */
static int use_new_jobdir(struct why *why)
{
    CLEANUP(spec_freep) struct spec *spec = NULL;
    CLEANUP(db_closep) struct db *db = NULL;
    struct jobdir dir = { .fd = -1 };
    unlink("job/job.db");
    int r = make_spec(&spec, why);
    if (r == 0)
        r = jobdir_create("job", spec, &dir, &db, why);
    jobdir_close(&dir);
    return r;
}

static int use_old_jobdir(struct why *why)
{
    CLEANUP(spec_freep) struct spec *spec = NULL;
    CLEANUP(db_closep) struct db *db = NULL;
    struct jobdir dir = { .fd = -1 };
    int r = jobdir_open("job", &dir, &db, &spec, why);
    if (r == 0)
        CHECK_INT(spec->batch, 3);
    jobdir_close(&dir);
    return r;
}

/* Reads the answers until the lister is done; its own result, or the store's. */
static int answers(struct mailbox *box, struct store *store, const struct lister *lister, struct why *why)
{
    const struct why *reason;
    int r = 0;
    for (bool done = false; !done;) {
        struct pollfd wait = { .fd = box->fd, .events = POLLIN };
        CHECK_INT(poll(&wait, 1, -1), 1);
        for (struct mail *mail = mailbox_take(box), *next; mail; mail = next) {
            next = mail->next;
            if (mail->kind == MAIL_LISTER) {
                done = true;
                continue;
            }
            if (((struct store_request *)mail)->r < 0)
                r = because(why, ((struct store_request *)mail)->r, "%s", store_why(store)->text);
            store_request_free((struct store_request *)mail);
        }
    }
    int listed = lister_result(lister, &reason);
    return listed < 0 ? because(why, listed, "%s", reason->text) : r;
}

static void free_mail(struct mailbox *box)
{
    for (struct mail *mail = mailbox_take(box), *next; mail; mail = next) {
        next = mail->next;
        if (mail->kind == MAIL_STORE)
            store_request_free((struct store_request *)mail);
    }
}

static int list_into(struct store *store, struct mailbox *box, struct why *why)
{
    struct lister *lister;
    char *sources[] = { (char *)"sim:25" };
    struct spec spec = { .sources = sources, .source_count = 1, .batch = 10 };
    int r = lister_start(&spec, NULL, store, box, &(struct lister_place){ 0 }, &lister, why);
    if (r < 0)
        return r;
    r = answers(box, store, lister, why);
    lister_stop(lister);
    lister_free(lister);
    return r;
}

static int use_store(struct why *why)
{
    struct mailbox box;
    struct store *store;
    struct db *db;
    remove_db();
    int r = mailbox_init(&box);
    if (r < 0)
        return because(why, r, "%s", strerror(-r));
    r = db_create("job.db", &db, why);
    if (r == 0)
        r = store_start(db, &box, &store, why);
    if (r == 0) {
        r = list_into(store, &box, why);
        struct store_request *load = r == 0 ? store_request_new(STORE_LOAD, 0) : NULL;
        if (load) {
            load->limit = 10;
            store_post(store, load);
        } else if (r == 0)
            r = because(why, -ENOMEM, "no request");
        store_stop(store);
    }
    free_mail(&box);
    mailbox_done(&box);
    return r;
}

TEST(the_state_of_a_job_survives_refused_memory)
{
    work_in_memory();
    test_write_file("labels", "a\nb\n", 4);
    torture_sqlite();
    torture(use_batches);
    torture(use_quarantine);
    torture_lenient(use_sockets); /* a folder that cannot be read is not cleaned, until the next time */
    torture_lenient(use_db);
    torture_lenient(use_new_jobdir);
    torture_lenient(use_old_jobdir);
    torture_lenient(use_store);
}

/* ---- what comes out ---- */

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
        .finished_s = 1700000010.5, .elapsed_s = 10, .files = texts, .files_count = 2 };
    static struct tally tally;
    CLEANUP(bytes_done) struct bytes printed;
    struct json_t *summary;
    bytes_init(&printed, 1 << 20);
    int r = summary_new(&facts, &tally, &summary);
    if (r < 0)
        return because(why, r, "the summary: %s", strerror(-r));
    r = summary_write(summary, ".", why);
    if (r == 0 && (r = summary_print(summary, &printed)) < 0)
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
    CHECK_INT(make_spec(&finished, &why), 0);
    remove_db();
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
    work_in_memory();
    test_write_file("labels", "a\nb\n", 4);
    struct why why;
    CHECK_INT(labels_open(NULL, &labels, &why), 0);
    torture_sqlite();
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

/* ---- what addresses hide ---- */

static int use_private(struct why *why)
{
    CLEANUP(db_closep) struct db *db = NULL;
    CLEANUP(freep) void *data = NULL;
    size_t size;
    int r = db_open("job.db", false, &db, why);
    if (r == 0)
        r = db_begin(db, why);
    if (r == 0)
        r = db_keep_private(db, 5, "hush", 5, why);
    if (r == 0)
        r = db_commit(db, why);
    if (r == 0)
        r = db_get_private(db, 5, &data, &size, why);
    if (r == 0)
        CHECK(size == 5 && !strcmp(data, "hush"));
    return r == 0 ? db_remove_private(db, why) : r;
}

TEST(what_addresses_hide_survives_refused_memory)
{
    struct db *db;
    struct why why;
    work_in_memory();
    torture_sqlite();
    CHECK_INT(db_create("job.db", &db, &why), 0);
    db_close(db);
    torture_lenient(use_private);
}
