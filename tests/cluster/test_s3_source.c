/* s3:// as a source and as an output, with real stores. */
#include "common/bytes.h"
#include "coordinator/export/export.h"
#include "coordinator/export/success.h"
#include "coordinator/source/source.h"
#include "tests/cluster/lib/bucket.h"
#include "tests/cluster/lib/hostile_keys.h"

DEFINE_FREEP(source_close, struct source)

static struct why why;

static struct source *open_source(struct bucket *bucket, const char *form, const struct filter *filter)
{
    char argument[2048], *arguments[] = { argument };
    struct source *source;
    snprintf(argument, sizeof(argument), form, bucket->name);
    struct source_options options = { .s3 = bucket->session };
    if (filter)
        options.filter = *filter;
    if (source_open(arguments, 1, &options, &source, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s: %s", argument, why.text);
    return source;
}

/* The rest of a source: the part of each address that is below its source, separated by bars; or why it ends. */
static char *rest_of(struct source *source)
{
    struct rec_item item;
    struct bytes out;
    int r;
    bytes_init(&out, 1 << 20);
    bytes_append_text(&out, "");
    while ((r = source_next(source, &item, &why)) > 0)
        bytes_printf(&out, "%.*s|", (int)(item.uri.size - item.base), item.uri.data + item.base);
    if (r < 0)
        bytes_printf(&out, "!%s", why.text);
    return bytes_take(&out);
}

static char *everything(struct bucket *bucket, const char *form, const struct filter *filter)
{
    CLEANUP(source_closep) struct source *source = open_source(bucket, form, filter);
    return rest_of(source);
}

static void check(struct bucket *bucket, const char *form, const char *expected)
{
    CLEANUP(freep) char *got = everything(bucket, form, NULL);
    CHECK_STR(got, expected);
}

static void check_sources(const char *server)
{
    CLEANUP(bucket_closep) struct bucket *bucket = bucket_open(server);
    static const char *const keys[] = { "dogs/", "dogs/beagle/1.jpg", "dogs/beagle/2.png", "dogs/pug/1.jpg", "dogs/pug/old/3.jpg", "dogs.txt", "cat.jpg" };
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        bucket_put_text(bucket, keys[i], keys[i][strlen(keys[i]) - 1] == '/' ? "" : "content");
    check(bucket, "s3://%s", "cat.jpg|dogs.txt|dogs/beagle/1.jpg|dogs/beagle/2.png|dogs/pug/1.jpg|dogs/pug/old/3.jpg|");
    check(bucket, "s3://%s/dogs/", "beagle/1.jpg|beagle/2.png|pug/1.jpg|pug/old/3.jpg|");
    check(bucket, "s3://%s/dogs", "beagle/1.jpg|beagle/2.png|pug/1.jpg|pug/old/3.jpg|");
    check(bucket, "s3://%s/dogs/*/*.jpg", "beagle/1.jpg|pug/1.jpg|");
    check(bucket, "s3://%s/dogs/**/*.jpg", "beagle/1.jpg|pug/1.jpg|pug/old/3.jpg|");
    check(bucket, "s3://%s/dogs/p*/1.jpg", "pug/1.jpg|");
    check(bucket, "s3://%s/dogs/pug/1.jpg", "1.jpg|");
    CLEANUP(freep) char *nothing = everything(bucket, "s3://%s/cats/", NULL);
    CHECK_CONTAINS(nothing, "no object has this prefix");
    CLEANUP(freep) char *misspelt = everything(bucket, "s3://%s/dogs/*/*.gif", NULL);
    CHECK_CONTAINS(misspelt, "no object matches this pattern");
    CLEANUP(freep) char *no_bucket = everything(bucket, "s3://%s-not/dogs/", NULL);
    CHECK_CONTAINS(no_bucket, "-not");
    CHECK_CONTAINS(no_bucket, "bucket");
}

TEST(objects_folders_and_patterns_are_sources_on_ceph)
{
    check_sources("rgw");
}

TEST(objects_folders_and_patterns_are_sources_on_swift)
{
    check_sources("swift");
}

static void check_hostile(const char *server)
{
    CLEANUP(bucket_closep) struct bucket *bucket = bucket_open(server);
    size_t count;
    const struct hostile_key *keys = hostile_keys(&count);
    for (size_t i = 0; i < count; i++)
        bucket_put(bucket, keys[i].data, keys[i].size, "x", 1);
    CLEANUP(source_closep) struct source *source = open_source(bucket, "s3://%s", NULL);
    for (size_t i = 0; i < count; i++) {
        struct rec_item item;
        if (source_next(source, &item, &why) <= 0)
            test_fail(__FILE__, __LINE__, "%.*s is missing: %s", (int)keys[i].size, keys[i].data, why.text);
        CHECK_INT(item.uri.size - item.base, keys[i].size);
        CHECK(!memcmp(item.uri.data + item.base, keys[i].data, keys[i].size));
        CHECK_INT(item.size, 1);
        CHECK_INT(strlen(item.etag), 32);
    }
    struct rec_item item;
    CHECK_INT(source_next(source, &item, &why), 0);
}

TEST(hostile_keys_are_listed_in_order_on_ceph)
{
    check_hostile("rgw");
}

TEST(hostile_keys_are_listed_in_order_on_swift)
{
    check_hostile("swift");
}

static void check_going_on(const char *server)
{
    CLEANUP(bucket_closep) struct bucket *bucket = bucket_open(server);
    static const char *const keys[] = { "a/1", "a/b/2", "a/b/3", "a/c", "b/4", "b/5", "c" };
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        bucket_put_text(bucket, keys[i], "content");
    CLEANUP(freep) char *all = everything(bucket, "s3://%s/", NULL);
    CHECK_STR(all, "a/1|a/b/2|a/b/3|a/c|b/4|b/5|c|");
    const char *expected = all;
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        char uri[256];
        CLEANUP(source_closep) struct source *source = open_source(bucket, "s3://%s/", NULL);
        snprintf(uri, sizeof(uri), "s3://%s/%s", bucket->name, keys[i]);
        CHECK_INT(source_go_on(source, uri, i + 1, &why), 1);
        CLEANUP(freep) char *rest = rest_of(source);
        expected += strlen(keys[i]) + 1;
        CHECK_STR(rest, expected);
        CHECK_INT(source_part(source), 1);
    }
}

TEST(a_listing_goes_on_behind_any_key_on_ceph)
{
    check_going_on("rgw");
}

TEST(a_listing_goes_on_behind_any_key_on_swift)
{
    check_going_on("swift");
}

TEST(include_and_exclude_choose_among_what_a_source_has)
{
    CLEANUP(bucket_closep) struct bucket *bucket = bucket_open("rgw");
    static const char *const keys[] = { "d/1.jpg", "d/1.txt", "d/thumb/1.jpg", "d/x/2.png" };
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        bucket_put_text(bucket, keys[i], "content");
    char *include[] = { "*.jpg", "*.png" }, *exclude[] = { "thumb/*" };
    CLEANUP(freep) char *got = everything(bucket, "s3://%s/d/", &(struct filter){ .include = include, .exclude = exclude, .include_count = 2, .exclude_count = 1 });
    CHECK_STR(got, "1.jpg|x/2.png|");
}

TEST(a_list_may_be_an_object_of_any_size)
{
    CLEANUP(bucket_closep) struct bucket *bucket = bucket_open("rgw");
    struct bytes list;
    enum { LINES = 40000 };
    bytes_init(&list, 8 << 20);
    for (int i = 0; i < LINES; i++)
        bytes_printf(&list, "s3://bucket/some/long/prefix/of/an/image/in/a/list/%05d.jpg\n", i); /* more than two pieces */
    bucket_put(bucket, "list.txt", 8, list.data, list.size);
    bytes_done(&list);
    CLEANUP(source_closep) struct source *source = open_source(bucket, "@s3://%s/list.txt", NULL);
    for (int i = 0; i < LINES; i++) {
        struct rec_item item;
        char name[32];
        CHECK_INT(source_next(source, &item, &why), 1);
        snprintf(name, sizeof(name), "%05d.jpg", i);
        CHECK(item.uri.size - item.base == strlen(name) && !memcmp(item.uri.data + item.base, name, strlen(name)));
    }
    struct rec_item item;
    CHECK_INT(source_next(source, &item, &why), 0);
}

/* ---- outputs ---- */

static int write_rows(struct bucket *bucket, const char *output, int rows)
{
    struct labels *labels;
    struct exporters *exporters;
    static struct rec_prediction prediction = { 3, 0.5f };
    static struct rec_row row = { .detail = "", .predictions = &prediction, .predictions_count = 1 };
    CHECK_INT(labels_open(NULL, &labels, &why), 0);
    struct export_options options = { .directory = output, .s3 = bucket->session, .formats = EXPORT_JSONL | EXPORT_CSV | EXPORT_PER_IMAGE, .labels = labels,
                                      .rows = (uint64_t)rows };
    int r = exporters_open(&options, &exporters, &why);
    for (int i = 0; i < rows && r == 0; i++) {
        char uri[64];
        snprintf(uri, sizeof(uri), "s3://b/d/%d.jpg", i);
        struct rec_item item = { .uri = { uri, (uint32_t)strlen(uri) }, .base = 9, .etag = "" };
        r = exporters_row(exporters, &(struct export_row){ .item = &item, .row = &row }, &why);
    }
    r = r < 0 ? (exporters_abort(exporters), r) : exporters_close(exporters, &why);
    labels_close(labels);
    return r;
}

static int count_lines(const char *text)
{
    int lines = 0;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

TEST(tables_go_to_a_store_in_one_put_or_in_parts_and_images_each_to_an_object)
{
    CLEANUP(bucket_closep) struct bucket *bucket = bucket_open("rgw");
    char output[128];
    snprintf(output, sizeof(output), "s3://%s/results/", bucket->name);
    CHECK_INT(write_rows(bucket, output, 300), 0);
    CLEANUP(freep) char *jsonl = bucket_get(bucket, "results/predictions.jsonl", NULL);
    CLEANUP(freep) char *csv = bucket_get(bucket, "results/predictions.csv", NULL);
    CHECK_INT(count_lines(jsonl), 300);
    CHECK_INT(count_lines(csv), 301);
    for (int i = 0; i < 300; i += 37) {
        char key[64], name[32];
        snprintf(key, sizeof(key), "results/%d.jpg.json", i);
        snprintf(name, sizeof(name), "/%d.jpg\"", i);
        CLEANUP(freep) char *one = bucket_get(bucket, key, NULL);
        CHECK_CONTAINS(one, name);
    }
}

TEST(the_object_success_holds_the_summary_and_an_old_one_is_forgotten)
{
    CLEANUP(bucket_closep) struct bucket *bucket = bucket_open("rgw");
    char output[128];
    snprintf(output, sizeof(output), "s3://%s/results/", bucket->name);
    test_write_file("summary.json", "{\"images\":1}", 12);
    CHECK_INT(success_look(bucket->session, output, &why), 0);
    CHECK_INT(success_write(bucket->session, output, ".", &why), 0);
    CLEANUP(freep) char *text = bucket_get(bucket, "results/_SUCCESS", NULL);
    CHECK_STR(text, "{\"images\":1}");
    CHECK_INT(success_forget(bucket->session, output, &why), 0);
    CHECK(!bucket_get(bucket, "results/_SUCCESS", NULL));
    snprintf(output, sizeof(output), "s3://%s-not/results/", bucket->name);
    CHECK_INT(success_look(bucket->session, output, &why), -ENOENT);
    CHECK_CONTAINS(why.text, "-not");
}

TEST(a_store_that_refuses_to_take_results_is_told_with_its_reason)
{
    CLEANUP(bucket_closep) struct bucket *bucket = bucket_open("rgw");
    struct bucket stranger = *bucket;
    char output[128];
    s3_server_stranger(&stranger.server);
    s3_server_environment(&stranger.server);
    CHECK_INT(s3_session_open(&(struct s3_options){ 0 }, &stranger.session, &why), 0);
    snprintf(output, sizeof(output), "s3://%s/results/", bucket->name);
    CHECK_INT(write_rows(&stranger, output, 3), -EACCES);
    CHECK_CONTAINS(why.text, bucket->name);
    CHECK(!bucket_get(bucket, "results/predictions.jsonl", NULL));
    s3_session_close(stranger.session);
}
