/* The client against stores whose pages and errors are no such thing, or have no end. */
#include "common/cleanup.h"
#include "tests/s3_bed.h"

static int count_item(void *arg, const struct s3_item *item)
{
    (void)item;
    ++*(int *)arg;
    return 0;
}

static int list(struct why *why)
{
    char token[S3_TOKEN_MAX];
    int items = 0;
    struct s3_page_call page = { .bucket = "bucket", .prefix = "p/", .prefix_size = 2, .delimiter = "/" };
    int r = s3_client_list(s3_bed.client, &page, count_item, &items, token, why);
    CHECK(r == 0 || items == 0);
    return r == 0 ? items : r;
}

static void answer_page(void *arg, int fd, const struct origin_request *request)
{
    const char *page = arg;
    CHECK_STR(request->target, "/bucket?delimiter=%2F&encoding-type=url&list-type=2&prefix=p%2F");
    origin_answer(fd, 200, "", page, strlen(page));
}

TEST(a_page_that_is_no_page_is_told)
{
    char good[] = "<ListBucketResult><Contents><Key>k</Key><Size>1</Size></Contents></ListBucketResult>";
    char half[] = "<ListBucketResult><Contents><Key>k</Key><Size>1</Size></Contents>", web[] = "<html><br></html>";
    s3_bed_begin(answer_page, good);
    CHECK_INT(list(NULL), 1);
    s3_bed_end();
    s3_bed_begin(answer_page, half);
    REFUSED(list(why), -EBADMSG, "s3://bucket: what the store answers is no listing, or not a whole one");
    s3_bed_end();
    s3_bed_begin(answer_page, web);
    REFUSED(list(why), -EBADMSG, "is it an S3 store?");
    s3_bed_end();
}

static void answer_the_same_page(void *arg, int fd, const struct origin_request *request)
{
    static const char page[] = "<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>k</Key><Size>1</Size></Contents>"
                               "<CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes></ListBucketResult>";
    (void)arg, (void)request;
    origin_answer(fd, 200, "", page, strlen(page));
}

TEST(a_store_that_would_send_one_page_for_ever_is_told)
{
    char token[S3_TOKEN_MAX] = "";
    int items = 0;
    struct s3_page_call page = { .bucket = "bucket", .token = token, .start_after = "k", .start_after_size = 1 };
    s3_bed_begin(answer_the_same_page, NULL);
    REFUSED(s3_client_list(s3_bed.client, &page, count_item, &items, token, why), -EOPNOTSUPP, "it must know ListObjectsV2");
    page.start_after_size = 0;
    MUST(s3_client_list(s3_bed.client, &page, count_item, &items, token, why));
    CHECK_INT(items, 2);
    CHECK(*token);
    REFUSED(s3_client_list(s3_bed.client, &page, count_item, &items, token, why), -EOPNOTSUPP, "does not go on where the page before ended");
    CHECK_INT(items, 2);
    page.start_after = "p/x"; /* what is folded into p/ goes on after it */
    page.start_after_size = 3;
    page.delimiter = "/";
    page.token = NULL;
    REFUSED(s3_client_list(s3_bed.client, &page, count_item, &items, token, why), -EOPNOTSUPP, "does not go on");
    s3_bed_end();
}

/* Empty pages, the second and third with the same token. */
static void answer_nothing(void *arg, int fd, const struct origin_request *request)
{
    char page[256];
    (void)arg;
    snprintf(page, sizeof(page), "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>%c</NextContinuationToken></ListBucketResult>",
             request->number ? 'b' : 'a');
    origin_answer(fd, 200, "", page, strlen(page));
}

TEST(empty_pages_are_gone_through_unless_they_lead_nowhere)
{
    char token[S3_TOKEN_MAX] = "";
    int items = 0;
    struct s3_page_call page = { .bucket = "bucket", .token = token };
    s3_bed_begin(answer_nothing, NULL);
    MUST(s3_client_list(s3_bed.client, &page, count_item, &items, token, why));
    CHECK_STR(token, "a");
    MUST(s3_client_list(s3_bed.client, &page, count_item, &items, token, why));
    CHECK_STR(token, "b");
    REFUSED(s3_client_list(s3_bed.client, &page, count_item, &items, token, why), -EOPNOTSUPP, "does not go on where the page before ended");
    CHECK_INT(items, 0);
    s3_bed_end();
}

static void flood(void *arg, int fd, const struct origin_request *request)
{
    static char chunk[65536];
    const char *head = request->number % 2 ? "HTTP/1.1 200 OK\r\n\r\n<ListBucketResult>" : "HTTP/1.1 400 No\r\n\r\n<Error><Code>Odd</Code>";
    memset(chunk, ' ', sizeof(chunk));
    origin_send(fd, head, strlen(head));
    for (int i = 0; i < 1000; i++)
        origin_send(fd, chunk, sizeof(chunk));
    shutdown(fd, SHUT_RDWR);
    (void)arg;
}

TEST(answers_without_end_take_no_memory)
{
    s3_bed_begin(flood, NULL);
    REFUSED(list(why), -EIO, "status 400, Odd");
    REFUSED(list(why), -EBADMSG, "not what was asked for");
    REFUSED(s3_bed_get("", why), -EIO, "status 400, Odd");
    REFUSED(s3_bed_get("", why), -EFBIG, "larger than what is taken");
    s3_bed_end();
}
