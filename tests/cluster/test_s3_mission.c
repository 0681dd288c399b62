/* The main job, as its users type it: photos in a bucket, a node list, results back into the bucket. */
#include "tests/cluster/lib/bucket.h"
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/photos.h"

#include <dirent.h>
#include <limits.h>

/* Copies a folder into a bucket under `prefix`; the names of its files are the rest of the keys. */
static void upload(struct bucket *bucket, const char *folder, const char *prefix)
{
    char *list, *rest;
    CHECK_INT(test_shell(&list, "cd '%s' && find . -type f | sed 's|^\\./||'", folder), 0);
    rest = list;
    for (char *name; (name = strsep(&rest, "\n")) && *name;) {
        char path[PATH_MAX], key[PATH_MAX];
        size_t size;
        snprintf(path, sizeof(path), "%s/%s", folder, name);
        snprintf(key, sizeof(key), "%s%s", prefix, name);
        CLEANUP(freep) char *data = test_read_file(path, &size);
        bucket_put(bucket, key, strlen(key), data, size);
    }
    free(list);
}

/* What the bucket has is what a local run wrote, apart from where each image was. */
static void compare(struct bucket *bucket, const char *local_file, const char *local_prefix, const char *key, const char *remote_prefix)
{
    size_t size;
    CLEANUP(freep) char *remote = bucket_get(bucket, key, &size);
    CHECK(remote != NULL);
    test_write_file("remote", remote, size);
    CHECK_INT(test_shell(NULL, "sed 's|%s|%s|' %s > local && cmp local remote", local_prefix, remote_prefix, local_file), 0);
}

/* They have credentials, but must be told where the store is. */
static void start_workers(struct daemon daemons[2])
{
    CLEANUP(freep) char *endpoint = strdup(getenv("AWS_ENDPOINT_URL"));
    unsetenv("AWS_ENDPOINT_URL");
    WORKER(&daemons[0], "one", "--engine-threads", "1");
    WORKER(&daemons[1], "two", "--engine-threads", "1", "--fetch-loops", "2");
    write_nodes("nodes", (const struct daemon *[]){ &daemons[0], &daemons[1] }, 2);
    setenv("AWS_ENDPOINT_URL", endpoint, 1);
}

static void check_job(const char *server, const char *weights, const char *images)
{
    CLEANUP(bucket_closep) struct bucket *bucket = bucket_open(server);
    struct daemon daemons[2];
    char source[256], output[256], prefix[256];
    upload(bucket, images, "dogs/Images/");
    bucket_put_text(bucket, "dogs/Images/", ""); /* as a store's web page leaves it */
    snprintf(source, sizeof(source), "s3://%s/dogs/Images/*/*.[jJ]*", bucket->name);
    snprintf(output, sizeof(output), "s3://%s/predictions/", bucket->name);
    snprintf(prefix, sizeof(prefix), "s3://%s/dogs/Images/", bucket->name);
    start_workers(daemons);
    CHECK_INT(COORDINATE("s3", "run", "--nodes", "nodes", "--weights", weights, "--format", "jsonl,csv", "--truth", "/[a-z]/0*([0-9]+)", "--per-image", "--job", "job",
                         "-o", output, source), 0);
    for (int i = 0; i < 2; i++)
        daemon_stop(&daemons[i]);
    char local[PATH_MAX + 16], folder[PATH_MAX + 16];
    snprintf(local, sizeof(local), "%s/*/*.[jJ]*", images);
    snprintf(folder, sizeof(folder), "%s/", images);
    CHECK_INT(COORDINATE("local", "run", "--local", "2", "--weights", weights, "--format", "jsonl,csv", "--truth", "/[a-z]/0*([0-9]+)", "--job", "here", local), 0);
    compare(bucket, "here/predictions.jsonl", folder, "predictions/predictions.jsonl", prefix);
    compare(bucket, "here/predictions.csv", folder, "predictions/predictions.csv", prefix);
    size_t size;
    CLEANUP(freep) char *success = bucket_get(bucket, "predictions/_SUCCESS", &size);
    CLEANUP(freep) char *summary = read_text("job/summary.json");
    CHECK_STR(success, summary);
    check_contains("s3.out", output);
    CHECK_INT(COORDINATE("page", "report", "job", "--html", "page.html"), 0);
    check_contains("page.html", "src=\"data:image/jpeg;base64,"); /* of the most confident mistakes, out of the store */
}

