/* The client against a store that answers as each test wants it. */
#include "common/s3/client.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "tests/origin.h"
#include "tests/test.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>

static struct origin *store;
static struct s3_session *session;
static struct s3_client *client;
static struct s3_uri object = { .bucket = "bucket", .key = "a key", .key_size = 5 };
static atomic_bool stop;

static bool is_stopped(void *arg)
{
    (void)arg;
    return atomic_load(&stop);
}

static void set_environment(const char *endpoint)
{
    static const char *const others[] = { "AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_S3", "AWS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE",
                                          "AWS_MAX_ATTEMPTS", "AWS_SESSION_TOKEN", "http_proxy", "all_proxy" };
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        unsetenv(others[i]);
    setenv("AWS_ACCESS_KEY_ID", "AKID", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "hush", 1);
    setenv("AWS_REGION", "us-east-1", 1);
    setenv("AWS_ENDPOINT_URL", endpoint, 1);
    setenv("AWS_CONFIG_FILE", "/dev/null", 1);
    setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null", 1);
}

static void begin_with(origin_handler *handler, void *arg, const struct s3_options *options)
{
    struct why why = { "" };
    store = origin_start(handler, arg);
    set_environment(origin_url(store));
    if (s3_session_open(options, &session, &why) < 0 || s3_client_open(session, is_stopped, NULL, &client, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    s3_client_patience(client, 2000, 1);
}

static void begin(origin_handler *handler, void *arg)
{
    begin_with(handler, arg, &(struct s3_options){ 0 });
}

static void end(void)
{
    s3_client_close(client);
    s3_session_close(session);
    origin_stop(store);
}

#define MUST(call)                                                         \
    do {                                                                   \
        struct why why_ = { "" }, *const why = &why_;                      \
        int r_ = (call);                                                   \
        if (r_ < 0)                                                        \
            test_fail(__FILE__, __LINE__, "%s: %d: %s", #call, r_, why_.text); \
    } while (0)

#define REFUSED(call, code, part)                     \
    do {                                              \
        struct why why_ = { "" }, *const why = &why_; \
        CHECK_INT((call), (code));                    \
        CHECK_CONTAINS(why_.text, (part));            \
        CHECK(!strstr(why_.text, "hush"));            \
    } while (0)

static int get(const char *expected, struct why *why)
{
    struct bytes out;
    bytes_init(&out, 1000);
    bytes_append_text(&out, "before:");
    int r = s3_client_get(client, &object, &out, why);
    if (r == 0 && strcmp(out.data + 7, expected))
        test_fail(__FILE__, __LINE__, "got %s", out.data);
    bytes_done(&out);
    return r;
}

/* ---- what is sent -------------------------------------------------------------------------------------------------------------- */

static void check_request(void *arg, int fd, const struct origin_request *request)
{
    char text[512];
    (void)arg;
    CHECK_STR(request->method, "GET");
    CHECK_STR(request->target, "/bucket/a%20key");
    CHECK(origin_header(request, "Authorization", text, sizeof(text)));
    CHECK_CONTAINS(text, "AWS4-HMAC-SHA256 Credential=AKID/");
    CHECK_CONTAINS(text, "/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token, ");
    CHECK(origin_header(request, "x-amz-security-token", text, sizeof(text)));
    CHECK_STR(text, "token");
    CHECK(origin_header(request, "Host", text, sizeof(text)));
    CHECK_CONTAINS(origin_url(store), text);
    CHECK(!origin_header(request, "Expect", text, sizeof(text)) && !origin_header(request, "Content-Type", text, sizeof(text)));
    origin_answer(fd, 200, "", "content", 7);
}

TEST(a_request_is_signed_with_its_token)
{
    setenv("AWS_SESSION_TOKEN", "token", 1);
    store = origin_start(check_request, NULL);
    set_environment(origin_url(store));
    setenv("AWS_SESSION_TOKEN", "token", 1);
    MUST(s3_session_open(&(struct s3_options){ 0 }, &session, why));
    MUST(s3_client_open(session, NULL, NULL, &client, why));
    MUST(get("content", why));
    end();
}

static void check_unsigned(void *arg, int fd, const struct origin_request *request)
{
    char text[512];
    (void)arg;
    CHECK(!origin_header(request, "Authorization", text, sizeof(text)) && !origin_header(request, "x-amz-date", text, sizeof(text)));
    origin_answer(fd, request->number ? 403 : 200, "", "content", 7);
}

TEST(nothing_is_signed_when_nobody_wants_it)
{
    begin_with(check_unsigned, NULL, &(struct s3_options){ .no_sign_request = true });
    MUST(get("content", why));
    REFUSED(get("", why), -EACCES, "s3://bucket/a key: the store refuses whoever does not sign");
    end();
}

/* ---- again ------------------------------------------------------------------------------------------------------------------------- */

struct trouble {
    int status;
    const char *headers, *body;
    int times;
};

/* Trouble first, then the content. */
static void answer_with_trouble(void *arg, int fd, const struct origin_request *request)
{
    const struct trouble *trouble = arg;
    if (request->number < trouble->times)
        origin_answer(fd, trouble->status, trouble->headers, trouble->body, strlen(trouble->body));
    else
        origin_answer(fd, 200, "", "content", 7);
}

TEST(trouble_of_the_store_is_tried_again_three_times_in_all)
{
    struct trouble twice = { 503, "", "<Error><Code>SlowDown</Code></Error>", 2 }, ever = { 500, "", "", 1000 };
    begin(answer_with_trouble, &twice);
    MUST(get("content", why));
    CHECK_INT(origin_count(store), 3);
    CHECK_INT(atomic_load(&s3_session_budget(session)->retries), 2);
    end();
    begin(answer_with_trouble, &ever);
    REFUSED(get("", why), -EIO, "has trouble (status 500), after all retries");
    CHECK_INT(origin_count(store), 3);
    end();
}

/* Well at first, then not for five requests. */
static void answer_but_not_for_a_while(void *arg, int fd, const struct origin_request *request)
{
    (void)arg;
    origin_answer(fd, request->number >= 1 && request->number < 6 ? 503 : 200, "", "content", 7);
}

TEST(a_store_that_answered_before_is_waited_for_if_that_is_wanted)
{
    struct trouble ever = { 503, "", "", 1000 };
    begin(answer_but_not_for_a_while, NULL);
    MUST(get("content", why));
    REFUSED(s3_client_put(client, &object, "text", 4, NULL, why), -EIO, "has trouble (status 503)");
    s3_session_set_wait(session, 60 * NS_PER_S);
    MUST(s3_client_put(client, &object, "text", 4, NULL, why)); /* fails twice more */
    CHECK_INT(origin_count(store), 1 + 3 + 3);
    end();
    begin(answer_but_not_for_a_while, NULL);
    s3_session_set_wait(session, 60 * NS_PER_S);
    MUST(get("content", why));
    MUST(s3_client_put(client, &object, "text", 4, NULL, why)); /* fails five times: more than a round */
    CHECK_INT(origin_count(store), 1 + 6);
    end();
    begin(answer_with_trouble, &ever);
    s3_session_set_wait(session, 60 * NS_PER_S);
    REFUSED(get("", why), -EIO, "has trouble (status 503)"); /* a wrong address, more likely */
    CHECK_INT(origin_count(store), 3);
    end();
}

TEST(what_will_not_change_is_not_tried_again)
{
    struct trouble denied = { 403, "", "<Error><Code>AccessDenied</Code></Error>", 1000 };
    begin(answer_with_trouble, &denied);
    REFUSED(get("", why), -EACCES, "access denied (AccessDenied) with the credentials of the environment");
    CHECK_INT(origin_count(store), 1);
    end();
}

static void redirect(void *arg, int fd, const struct origin_request *request)
{
    char text[512];
    const char *body = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-9</Region></Error>";
    (void)arg;
    CHECK(origin_header(request, "Authorization", text, sizeof(text)));
    if (strstr(text, "/eu-west-9/s3/"))
        origin_answer(fd, 200, "", "content", 7);
    else if (request->number % 2)
        origin_answer(fd, 400, "", body, strlen(body));
    else
        origin_answer(fd, 301, "x-amz-bucket-region: eu-west-9\r\n", "", 0);
}

TEST(a_region_that_the_store_names_is_used_from_then_on)
{
    begin(redirect, NULL);
    MUST(get("content", why));
    CHECK_INT(origin_count(store), 2);
    MUST(get("content", why));
    CHECK_INT(origin_count(store), 3);
    end();
    struct trouble circle = { 301, "x-amz-bucket-region: us-east-1\r\n", "", 1000 };
    begin(answer_with_trouble, &circle);
    REFUSED(get("", why), -EREMOTE, "is the endpoint right?");
    CHECK_INT(origin_count(store), 1);
    end();
}

/* A store whose clock is two hours ahead. */
static void be_ahead(void *arg, int fd, const struct origin_request *request)
{
    char date[64], ours[SIGV4_TIME], header[128];
    time_t now = time(NULL) + 7200;
    struct tm tm;
    const char *body = "<Error><Code>RequestTimeTooSkewed</Code></Error>";
    CHECK(origin_header(request, "x-amz-date", date, sizeof(date)));
    sigv4_time(now, ours);
    if (!strncmp(date, ours, 11)) {
        origin_answer(fd, 200, "", "content", 7);
        return;
    }
    strftime(header, sizeof(header), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", gmtime_r(&now, &tm));
    origin_answer(fd, 403, arg ? "" : header, body, strlen(body));
}

TEST(a_clock_that_is_wrong_is_corrected_once)
{
    begin(be_ahead, NULL);
    MUST(get("content", why));
    CHECK_INT(origin_count(store), 2);
    MUST(get("content", why));
    CHECK_INT(origin_count(store), 3);
    end();
    begin(be_ahead, "without a date");
    REFUSED(get("", why), -EACCES, "set this machine's clock");
    CHECK_INT(origin_count(store), 1);
    end();
}

TEST(an_expired_token_of_the_environment_is_told)
{
    struct trouble expired = { 400, "", "<Error><Code>ExpiredToken</Code></Error>", 1000 };
    begin(answer_with_trouble, &expired);
    REFUSED(get("", why), -EKEYEXPIRED, "the session token of the environment has expired");
    CHECK_INT(origin_count(store), 1);
    end();
}

/* A store that has had enough of FIRST. */
static void refuse_first(void *arg, int fd, const struct origin_request *request)
{
    char text[256];
    static const char expired[] = "<Error><Code>ExpiredToken</Code></Error>";
    static const char next[] = "[default]\naws_access_key_id = SECOND\naws_secret_access_key = hush\n";
    CHECK(origin_header(request, "Authorization", text, sizeof(text)));
    if (arg && !request->number)
        test_write_file("credentials", next, strlen(next));
    if (strstr(text, "Credential=FIRST/"))
        origin_answer(fd, 400, "", expired, strlen(expired));
    else
        origin_answer(fd, 200, "", "content", 7);
}

static void begin_with_first(void *arg)
{
    static const char first[] = "[default]\naws_access_key_id = FIRST\naws_secret_access_key = hush\n";
    store = origin_start(refuse_first, arg);
    set_environment(origin_url(store));
    unsetenv("AWS_ACCESS_KEY_ID");
    test_write_file("credentials", first, strlen(first));
    setenv("AWS_SHARED_CREDENTIALS_FILE", "credentials", 1);
    MUST(s3_session_open(&(struct s3_options){ 0 }, &session, why));
    MUST(s3_client_open(session, NULL, NULL, &client, why));
}

TEST(a_token_that_expired_is_replaced_during_a_call)
{
    begin_with_first("somebody renews the file");
    MUST(get("content", why));
    end();
    begin_with_first(NULL);
    REFUSED(get("", why), -EKEYEXPIRED, "the session token of profile default of the credentials file has expired");
    CHECK(origin_count(store) < 15);
    end();
}

/* ---- bad connections ------------------------------------------------------------------------------------------------------------------ */

static void cut(void *arg, int fd, const struct origin_request *request)
{
    static const char half[] = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\ncon";
    if (request->number < *(int *)arg) {
        origin_send(fd, half, strlen(half));
        shutdown(fd, SHUT_RDWR);
    } else {
        origin_answer(fd, 200, "", "content", 7);
    }
}

static void reset_connection(void *arg, int fd, const struct origin_request *request)
{
    if (request->number < *(int *)arg) {
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 }, sizeof(struct linger));
        shutdown(fd, SHUT_RDWR);
    } else {
        origin_answer(fd, 200, "", "content", 7);
    }
}

static void stall(void *arg, int fd, const struct origin_request *request)
{
    if (request->number >= *(int *)arg)
        origin_answer(fd, 200, "", "content", 7);
}

TEST(a_broken_connection_is_tried_again_and_leaves_nothing_behind)
{
    int twice = 2, ever = 1000;
    begin(cut, &twice);
    MUST(get("content", why));
    end();
    begin(reset_connection, &twice);
    MUST(get("content", why));
    end();
    begin(cut, &ever);
    REFUSED(get("", why), -EIO, "or it broke off");
    CHECK_INT(origin_count(store), 3);
    end();
}

/* Of a body that ends with its connection nobody knows whether it is whole; of a range one does. */
static void send_part(void *arg, int fd, const struct origin_request *request)
{
    static const char part[] = "HTTP/1.1 200 OK\r\n\r\ncont";
    char text[64];
    (void)arg;
    if (request->number == 2)
        origin_answer(fd, 200, "", "content", 7);
    else if (origin_header(request, "Range", text, sizeof(text)))
        origin_answer(fd, 206, "", "content", request->number == 3 ? 4 : 7);
    else {
        origin_send(fd, part, strlen(part));
        shutdown(fd, SHUT_RDWR);
    }
}

TEST(a_part_is_not_taken_for_the_whole)
{
    struct bytes out;
    bytes_init(&out, 100);
    begin(send_part, NULL);
    MUST(get("content", why));
    CHECK_INT(origin_count(store), 3);
    MUST(s3_client_get_range(client, &object, 0, 7, NULL, &out, why));
    CHECK_STR(out.data, "content");
    CHECK_INT(origin_count(store), 5);
    bytes_done(&out);
    end();
}

TEST(a_transfer_that_stands_still_is_given_up_and_tried_again)
{
    int once = 1;
    begin(stall, &once);
    MUST(get("content", why));
    CHECK_INT(origin_count(store), 2);
    CHECK_INT(atomic_load(&s3_session_budget(session)->tokens), RETRY_BUDGET);
    end();
}

TEST(a_store_that_is_not_there_is_told)
{
    begin(stall, NULL);
    origin_stop(store);
    REFUSED(get("", why), -EIO, "s3://bucket/a key: no connection to 127.0.0.1:");
    s3_client_close(client);
    s3_session_close(session);
}

static void *stop_soon(void *arg)
{
    (void)arg;
    nanosleep(&(struct timespec){ 0, 300 * NS_PER_MS }, NULL);
    atomic_store(&stop, true);
    return NULL;
}

TEST(a_call_ends_soon_when_it_is_told_to)
{
    int ever = 1000;
    pthread_t thread;
    begin(stall, &ever);
    s3_client_patience(client, 2000, 60);
    CHECK_INT(pthread_create(&thread, NULL, stop_soon, NULL), 0);
    REFUSED(get("", why), -ECANCELED, "s3://bucket/a key: stopped");
    CHECK_INT(origin_count(store), 1);
    pthread_join(thread, NULL);
    end();
}

/* ---- hostile answers ---------------------------------------------------------------------------------------------------------------------- */

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
    int r = s3_client_list(client, &page, count_item, &items, token, why);
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
    begin(answer_page, good);
    CHECK_INT(list(NULL), 1);
    end();
    begin(answer_page, half);
    REFUSED(list(why), -EBADMSG, "s3://bucket: what the store answers is no listing, or not a whole one");
    end();
    begin(answer_page, web);
    REFUSED(list(why), -EBADMSG, "is it an S3 store?");
    end();
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
    begin(answer_the_same_page, NULL);
    REFUSED(s3_client_list(client, &page, count_item, &items, token, why), -EOPNOTSUPP, "it must know ListObjectsV2");
    page.start_after_size = 0;
    MUST(s3_client_list(client, &page, count_item, &items, token, why));
    CHECK_INT(items, 2);
    CHECK(*token);
    REFUSED(s3_client_list(client, &page, count_item, &items, token, why), -EOPNOTSUPP, "does not go on where the page before ended");
    CHECK_INT(items, 2);
    page.start_after = "p/x"; /* what is folded into p/ goes on after it */
    page.start_after_size = 3;
    page.delimiter = "/";
    page.token = NULL;
    REFUSED(s3_client_list(client, &page, count_item, &items, token, why), -EOPNOTSUPP, "does not go on");
    end();
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
    begin(answer_nothing, NULL);
    MUST(s3_client_list(client, &page, count_item, &items, token, why));
    CHECK_STR(token, "a");
    MUST(s3_client_list(client, &page, count_item, &items, token, why));
    CHECK_STR(token, "b");
    REFUSED(s3_client_list(client, &page, count_item, &items, token, why), -EOPNOTSUPP, "does not go on where the page before ended");
    CHECK_INT(items, 0);
    end();
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
    begin(flood, NULL);
    REFUSED(list(why), -EIO, "status 400, Odd");
    REFUSED(list(why), -EBADMSG, "not what was asked for");
    REFUSED(get("", why), -EIO, "status 400, Odd");
    REFUSED(get("", why), -EFBIG, "larger than what is taken");
    end();
}

/* ---- objects in parts -------------------------------------------------------------------------------------------------------------------------- */

#define PART (8u << 20)

/* What a store keeps of an upload. */
struct upload_store {
    int parts, completed, aborted;
    size_t size;
    int fail_part;      /* its number, from 1 */
    const char *fail_complete; /* the code in the body of a 200; "": it breaks off */
    int lose_answer;    /* how many answers to "complete" never arrive */
    int puts;
};

static void take_parts(void *arg, int fd, const struct origin_request *request)
{
    struct upload_store *upload = arg;
    static const char id[] = "<InitiateMultipartUploadResult><UploadId>i+d/&amp;=</UploadId></InitiateMultipartUploadResult>";
    static const char gone[] = "<Error><Code>NoSuchUpload</Code></Error>", made[] = " <CompleteMultipartUploadResult><Key>k</Key></CompleteMultipartUploadResult>";
    char text[128];
    if (!strcmp(request->method, "POST") && strstr(request->target, "?uploads=")) {
        origin_answer(fd, 200, "", id, strlen(id));
    } else if (!strcmp(request->method, "PUT") && strstr(request->target, "partNumber=")) {
        CHECK_CONTAINS(request->target, "uploadId=i%2Bd%2F%26%3D");
        int number = atoi(strstr(request->target, "partNumber=") + 11);
        if (number == upload->fail_part) {
            origin_answer(fd, 403, "", "", 0);
            return;
        }
        CHECK_INT(number, ++upload->parts);
        upload->size += request->body_size;
        snprintf(text, sizeof(text), "ETag: \"e%d\"\r\n", number);
        origin_answer(fd, 200, text, "", 0);
    } else if (!strcmp(request->method, "POST")) {
        CHECK_CONTAINS(request->body, "<Part><PartNumber>1</PartNumber><ETag>&quot;e1&quot;</ETag></Part><Part><PartNumber>2</PartNumber>");
        if (upload->completed++)
            origin_answer(fd, 404, "", gone, strlen(gone));
        else if (upload->lose_answer)
            shutdown(fd, SHUT_RDWR);
        else if (!upload->fail_complete)
            origin_answer(fd, 200, "", made, strlen(made));
        else {
            snprintf(text, sizeof(text), "<Error><Code>%s</Code></Error>", upload->fail_complete);
            origin_answer(fd, 200, "", text, *upload->fail_complete ? strlen(text) : 7);
        }
    } else if (!strcmp(request->method, "HEAD")) {
        snprintf(text, sizeof(text), "HTTP/1.1 %d Text\r\nETag: \"e-%d\"\r\nContent-Length: %zu\r\n\r\n", upload->fail_complete ? 404 : 200,
                 upload->parts, upload->size);
        origin_send(fd, text, strlen(text));
    } else if (!strcmp(request->method, "DELETE")) {
        upload->aborted++;
        origin_answer(fd, 204, "", "", 0);
    } else {
        upload->puts++;
        upload->size = request->body_size;
        origin_answer(fd, 200, "", "", 0);
    }
}

static int upload_all(size_t size, size_t piece, struct why *why)
{
    struct s3_upload *upload;
    char *data = calloc(1, piece);
    MUST(s3_upload_open(client, &object, "text/plain", &upload, why));
    int r = 0;
    for (size_t done = 0; done < size && r == 0; done += piece)
        r = s3_upload_write(upload, data, size - done < piece ? size - done : piece, why);
    free(data);
    return s3_upload_finish(upload, why);
}

TEST(a_small_object_is_one_request_and_a_large_one_comes_in_parts)
{
    struct upload_store upload = { 0 };
    begin(take_parts, &upload);
    MUST(upload_all(0, 10, why));
    origin_count(store);
    CHECK(upload.puts == 1 && upload.size == 0);
    MUST(upload_all(PART, 1000000, why));
    origin_count(store);
    CHECK(upload.puts == 2 && upload.size == PART && upload.parts == 0);
    upload.size = 0;
    MUST(upload_all(2 * PART + 1, 3000000, why));
    origin_count(store);
    CHECK(upload.puts == 2 && upload.size == 2 * PART + 1 && upload.parts == 3 && upload.completed == 1 && upload.aborted == 0);
    end();
}

TEST(an_upload_that_fails_is_given_up_whole)
{
    struct upload_store part = { .fail_part = 2 }, complete = { .fail_complete = "InternalError" }, dropped = { 0 };
    begin(take_parts, &part);
    REFUSED(upload_all(3 * PART, PART, why), -EACCES, "s3://bucket/a key: access denied");
    origin_count(store);
    CHECK(part.aborted == 1 && part.completed == 0 && part.parts == 1);
    end();
    begin(take_parts, &complete);
    REFUSED(upload_all(2 * PART, PART, why), -EIO, "status 404, NoSuchUpload");
    origin_count(store);
    CHECK(complete.aborted == 1);
    end();
    begin(take_parts, &dropped);
    struct s3_upload *upload;
    char *data = calloc(1, 2 * PART);
    MUST(s3_upload_open(client, &object, NULL, &upload, why));
    MUST(s3_upload_write(upload, data, 2 * PART, why));
    atomic_store(&stop, true); /* giving up must work nevertheless */
    s3_upload_abort(upload);
    origin_count(store);
    CHECK(dropped.aborted == 1 && dropped.parts == 1);
    free(data);
    end();
}

/* The status of the last answer is sent before the store knows. */
TEST(an_upload_is_there_only_when_the_last_answer_says_so_to_its_end)
{
    struct upload_store odd = { .fail_complete = "Peculiar" }, broken = { .fail_complete = "" };
    begin(take_parts, &odd);
    REFUSED(upload_all(2 * PART, PART, why), -EIO, "Peculiar");
    origin_count(store);
    CHECK(odd.completed == 1 && odd.aborted == 1);
    end();
    begin(take_parts, &broken);
    REFUSED(upload_all(2 * PART, PART, why), -EIO, "NoSuchUpload"); /* the second time; and the object is not there */
    origin_count(store);
    CHECK(broken.completed == 2 && broken.aborted == 1);
    end();
}

TEST(an_upload_whose_last_answer_was_lost_is_looked_for)
{
    struct upload_store upload = { .lose_answer = 1 };
    begin(take_parts, &upload);
    MUST(upload_all(2 * PART, PART, why));
    origin_count(store);
    CHECK(upload.completed == 2 && upload.aborted == 0);
    end();
}

/* ---- certificates ------------------------------------------------------------------------------------------------------------------------------ */

TEST(https_trusts_the_authority_that_it_is_told)
{
    char endpoint[64];
    test_write_file("text", "content", 7);
    CHECK_INT(test_shell(NULL, "openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out certificate -days 2 -subj /CN=test "
                               "-addext subjectAltName=IP:127.0.0.1 2>openssl.log"), 0);
    CHECK_INT(test_shell(NULL, "python3 %s/tests/golden/http_server.py text certificate key </dev/null >server.log 2>&1 &", test_source()), 0);
    while (access("port", F_OK) < 0)
        nanosleep(&(struct timespec){ 0, 20 * NS_PER_MS }, NULL);
    char *port = test_read_file("port", NULL);
    snprintf(endpoint, sizeof(endpoint), "https://127.0.0.1:%d", atoi(port));
    free(port);
    set_environment(endpoint);
    for (int trusted = 0; trusted < 2; trusted++) {
        MUST(s3_session_open(&(struct s3_options){ .ca_bundle = trusted ? "certificate" : NULL }, &session, why));
        MUST(s3_client_open(session, NULL, NULL, &client, why));
        if (trusted)
            MUST(get("content", why));
        else
            REFUSED(get("", why), -EPROTO, "is not trusted");
        s3_client_close(client);
        s3_session_close(session);
    }
}
