/* A source in a store that is gone on with: what was listed does not come again, and that nothing follows is no error. */
#include "coordinator/source/source.h"
#include "tests/s3_bed.h"

#include "common/cleanup.h"

DEFINE_FREEP(source_close, struct source)

/* "one", and "d/1" and "d/2". */
static void list_keys(void *arg, int fd, const struct origin_request *request)
{
    static const char *const keys[] = { "d/1", "d/2", "one" };
    const char *after = strstr(request->target, "start-after="), *prefix = strstr(request->target, "prefix=");
    char text[1024] = "<ListBucketResult><IsTruncated>false</IsTruncated>";
    (void)arg;
    for (int i = 0; i < 3; i++) {
        char encoded[16];
        snprintf(encoded, sizeof(encoded), "%s", i < 2 ? i ? "d%2F2" : "d%2F1" : "one");
        bool wanted = !prefix || !strncmp(prefix + 7, encoded, i < 2 ? 4 : 3);
        if (wanted && (!after || strncmp(after + 12, encoded, strlen(encoded)) < 0))
            snprintf(text + strlen(text), sizeof(text) - strlen(text), "<Contents><Key>%s</Key><Size>5</Size><ETag>\"e\"</ETag></Contents>", keys[i]);
    }
    strcat(text, "</ListBucketResult>");
    origin_answer(fd, 200, "", text, strlen(text));
}

static struct source *go_on(const char *address, const char *behind, uint64_t items)
{
    struct source *source;
    struct why why = { "" };
    char *args[] = { (char *)address };
    struct source_options options = { .s3 = s3_bed.session };
    CHECK_INT(source_open(args, 1, &options, &source, &why), 0);
    CHECK_INT(source_go_on(source, behind, items, &why), 1);
    return source;
}

TEST(a_folder_goes_on_behind_a_key_with_the_number_of_the_next_one)
{
    struct rec_item item;
    struct why why = { "" };
    s3_bed_begin(list_keys, NULL);
    CLEANUP(source_closep) struct source *source = go_on("s3://bucket/d/", "s3://bucket/d/1", 1);
    CHECK_INT(source_next(source, &item, &why), 1);
    CHECK_STR(item.uri.data, "s3://bucket/d/2");
    CHECK_INT(source_part_items(source), 2);
    CHECK_INT(source_next(source, &item, &why), 0);
}

TEST(a_folder_of_which_all_was_listed_ends_without_an_error)
{
    struct rec_item item;
    struct why why = { "" };
    s3_bed_begin(list_keys, NULL);
    CLEANUP(source_closep) struct source *source = go_on("s3://bucket/d/", "s3://bucket/d/2", 2);
    if (source_next(source, &item, &why) != 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
}

TEST(a_single_object_does_not_come_again)
{
    struct rec_item item;
    struct why why = { "" };
    s3_bed_begin(list_keys, NULL);
    CLEANUP(source_closep) struct source *source = go_on("s3://bucket/one", "s3://bucket/one", 1);
    CHECK_INT(source_next(source, &item, &why), 0);
}