TEST_WITHIN(300, drawn_photos_in_ceph_give_the_table_that_local_ones_give)
{
    char images[PATH_MAX];
    model_write("model.safetensors", 1000);
    photos_draw("photos", 24);
    CHECK(realpath("photos", images) != NULL);
    check_job("rgw", "model.safetensors", images);
}

TEST_WITHIN(300, drawn_photos_in_swift_give_the_table_that_local_ones_give)
{
    char images[PATH_MAX];
    model_write("model.safetensors", 1000);
    photos_draw("photos", 24);
    CHECK(realpath("photos", images) != NULL);
    check_job("swift", "model.safetensors", images);
}

TEST_WITHIN(400, the_shared_photos_in_ceph_give_the_golden_rows)
{
    CLEANUP(bucket_closep) struct bucket *bucket = bucket_open("rgw");
    char weights[PATH_MAX], images[PATH_MAX], source[256], output[256], prefix[256], folder[PATH_MAX + 16];
    snprintf(weights, sizeof(weights), "%s/weights/resnet18-imagenet-pqf.safetensors", test_data());
    snprintf(images, sizeof(images), "%s/images", test_data());
    upload(bucket, images, "images/");
    snprintf(source, sizeof(source), "s3://%s/images/", bucket->name);
    snprintf(output, sizeof(output), "s3://%s/predictions", bucket->name);
    snprintf(prefix, sizeof(prefix), "s3://%s/images/", bucket->name);
    snprintf(folder, sizeof(folder), "%s/", images);
    CHECK_INT(COORDINATE("s3", "run", "--local", "2", "--weights", weights, "--job", "job", "-o", output, source), 0);
    CHECK_INT(COORDINATE("local", "run", "--local", "2", "--weights", weights, "--job", "here", images), 0);
    check_contains("s3.out", "355");
    compare(bucket, "here/predictions.jsonl", folder, "predictions/predictions.jsonl", prefix);
}

/* Signed by whoever made the list: the workers need no credentials, and no signature is left anywhere but in the list. */
TEST_WITHIN(300, presigned_addresses_give_the_rows_of_the_files)
{
    CLEANUP(bucket_closep) struct bucket *bucket = bucket_open("rgw");
    char address[2048];
    model_write("model.safetensors", 1000);
    photos_draw("photos", 12);
    upload(bucket, "photos", "a b+c/");
    FILE *list = fopen("list", "w");
    CHECK(list);
    for (int i = 0; i < 12; i++) {
        char key[64];
        snprintf(key, sizeof(key), "a b+c/%c/%03d.jpg", 'a' + i % 2, i);
        bucket_presign(bucket, key, address, sizeof(address));
        fprintf(list, "%s\n", address);
    }
    fclose(list);
    unsetenv("AWS_ACCESS_KEY_ID");
    unsetenv("AWS_SECRET_ACCESS_KEY");
    CHECK_INT(COORDINATE("web", "run", "--local", "2", "--weights", "model.safetensors", "--strict", "--job", "web", "@list"), 0);
    CHECK_INT(COORDINATE("files", "run", "--weights", "model.safetensors", "--job", "files", "photos"), 0);
    CHECK_INT(test_shell(NULL, "for f in web files; do sed 's/{\"uri\":\"[^\"]*\\/\\([0-9]*.jpg\\)[^\"]*\"/\\1/' $f/predictions.jsonl | sort >$f.rows; done; cmp web.rows files.rows"), 0);
    check_contains("web/predictions.jsonl", "/a%20b%2Bc/a/000.jpg?...\"");
    CHECK_INT(test_shell(NULL, "grep -rlE 'X-Amz-Signature|Credential=' --exclude=list ."), 1);
}

/* ---- what goes wrong, each in its own sentence ---- */

static void refused(const char *name, const char *source, const char *part)
{
    char said[64];
    write_text("model.txt", "");
    CHECK_INT(COORDINATE(name, "run", "--local", "1", "--engine", "sim", "--job", name, source), 1);
    snprintf(said, sizeof(said), "%s.err", name);
    check_contains(said, part);
}

