/* What a job writes into a store, request by request: the order in which objects appear, and what is left out where one is refused. The store is the test's. */
#include "tests/cluster/lib/cluster.h"
#include "tests/origin.h"
#include "tests/s3_bed.h"

#include "common/bytes.h"
#include "common/cleanup.h"

/* "PUT /out/7.json\n...": of what changes something. */
struct store {
    struct bytes changes, success; /* success: what _SUCCESS holds */
    const char *refused;           /* the end of keys that may not be written; NULL: none */
    bool keeps;                    /* nothing may be removed */
};

static bool is_refused(const struct store *store, const char *path)
{
    size_t size = strlen(path), length = store->refused ? strlen(store->refused) : 0;
    return length && size >= length && !strcmp(path + size - length, store->refused);
}

static void answer(void *arg, int fd, const struct origin_request *request)
{
    static const char none[] = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>",
                      begun[] = "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>";
    struct store *store = arg;
    CLEANUP(freep) char *path = strndup(request->target, strcspn(request->target, "?"));
    if (!strcmp(request->method, "GET"))
        origin_answer(fd, 200, "", none, strlen(none));
    else if (!strcmp(request->method, "POST"))
        origin_answer(fd, 200, "", begun, strlen(begun));
    else if (strchr(request->target, '?')) /* an upload that only was a try */
        origin_answer(fd, 204, "", "", 0);
    else if (is_refused(store, path) || (store->keeps && !strcmp(request->method, "DELETE")))
        origin_answer(fd, 403, "", "", 0);
    else {
        if (!strcmp(path, "/bucket/out/_SUCCESS")) {
            bytes_clear(&store->success);
            bytes_append(&store->success, request->body, request->body_size);
        }
        bytes_printf(&store->changes, "%s %s\n", request->method, path);
        origin_answer(fd, strcmp(request->method, "DELETE") ? 200 : 204, "", "", 0);
    }
}

static long place_of(const struct store *store, const char *change)
{
    const char *found = store->changes.data ? strstr(store->changes.data, change) : NULL;
    return found ? found - store->changes.data : -1;
}

static struct origin *store_start(struct store *store)
{
    bytes_init(&store->changes, 1 << 20);
    bytes_init(&store->success, 1 << 20);
    struct origin *origin = origin_start(answer, store);
    s3_bed_environment(origin_url(origin));
    return origin;
}

static void store_stop(struct store *store, struct origin *origin)
{
    origin_stop(origin);
    bytes_done(&store->changes);
    bytes_done(&store->success);
}

static int run(const char *job)
{
    return COORDINATE("run", "run", "--engine", "sim", "--job", job, "--format", "jsonl,csv", "--per-image", "-o", "s3://bucket/out/", "sim:20");
}

TEST(an_old_success_goes_before_anything_comes_and_the_new_one_comes_last)
{
    struct store store = { .refused = NULL };
    struct origin *origin = store_start(&store);
    CHECK_INT(run("job"), 0);
    origin_count(origin);
    CHECK_INT(place_of(&store, "DELETE /bucket/out/_SUCCESS\n"), 0);
    long success = place_of(&store, "PUT /bucket/out/_SUCCESS\n");
    CHECK_INT(success + (long)strlen("PUT /bucket/out/_SUCCESS\n"), store.changes.size);
    CHECK(place_of(&store, "PUT /bucket/out/predictions.jsonl\n") > 0);
    CHECK(place_of(&store, "PUT /bucket/out/predictions.csv\n") > 0);
    for (int i = 0; i < 20; i++) {
        char change[64];
        snprintf(change, sizeof(change), "PUT /bucket/out/%d.json\n", i);
        CHECK(place_of(&store, change) > 0);
    }
    store_stop(&store, origin);
}

static void expect_refused(const char *key)
{
    struct store store = { .refused = key };
    struct origin *origin = store_start(&store);
    CHECK_INT(run("job"), 1);
    check_contains("run.err", "access denied");
    check_contains("run.err", "every image is done and safe; write its tables elsewhere with: ");
    origin_count(origin);
    CHECK_INT(place_of(&store, "PUT /bucket/out/_SUCCESS\n"), -1);
    if (strcmp(key, "/_SUCCESS"))
        CHECK_INT(place_of(&store, "PUT /bucket/out/predictions."), -1);
    CHECK_INT(COORDINATE("status", "status", "job"), 0);
    check_contains("status.out", "state     complete, but its tables could not be written to s3://bucket/out/");
    store.refused = NULL;
    CHECK_INT(COORDINATE("resume", "resume", "job"), 0);
    origin_count(origin);
    CHECK(place_of(&store, "PUT /bucket/out/_SUCCESS\n") > 0);
    store_stop(&store, origin);
}

TEST(where_the_object_of_an_image_is_refused_there_is_no_table_and_no_success)
{
    expect_refused("/out/19.json");
}

TEST(where_success_is_refused_the_job_is_not_complete)
{
    expect_refused("/_SUCCESS");
}

/* The old one is there until the new one takes its place. */
TEST(who_may_write_and_not_remove_writes_all_the_same)
{
    struct store store = { .keeps = true };
    struct origin *origin = store_start(&store);
    CHECK_INT(run("job"), 0);
    origin_count(origin);
    CHECK(place_of(&store, "PUT /bucket/out/predictions.jsonl\n") >= 0);
    CHECK(place_of(&store, "PUT /bucket/out/_SUCCESS\n") > 0);
    store_stop(&store, origin);
}

TEST(success_names_the_tables_that_were_exported_into_the_store_at_last)
{
    struct process process;
    struct store store = { .refused = NULL };
    struct origin *origin = store_start(&store);
    CHECK_INT(test_shell(NULL, "mkdir out"), 0);
    BEGIN(&process, "run", "run", "--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "20000", "--batch", "5", "--job", "job", "-o", "out", "sim:100");
    WAIT_FOR(job_done("job") > 0);
    CHECK_INT(test_shell(NULL, "rmdir out && touch out"), 0);
    CHECK_INT(process_end(&process), 1);
    CHECK_INT(COORDINATE("export", "export", "job", "-o", "s3://bucket/out/"), 0);
    origin_count(origin);
    CLEANUP(freep) char *summary = read_text("job/summary.json");
    CHECK_CONTAINS(summary, "s3://bucket/out/predictions.jsonl");
    CHECK_STR(store.success.data, summary);
    store_stop(&store, origin);
}
