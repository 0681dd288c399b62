/* The client against a store that answers as each test wants it. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "tests/s3_bed.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>

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
    CHECK_CONTAINS(origin_url(s3_bed.store), text);
    CHECK(!origin_header(request, "Expect", text, sizeof(text)) && !origin_header(request, "Content-Type", text, sizeof(text)));
    origin_answer(fd, 200, "", "content", 7);
}

TEST(a_request_is_signed_with_its_token)
{
    setenv("AWS_SESSION_TOKEN", "token", 1);
    s3_bed.store = origin_start(check_request, NULL);
    s3_bed_environment(origin_url(s3_bed.store));
    setenv("AWS_SESSION_TOKEN", "token", 1);
    MUST(s3_session_open(&(struct s3_options){ 0 }, &s3_bed.session, why));
    MUST(s3_client_open(s3_bed.session, NULL, NULL, &s3_bed.client, why));
    MUST(s3_bed_get("content", why));
    s3_bed_end();
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
    s3_bed_begin_with(check_unsigned, NULL, &(struct s3_options){ .no_sign_request = true });
    MUST(s3_bed_get("content", why));
    REFUSED(s3_bed_get("", why), -EACCES, "s3://bucket/a key: the store refuses whoever does not sign");
    s3_bed_end();
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
    s3_bed_begin(answer_with_trouble, &twice);
    MUST(s3_bed_get("content", why));
    CHECK_INT(origin_count(s3_bed.store), 3);
    CHECK_INT(atomic_load(&s3_session_budget(s3_bed.session)->retries), 2);
    s3_bed_end();
    s3_bed_begin(answer_with_trouble, &ever);
    REFUSED(s3_bed_get("", why), -EIO, "has trouble (status 500), after all retries");
    CHECK_INT(origin_count(s3_bed.store), 3);
    s3_bed_end();
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
    s3_bed_begin(answer_but_not_for_a_while, NULL);
    MUST(s3_bed_get("content", why));
    REFUSED(s3_client_put(s3_bed.client, &s3_bed_object, "text", 4, NULL, why), -EIO, "has trouble (status 503)");
    s3_session_set_wait(s3_bed.session, 60 * NS_PER_S);
    MUST(s3_client_put(s3_bed.client, &s3_bed_object, "text", 4, NULL, why)); /* fails twice more */
    CHECK_INT(origin_count(s3_bed.store), 1 + 3 + 3);
    s3_bed_end();
    s3_bed_begin(answer_but_not_for_a_while, NULL);
    s3_session_set_wait(s3_bed.session, 60 * NS_PER_S);
    MUST(s3_bed_get("content", why));
    MUST(s3_client_put(s3_bed.client, &s3_bed_object, "text", 4, NULL, why)); /* fails five times: more than a round */
    CHECK_INT(origin_count(s3_bed.store), 1 + 6);
    s3_bed_end();
    s3_bed_begin(answer_with_trouble, &ever);
    s3_session_set_wait(s3_bed.session, 60 * NS_PER_S);
    REFUSED(s3_bed_get("", why), -EIO, "has trouble (status 503)"); /* a wrong address, more likely */
    CHECK_INT(origin_count(s3_bed.store), 3);
    s3_bed_end();
}

TEST(what_will_not_change_is_not_tried_again)
{
    struct trouble denied = { 403, "", "<Error><Code>AccessDenied</Code></Error>", 1000 };
    s3_bed_begin(answer_with_trouble, &denied);
    REFUSED(s3_bed_get("", why), -EACCES, "access denied (AccessDenied) with the credentials of the environment");
    CHECK_INT(origin_count(s3_bed.store), 1);
    s3_bed_end();
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
    s3_bed_begin(redirect, NULL);
    MUST(s3_bed_get("content", why));
    CHECK_INT(origin_count(s3_bed.store), 2);
    MUST(s3_bed_get("content", why));
    CHECK_INT(origin_count(s3_bed.store), 3);
    s3_bed_end();
    struct trouble circle = { 301, "x-amz-bucket-region: us-east-1\r\n", "", 1000 };
    s3_bed_begin(answer_with_trouble, &circle);
    REFUSED(s3_bed_get("", why), -EREMOTE, "is the endpoint right?");
    CHECK_INT(origin_count(s3_bed.store), 1);
    s3_bed_end();
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
    s3_bed_begin(be_ahead, NULL);
    MUST(s3_bed_get("content", why));
    CHECK_INT(origin_count(s3_bed.store), 2);
    MUST(s3_bed_get("content", why));
    CHECK_INT(origin_count(s3_bed.store), 3);
    s3_bed_end();
    s3_bed_begin(be_ahead, "without a date");
    REFUSED(s3_bed_get("", why), -EACCES, "set this machine's clock");
    CHECK_INT(origin_count(s3_bed.store), 1);
    s3_bed_end();
}

