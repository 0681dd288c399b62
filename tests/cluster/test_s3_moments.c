/* A coordinator is killed while it writes its tables into an object store, in the place of any of its sends (tests/preload/fault.c): half a request, half a
 * part, between two parts, before the last object. What it had sent is no object or a whole one, _SUCCESS says only what is true, and after `resume` the
 * objects are those of an undisturbed run. SLEDDOG_MOMENTS=N tries N moments instead of a few. */
#include "tests/cluster/lib/bucket.h"
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/moments.h"

#include <unistd.h>

/* A job whose output goes below a prefix of its own. */
struct job {
    const char *source, *emit, *format, *each; /* of the command line */
    const char *const *objects;                /* what there is in the end, _SUCCESS apart */
};

static int run_job(const struct bucket *bucket, const struct job *job, const char *prefix, const char *fault)
{
    char output[256];
    snprintf(output, sizeof(output), "s3://%s/%s/", bucket->name, prefix);
    return coordinate_with(fault, ARGV("run", "--engine", "sim", "--emit", job->emit, "--format", job->format, "--job", "job", "-o", output, job->each ? job->each : "--top=5",
                                job->source));
}

static void check_object(struct bucket *bucket, const char *prefix, const char *name, bool must)
{
    char key[512];
    size_t size, expected_size;
    snprintf(key, sizeof(key), "%s/%s", prefix, name);
    CLEANUP(freep) char *object = bucket_get(bucket, key, &size);
    snprintf(key, sizeof(key), "expected/%s", name);
    CLEANUP(freep) char *expected = bucket_get(bucket, key, &expected_size);
    CHECK(expected);
    if (!object && !must)
        return;
    if (!object || size != expected_size || memcmp(object, expected, size))
        test_fail(__FILE__, __LINE__, "%s/%s: %zu bytes, expected %zu, or others", prefix, name, object ? size : 0, expected_size);
}

/* Those that are there are whole; with _SUCCESS, or when it `must` be so, all are there. */
static void check_objects(struct bucket *bucket, const struct job *job, const char *prefix, bool must)
{
    char key[512];
    snprintf(key, sizeof(key), "%s/_SUCCESS", prefix);
    CLEANUP(freep) char *success = bucket_get(bucket, key, NULL);
    CHECK(success || !must);
    for (const char *const *name = job->objects; *name; name++)
        check_object(bucket, prefix, *name, success != NULL);
}

static void try_moments(const struct job *job, long count)
{
    CLEANUP(bucket_closep) struct bucket *bucket = bucket_open("rgw");
    CHECK_INT(run_job(bucket, job, "expected", "count-sends count"), 0);
    CLEANUP(freep) char *text = read_text("count");
    long sends = atol(text), killed = 0;
    CHECK(sends > 5);
    CHECK_INT(test_shell(NULL, "rm -r job"), 0);
    for (long i = 0; i < count; i++) {
        char prefix[32], fault[64];
        long at = moments_at(i, count, sends);
        snprintf(prefix, sizeof(prefix), "at-%ld", at);
        snprintf(fault, sizeof(fault), "kill-send %ld", at);
        int status = run_job(bucket, job, prefix, fault);
        killed += status == 128 + 9;
        check_objects(bucket, job, prefix, false);
        if (access("job/job.db", F_OK) < 0) {
            CHECK_INT(run_job(bucket, job, prefix, ""), 0);
        } else {
            snprintf(fault, sizeof(fault), "kill-send %ld", 1 + moments_below(sends));
            status = coordinate_with(fault, ARGV("resume", "--engine", "sim", "job"));
            CHECK(status == 0 || status == 128 + 9);
            check_objects(bucket, job, prefix, false);
            CHECK_INT(coordinate_with("", ARGV("resume", "--engine", "sim", "job")), 0);
        }
        check_objects(bucket, job, prefix, true);
        CHECK_INT(test_shell(NULL, "rm -r job"), 0);
    }
    fprintf(stderr, "%ld of %ld runs killed at one of %ld sends, each resumed to the same objects\n", killed, count, sends);
    CHECK(killed * 2 >= count); /* the number of sends differs from run to run */
}

/* The logits are sent in two parts. */
TEST_WITHIN(400, a_coordinator_may_be_killed_while_it_uploads_tables)
{
    const struct job job = { "sim:2200", "logits", "jsonl,csv", NULL, ARGV("predictions.jsonl", "predictions.csv", "logits.npy") };
    try_moments(&job, moments(6));
}

TEST_WITHIN(400, a_coordinator_may_be_killed_while_it_uploads_an_object_an_image)
{
    const struct job job = { "sim:20", "topk", "jsonl", "--per-image", ARGV("predictions.jsonl", "0.json", "7.json", "19.json") };
    try_moments(&job, moments(6));
}
