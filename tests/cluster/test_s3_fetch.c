/* The worker's way to objects in real stores: whole programs, with the store's own opinion on every signature. */
#include "tests/cluster/lib/bucket.h"
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/hostile_keys.h"
#include "tests/cluster/lib/photos.h"
#include "tests/cluster/lib/table.h"

#include <stdlib.h>
#include <unistd.h>

#define PHOTOS 30

static void put_file(struct bucket *bucket, const void *key, size_t key_size, const char *path)
{
    size_t size;
    CLEANUP(freep) char *data = test_read_file(path, &size);
    bucket_put(bucket, key, key_size, data, size);
}

/* photos/a/000.jpg, photos/b/001.jpg ... here and in the bucket. */
static void put_photos(struct bucket *bucket)
{
    photos_draw("photos", PHOTOS);
    for (int i = 0; i < PHOTOS; i++) {
        char path[64];
        snprintf(path, sizeof(path), "photos/%c/%03d.jpg", 'a' + i % 2, i);
        put_file(bucket, path, strlen(path), path);
    }
}

static const char *uri_of(const struct bucket *bucket, const char *key)
{
    static char text[256];
    snprintf(text, sizeof(text), "s3://%s/%s", bucket->name, key);
    return text;
}

static void classify_photos(const char *server)
{
    CLEANUP(bucket_closep) struct bucket *bucket = bucket_open(server);
    put_photos(bucket);
    model_write("model.safetensors", 1000);
    CHECK_INT(COORDINATE("files", "run", "--weights", "model.safetensors", "--job", "files", "photos"), 0);
    CHECK_INT(COORDINATE("objects", "run", "--local", "2", "--batch", "7", "--weights", "model.safetensors", "--job", "objects", "--strict",
                         uri_of(bucket, "photos/")), 0);
    CHECK_INT(test_shell(NULL, "for f in files objects; do sed 's/{\"uri\":\"[^\"]*\\/\\(.\\/[^\"\\/]*\\)\"/\\1/' $f/predictions.jsonl >$f.rows; done; "
                               "cmp files.rows objects.rows"), 0);
}

TEST(photos_in_ceph_have_the_rows_of_the_files)
{
    classify_photos("rgw");
}

TEST(photos_in_swift_have_the_rows_of_the_files)
{
    classify_photos("swift");
}

static void classify_hostile(const char *server)
{
    CLEANUP(bucket_closep) struct bucket *bucket = bucket_open(server);
    size_t count;
    const struct hostile_key *keys = hostile_keys(&count);
    struct table table;
    char all[128];
    photos_draw("photos", 1);
    for (size_t i = 0; i < count; i++)
        put_file(bucket, keys[i].data, keys[i].size, "photos/a/000.jpg");
    snprintf(all, sizeof(all), "s3://%s", bucket->name);
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--job", "job", "--strict", all), 0);
    table_read(&table, "job/predictions.jsonl");
    CHECK_INT(table_count(&table, ""), table.count);
    CHECK(table.count >= count - 2); /* folder markers are no images */
    table_done(&table);
}

TEST(every_legal_key_can_be_fetched_from_ceph)
{
    classify_hostile("rgw");
}

TEST(every_legal_key_can_be_fetched_from_swift)
{
    classify_hostile("swift");
}

/* Addresses in a list: the workers alone speak with the store. */
static void list_some(const struct bucket *bucket)
{
    FILE *list = fopen("list", "w");
    CHECK(list);
    for (int i = 0; i < PHOTOS; i++)
        fprintf(list, "s3://%s/photos/%c/%03d.jpg\n", bucket->name, 'a' + i % 2, i);
    fclose(list);
}

TEST(a_store_that_refuses_everything_stops_the_job_with_a_sentence)
{
    CLEANUP(bucket_closep) struct bucket *bucket = bucket_open("rgw");
    put_photos(bucket);
    list_some(bucket);
    CLEANUP(freep) char *secret = strdup(getenv("AWS_SECRET_ACCESS_KEY"));
    setenv("AWS_SECRET_ACCESS_KEY", "wrong", 1);
    CHECK_INT(COORDINATE("wrong", "run", "--engine", "sim", "--batch", "5", "--job", "job", "@list"), 1);
    check_contains("wrong.err", "refused (denied), so nothing was kept");
    check_contains("wrong.err", "secret");
    check_lacks("wrong.err", "wrong\"");
    CHECK_INT(job_done("job"), 0);
    setenv("AWS_SECRET_ACCESS_KEY", secret, 1);
    CHECK_INT(COORDINATE("resumed", "resume", "--engine", "sim", "job"), 0);
    CHECK_INT(job_done("job"), PHOTOS);
    unsetenv("AWS_ACCESS_KEY_ID");
    unsetenv("AWS_SECRET_ACCESS_KEY");
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    CHECK_INT(COORDINATE("none", "run", "--engine", "sim", "--job", "none", "@list"), 1);
    check_contains("none.err", "refused (denied)");
}

