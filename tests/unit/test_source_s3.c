/* Sources in a store. One that is gone on with: what was listed does not come again, and that nothing follows is no error. A list that is an object. */
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

/* ---- a list that is an object ---- */

#define LINES 60000 /* of 20 bytes: more than one piece of a mebibyte */

static char list[LINES * 20 + 1];

/* Its bytes, for as long as it is what it was at first. `arg`: how many requests that is. */
static void give_list(void *arg, int fd, const struct origin_request *request)
{
    const char *etag = request->number < *(int *)arg ? "\"old\"" : "\"new\"";
    char headers[200], wanted[40] = "", range[60] = "";
    unsigned long long first = 0, last = 0;
    snprintf(headers, sizeof(headers), "ETag: %s\r\n", etag);
    origin_header(request, "If-Match", wanted, sizeof(wanted));
    if (*wanted && strcmp(wanted, etag)) {
        origin_answer(fd, 412, headers, "", 0);
        return;
    }
    if (!strcmp(request->method, "HEAD")) {
        char head[300];
        snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\n%sContent-Length: %zu\r\n\r\n", headers, sizeof(list) - 1);
        origin_send(fd, head, strlen(head));
        return;
    }
    CHECK(origin_header(request, "Range", range, sizeof(range)) && sscanf(range, "bytes=%llu-%llu", &first, &last) == 2 && last < sizeof(list) - 1);
    snprintf(headers + strlen(headers), sizeof(headers) - strlen(headers), "Content-Range: bytes %llu-%llu/%zu\r\n", first, last, sizeof(list) - 1);
    origin_answer(fd, 206, headers, list + first, (size_t)(last - first) + 1);
}

/* How many entries are read; the end, or the error, is left in `why`. */
static int read_list(int requests, int *ret_r, struct why *why)
{
    char *args[] = { "@s3://bucket/list.txt" };
    struct rec_item item;
    int count = 0;
    for (int i = 0; i < LINES; i++)
        snprintf(list + (size_t)i * 20, 21, "s3://b/k/%06d.jpg\n", i);
    s3_bed_begin(give_list, &requests);
    struct source_options options = { .s3 = s3_bed.session };
    CLEANUP(source_closep) struct source *source = NULL;
    CHECK_INT(source_open(args, 1, &options, &source, why), 0);
    while ((*ret_r = source_next(source, &item, why)) > 0) {
        CHECK(item.uri.size == 19 && !memcmp(item.uri.data, list + (size_t)count * 20, 19));
        count++;
    }
    source_close(take(source));
    s3_bed_end();
    return count;
}

TEST(a_list_in_a_store_is_read_piece_by_piece)
{
    struct why why = { "" };
    int r;
    CHECK_INT(read_list(1000, &r, &why), LINES);
    CHECK_INT(r, 0);
}

TEST(a_list_in_a_store_that_is_replaced_while_it_is_read_is_an_error_and_no_mixture)
{
    struct why why = { "" };
    int r, count = read_list(2, &r, &why); /* its head and its first piece */
    CHECK_INT(r, -ESTALE);
    CHECK_INT(count, (1 << 20) / 20);
    CHECK_CONTAINS(why.text, "@s3://bucket/list.txt");
    CHECK_CONTAINS(why.text, "changed");
}