TEST(an_expired_token_of_the_environment_is_told)
{
    struct trouble expired = { 400, "", "<Error><Code>ExpiredToken</Code></Error>", 1000 };
    s3_bed_begin(answer_with_trouble, &expired);
    REFUSED(s3_bed_get("", why), -EKEYEXPIRED, "the session token of the environment has expired");
    CHECK_INT(origin_count(s3_bed.store), 1);
    s3_bed_end();
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
    s3_bed.store = origin_start(refuse_first, arg);
    s3_bed_environment(origin_url(s3_bed.store));
    unsetenv("AWS_ACCESS_KEY_ID");
    test_write_file("credentials", first, strlen(first));
    setenv("AWS_SHARED_CREDENTIALS_FILE", "credentials", 1);
    MUST(s3_session_open(&(struct s3_options){ 0 }, &s3_bed.session, why));
    MUST(s3_client_open(s3_bed.session, NULL, NULL, &s3_bed.client, why));
}

TEST(a_token_that_expired_is_replaced_during_a_call)
{
    begin_with_first("somebody renews the file");
    MUST(s3_bed_get("content", why));
    s3_bed_end();
    begin_with_first(NULL);
    REFUSED(s3_bed_get("", why), -EKEYEXPIRED, "the session token of profile default of the credentials file has expired");
    CHECK(origin_count(s3_bed.store) < 15);
    s3_bed_end();
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
    s3_bed_begin(cut, &twice);
    MUST(s3_bed_get("content", why));
    s3_bed_end();
    s3_bed_begin(reset_connection, &twice);
    MUST(s3_bed_get("content", why));
    s3_bed_end();
    s3_bed_begin(cut, &ever);
    REFUSED(s3_bed_get("", why), -EIO, "or it broke off");
    CHECK_INT(origin_count(s3_bed.store), 3);
    s3_bed_end();
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
    s3_bed_begin(send_part, NULL);
    MUST(s3_bed_get("content", why));
    CHECK_INT(origin_count(s3_bed.store), 3);
    MUST(s3_client_get_range(s3_bed.client, &s3_bed_object, 0, 7, NULL, &out, why));
    CHECK_STR(out.data, "content");
    CHECK_INT(origin_count(s3_bed.store), 5);
    bytes_done(&out);
    s3_bed_end();
    s3_bed_begin(send_part, NULL);
    int fd = open("saved", O_RDWR | O_CREAT, 0666);
    MUST(s3_client_save(s3_bed.client, &s3_bed_object, fd, 100, why));
    CHECK_INT(origin_count(s3_bed.store), 3);
    size_t size;
    CLEANUP(freep) char *saved = test_read_file("saved", &size);
    CHECK(size == 7 && !memcmp(saved, "content", 7));
    close(fd);
    s3_bed_end();
}

TEST(a_transfer_that_stands_still_is_given_up_and_tried_again)
{
    int once = 1;
    s3_bed_begin(stall, &once);
    MUST(s3_bed_get("content", why));
    CHECK_INT(origin_count(s3_bed.store), 2);
    CHECK_INT(atomic_load(&s3_session_budget(s3_bed.session)->tokens), RETRY_BUDGET);
    s3_bed_end();
}

TEST(a_store_that_is_not_there_is_told)
{
    s3_bed_begin(stall, NULL);
    origin_stop(s3_bed.store);
    REFUSED(s3_bed_get("", why), -EIO, "s3://bucket/a key: no connection to 127.0.0.1:");
    s3_client_close(s3_bed.client);
    s3_session_close(s3_bed.session);
}

static void *stop_soon(void *arg)
{
    (void)arg;
    nanosleep(&(struct timespec){ 0, 300 * NS_PER_MS }, NULL);
    atomic_store(&s3_bed.stop, true);
    return NULL;
}

TEST(a_call_ends_soon_when_it_is_told_to)
{
    int ever = 1000;
    pthread_t thread;
    s3_bed_begin(stall, &ever);
    s3_client_patience(s3_bed.client, 2000, 60);
    CHECK_INT(pthread_create(&thread, NULL, stop_soon, NULL), 0);
    REFUSED(s3_bed_get("", why), -ECANCELED, "s3://bucket/a key: stopped");
    CHECK_INT(origin_count(s3_bed.store), 1);
    pthread_join(thread, NULL);
    s3_bed_end();
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
    s3_bed_environment(endpoint);
    for (int trusted = 0; trusted < 2; trusted++) {
        MUST(s3_session_open(&(struct s3_options){ .ca_bundle = trusted ? "certificate" : NULL }, &s3_bed.session, why));
        MUST(s3_client_open(s3_bed.session, NULL, NULL, &s3_bed.client, why));
        if (trusted)
            MUST(s3_bed_get("content", why));
        else
            REFUSED(s3_bed_get("", why), -EPROTO, "is not trusted");
        s3_client_close(s3_bed.client);
        s3_session_close(s3_bed.session);
    }
}