/* One has a wrong secret, one an endpoint that is none, one all that it needs. */
TEST(nodes_that_a_store_does_not_let_in_are_dismissed_and_all_images_are_read)
{
    CLEANUP(bucket_closep) struct bucket *bucket = bucket_open("rgw");
    struct daemon daemons[3];
    struct table table;
    put_photos(bucket);
    list_some(bucket);
    CLEANUP(freep) char *secret = strdup(getenv("AWS_SECRET_ACCESS_KEY"));
    setenv("AWS_SECRET_ACCESS_KEY", "wrong", 1);
    WORKER(&daemons[0], "secret", "--engine", "sim", "--sim-cost-us", "5000");
    setenv("AWS_SECRET_ACCESS_KEY", secret, 1);
    WORKER(&daemons[1], "profile", "--engine", "sim", "--sim-cost-us", "5000", "--profile", "of-nobody");
    WORKER(&daemons[2], "good", "--engine", "sim", "--sim-cost-us", "5000");
    write_nodes("nodes", (const struct daemon *[]){ &daemons[0], &daemons[1], &daemons[2] }, 3);
    CHECK_INT(COORDINATE("run", "run", "--nodes", "nodes", "--min-nodes", "3", "--batch", "2", "--job", "job", "@list"), 0);
    table_read(&table, "job/predictions.jsonl");
    CHECK_INT(table_count(&table, ""), PHOTOS);
    table_done(&table);
    check_contains("run.err", "takes no part in this job: it cannot read what");
    for (int i = 0; i < 3; i++)
        daemon_stop(&daemons[i]);
}

TEST(a_profile_that_is_not_there_stops_the_job_of_a_single_node)
{
    CLEANUP(bucket_closep) struct bucket *bucket = bucket_open("rgw");
    struct daemon daemon;
    put_photos(bucket);
    list_some(bucket);
    WORKER(&daemon, "worker", "--engine", "sim", "--profile", "of-nobody");
    write_node("nodes", &daemon);
    CHECK_INT(COORDINATE("run", "run", "--nodes", "nodes", "--job", "job", "@list"), 1);
    check_contains("run.err", "refused (denied), so nothing was kept");
    check_contains("run.err", "of-nobody");
    CHECK_INT(job_done("job"), 0);
    daemon_stop(&daemon);
}

TEST(a_bucket_that_is_not_there_stops_the_job)
{
    CLEANUP(bucket_closep) struct bucket *bucket = bucket_open("rgw");
    char list[256];
    snprintf(list, sizeof(list), "s3://%s-not/a.jpg\ns3://%s-not/b.jpg\n", bucket->name, bucket->name);
    write_text("list", list);
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--job", "job", "@list"), 1);
    check_contains("run.err", "bucket");
    CHECK_INT(job_done("job"), 0);
}

TEST(a_key_that_is_not_there_is_a_row)
{
    CLEANUP(bucket_closep) struct bucket *bucket = bucket_open("rgw");
    struct table table;
    put_photos(bucket);
    list_some(bucket);
    CHECK_INT(test_shell(NULL, "echo '%s' >>list", uri_of(bucket, "photos/gone.jpg")), 0);
    CHECK_INT(COORDINATE("run", "run", "--engine", "sim", "--job", "job", "@list"), 0);
    table_read(&table, "job/predictions.jsonl");
    CHECK_STR(row_error_kind(table_find(&table, "gone.jpg")), "not_found");
    CHECK_INT(table_count(&table, ""), PHOTOS);
    table_done(&table);
}

/* Listed by a run that found no worker; replaced; then fetched. */
TEST(an_object_that_changed_since_it_was_listed_is_an_error_row_that_says_so)
{
    CLEANUP(bucket_closep) struct bucket *bucket = bucket_open("rgw");
    struct table table;
    put_photos(bucket);
    write_text("nodes", "127.0.0.1:1\n");
    CHECK_INT(COORDINATE("listed", "run", "--nodes", "nodes", "--node-timeout", "2", "--job", "job", uri_of(bucket, "photos/")), 1);
    put_file(bucket, "photos/a/000.jpg", strlen("photos/a/000.jpg"), "photos/a/002.jpg");
    CHECK_INT(COORDINATE("resumed", "resume", "--local", "1", "--engine", "sim", "job"), 0);
    table_read(&table, "job/predictions.jsonl");
    CHECK_STR(row_error_kind(table_find(&table, "/a/000.jpg")), "fetch");
    CHECK_CONTAINS(row_error_detail(table_find(&table, "/a/000.jpg")), "changed");
    CHECK_INT(table_count(&table, ""), PHOTOS - 1);
    table_done(&table);
}

TEST(a_single_object_can_be_classified_without_a_cluster)
{
    CLEANUP(bucket_closep) struct bucket *bucket = bucket_open("rgw");
    char *output;
    put_photos(bucket);
    model_write("model.safetensors", 1000);
    CHECK_INT(test_shell(&output, "%s/sleddog-worker classify --weights model.safetensors '%s'", test_build(), uri_of(bucket, "photos/a/000.jpg")), 0);
    CHECK_CONTAINS(output, "photos/a/000.jpg\n");
    free(output);
}