TEST(wrong_names_and_keys_are_each_told_in_a_sentence_of_their_own)
{
    CLEANUP(bucket_closep) struct bucket *bucket = bucket_open("rgw");
    char source[256], missing[256];
    bucket_put_text(bucket, "a/1.jpg", "content");
    snprintf(source, sizeof(source), "s3://%s/a/", bucket->name);
    snprintf(missing, sizeof(missing), "s3://%s-not/a/", bucket->name);
    refused("missing", missing, "-not");
    setenv("AWS_SECRET_ACCESS_KEY", "wrong", 1);
    refused("secret", source, "secret");
    setenv("AWS_ACCESS_KEY_ID", "nobody", 1);
    refused("id", source, "does not know the access key");
    s3_server_stranger(&bucket->server);
    s3_server_environment(&bucket->server);
    refused("stranger", source, "denied");
    unsetenv("AWS_ACCESS_KEY_ID");
    unsetenv("AWS_SECRET_ACCESS_KEY");
    refused("none", source, "credentials");
    check_lacks("stranger.err", bucket->server.secret);
}

/* Not after hours of work. */
TEST(results_that_may_not_be_written_are_told_before_anything_is_done)
{
    CLEANUP(bucket_closep) struct bucket *bucket = bucket_open("rgw");
    char output[128];
    size_t size;
    snprintf(output, sizeof(output), "s3://%s/out/", bucket->name);
    CHECK_INT(COORDINATE("good", "run", "--engine", "sim", "--job", "good", "-o", output, "sim:10"), 0);
    s3_server_stranger(&bucket->server);
    s3_server_environment(&bucket->server);
    CHECK_INT(COORDINATE("denied", "run", "--engine", "sim", "--job", "denied", "-o", output, "sim:10"), 1);
    check_contains("denied.err", "/out/_SUCCESS: access denied");
    check_contains("denied.err", "s3:PutObject where results go");
    CHECK(access("denied", F_OK) < 0);
    CLEANUP(freep) char *table = bucket_get(bucket, "out/predictions.jsonl", &size);
    CHECK(table && size);
}

TEST(export_to_a_store_leaves_success_only_beside_all_tables)
{
    CLEANUP(bucket_closep) struct bucket *bucket = bucket_open("rgw");
    char output[128];
    snprintf(output, sizeof(output), "s3://%s/again", bucket->name); /* without a slash at its end */
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--job", "job", "sim:10"), 0);
    CHECK_INT(COORDINATE("export", "export", "job", "--format", "jsonl,csv", "-o", output), 0);
    check_contains("export.out", "/again/predictions.csv\n");
    CLEANUP(freep) char *table = bucket_get(bucket, "again/predictions.jsonl", NULL);
    CLEANUP(freep) char *local = read_text("job/predictions.jsonl");
    CHECK_STR(table, local);
    CLEANUP(freep) char *success = bucket_get(bucket, "again/_SUCCESS", NULL);
    CLEANUP(freep) char *summary = read_text("job/summary.json");
    CHECK_STR(success, summary);
    s3_server_stranger(&bucket->server);
    s3_server_environment(&bucket->server);
    CHECK_INT(COORDINATE("denied", "export", "job", "-o", output), 1);
    check_contains("denied.err", "access denied");
    CHECK_INT(COORDINATE("elsewhere", "export", "job", "-o", "gs://bucket/again/"), 2);
    check_contains("elsewhere.err", "--output gs://bucket/again/: neither a folder nor s3://BUCKET/PREFIX/");
    CHECK(access("gs:", F_OK) < 0);
}

/* All rows are there; the job was killed before it was finished. */
TEST(what_has_no_summary_yet_is_not_exported_to_a_store)
{
    CLEANUP(bucket_closep) struct bucket *bucket = bucket_open("rgw");
    char output[128];
    snprintf(output, sizeof(output), "s3://%s/out/", bucket->name);
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--job", "job", "sim:10"), 0);
    CHECK_INT(unlink("job/summary.json"), 0);
    bucket_put_text(bucket, "out/_SUCCESS", "of another job");
    CHECK_INT(COORDINATE("export", "export", "job", "-o", output), 1);
    check_contains("export.err", "job: this job is not complete; go on with it first: sleddog-coordinator resume");
    CLEANUP(freep) char *success = bucket_get(bucket, "out/_SUCCESS", NULL);
    CHECK_STR(success, "of another job");
    CHECK(!bucket_get(bucket, "out/predictions.jsonl", NULL));
}
