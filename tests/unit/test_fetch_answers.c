/* test_fetch_answers.c: what a server may say to a request for one object, and the row that it makes. */
#include "tests/fetch_bed.h"
#include "tests/s3_bed.h"

#include "common/clock.h"
#include "tests/origin.h"

#include <time.h>
#include <unistd.h>

TEST(a_refusal_is_a_row_of_its_kind_and_is_not_repeated)
{
    struct web *web = fetch_bed_serve(&(struct web_spec){ 0 });
    struct fetch_setting setting = { 0 };
    static const struct {
        const char *path;
        enum row_error error;
        const char *says;
    } cases[] = {
        { "/a?status=404", ROW_NOT_FOUND, "the server has no such file (status 404)" },
        { "/a?status=403", ROW_DENIED, "the server refuses it (status 403)" },
        { "/a?status=401", ROW_DENIED, "refuses it" },
        { "/a?status=204", ROW_FETCH, "status 204" },
        { "/a?status=418", ROW_FETCH, "status 418" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct fetch_outcome *outcome = fetch_bed_fetch(&setting, web_url(web, cases[i].path));
        CHECK_INT(outcome->error, cases[i].error);
        CHECK_CONTAINS(outcome->detail, cases[i].says);
        CHECK_CONTAINS(outcome->detail, "http://127.0.0.1:");
        CHECK(!strstr(outcome->detail, "a?status"));
        CHECK_INT(fetch_bed.stage.retries, 0);
        CHECK_INT(fetch_bed.stage.errors, 1);
    }
    CHECK_INT(web_counts(web).requests, ARRAY_SIZE(cases));
    web_stop(web);
}

static void answer_203(void *arg, int fd, const struct origin_request *request)
{
    (void)arg;
    (void)request;
    origin_answer(fd, 203, "", fetch_bed_body(), FETCH_BODY);
}

TEST(what_a_proxy_has_changed_is_an_answer)
{
    struct origin *origin = origin_start(answer_203, NULL);
    struct fetch_setting setting = { 0 };
    CHECK_INT(fetch_bed_fetch(&setting, origin_url(origin))->error, ROW_OK);
    CHECK(fetch_bed.outcomes[0].right);
    origin_stop(origin);
}

TEST(an_impossible_address_is_told)
{
    struct fetch_setting setting = { 0 };
    CHECK_INT(fetch_bed_fetch(&setting, "http://127.0.0.1:1/a b")->error, ROW_UNSUPPORTED);
    CHECK_CONTAINS(fetch_bed.outcomes[0].detail, "write a blank as %20");
    CHECK_INT(fetch_bed_fetch(&setting, "http://me:hush@no-such-host.invalid/a?sig=hush")->error, ROW_FETCH);
    CHECK_CONTAINS(fetch_bed.outcomes[0].detail, "resolve");
    CHECK(!strstr(fetch_bed.outcomes[0].detail, "--store-timeout")); /* it is no store that is down */
    CHECK(!strstr(fetch_bed.outcomes[0].detail, "hush"));
    CHECK_INT(fetch_bed.stage.retries, 11); /* of twelve attempts */
    char nul[] = "http://127.0.0.1/a\0b";
    CHECK_INT(fetch_bed_fetch_item(&setting, (struct rec_item){ .uri = { nul, sizeof(nul) - 1 }, .etag = "" })->error, ROW_UNSUPPORTED);
}

/* Its address is the worker's own, and may be right tomorrow: nothing is said of the image. */
TEST(an_object_store_whose_name_nobody_knows_is_one_that_is_down)
{
    struct fetch_setting setting = { 0 };
    s3_bed_environment("http://no-such-host.invalid");
    CHECK_INT(fetch_bed_fetch(&setting, "s3://bucket/a")->error, ROW_FETCH);
    CHECK_CONTAINS(fetch_bed.outcomes[0].detail, "has not answered for 0 s (--store-timeout)");
}

TEST(a_body_that_is_cut_off_is_asked_for_again)
{
    struct web *web = fetch_bed_serve(&(struct web_spec){ 0 });
    struct fetch_setting setting = { 0 };
    CHECK_INT(fetch_bed_fetch(&setting, web_url(web, "/a?cut=20000&times=2"))->error, ROW_OK);
    CHECK(fetch_bed.outcomes[0].right);
    CHECK_INT(fetch_bed.stage.retries, 2);
    CHECK_INT(web_counts(web).requests, 3);
    web_stop(web);
}

/* It may have been cut off on the way, unless the list says how long it is. */
TEST(a_body_that_only_ends_with_its_connection_is_taken_if_its_length_is_known)
{
    struct web *web = fetch_bed_serve(&(struct web_spec){ 0 });
    struct fetch_setting setting = { 0 };
    CHECK_INT(fetch_bed_fetch(&setting, web_url(web, "/a?unmarked"))->error, ROW_FETCH);
    CHECK_CONTAINS(fetch_bed.outcomes[0].detail, "does not say how long the file is");
    struct rec_item item = fetch_bed_item(web_url(web, "/a?unmarked"));
    item.size = FETCH_BODY;
    CHECK_INT(fetch_bed_fetch_item(&setting, item)->error, ROW_OK);
    CHECK_INT(fetch_bed.stage.retries, 0);
    item = fetch_bed_item(web_url(web, "/b?unmarked&cut=20000&times=1"));
    web_put(web, "/b", fetch_bed_body(), FETCH_BODY);
    item.size = FETCH_BODY;
    CHECK_INT(fetch_bed_fetch_item(&setting, item)->error, ROW_OK);
    CHECK_INT(fetch_bed.stage.retries, 1);
    web_stop(web);
}

TEST(what_is_not_as_it_was_listed_is_an_error_that_says_so)
{
    struct web *web = fetch_bed_serve(&(struct web_spec){ 0 });
    struct fetch_setting setting = { 0 };
    struct rec_item item = fetch_bed_item(web_url(web, "/a?etag=one"));
    item.size = FETCH_BODY + 1;
    CHECK_INT(fetch_bed_fetch_item(&setting, item)->error, ROW_FETCH);
    CHECK_CONTAINS(fetch_bed.outcomes[0].detail, "changed since it was listed");
    item.size = FETCH_BODY;
    item.etag = "two";
    CHECK_INT(fetch_bed_fetch_item(&setting, item)->error, ROW_FETCH);
    CHECK_CONTAINS(fetch_bed.outcomes[0].detail, "changed since it was listed");
    item.etag = "\"one\"";
    CHECK_INT(fetch_bed_fetch_item(&setting, item)->error, ROW_OK);
    CHECK_INT(web_counts(web).requests, 3);
    item = fetch_bed_item(web_url(web, "/a?length=29000"));
    item.size = 29000;
    CHECK_INT(fetch_bed_fetch_item(&setting, item)->error, ROW_OK); /* as long as was promised and listed: the decoder will see */
    item = fetch_bed_item(web_url(web, "/a?chunked"));
    item.size = FETCH_BODY - 1;
    CHECK_INT(fetch_bed_fetch_item(&setting, item)->error, ROW_FETCH);
    web_stop(web);
}

TEST(what_is_too_large_is_not_read_to_its_end)
{
    struct web *web = fetch_bed_serve(&(struct web_spec){ 0 });
    struct fetch_setting setting = { .file_bytes = 200000 };
    CHECK_INT(fetch_bed_fetch(&setting, web_url(web, "/a?length=200001"))->error, ROW_TOO_LARGE);
    CHECK_CONTAINS(fetch_bed.outcomes[0].detail, "200001 bytes");
    CHECK_INT(fetch_bed_fetch(&setting, web_url(web, "/a?infinite"))->error, ROW_TOO_LARGE);
    struct rec_item item = fetch_bed_item(web_url(web, "/a"));
    item.size = 1 << 30;
    uint64_t requests = web_counts(web).requests;
    CHECK_INT(fetch_bed_fetch_item(&setting, item)->error, ROW_TOO_LARGE);
    CHECK_INT(web_counts(web).requests, requests);
    CHECK_INT(fetch_bed_fetch(&setting, web_url(web, "/a?chunked"))->error, ROW_OK);
    CHECK(fetch_bed.outcomes[0].right);
    web_stop(web);
}

TEST(redirects_are_followed_but_not_anywhere)
{
    struct web *web = fetch_bed_serve(&(struct web_spec){ 0 });
    struct fetch_setting setting = { 0 };
    char path[300];
    snprintf(path, sizeof(path), "/a?redirect=%s", web_url(web, "/b"));
    CHECK_INT(fetch_bed_fetch(&setting, web_url(web, path))->error, ROW_OK);
    CHECK(fetch_bed.outcomes[0].right);
    CHECK_INT(fetch_bed_fetch(&setting, web_url(web, "/a?redirect=file:///etc/passwd"))->error, ROW_FETCH);
    CHECK_INT(fetch_bed_fetch(&setting, web_url(web, "/a?redirect=/a?redirect=/a?redirect=/a?redirect=/a?redirect=/a?redirect=/a"))->error, ROW_FETCH);
    CHECK_CONTAINS(fetch_bed.outcomes[0].detail, "redirects");
    web_stop(web);
}

/* The port of a server of fetch_bed_body() that has a certificate of its own. */
static int serve_secure(void)
{
    struct timespec nap = { 0, 20 * NS_PER_MS };
    test_write_file("file", fetch_bed_body(), FETCH_BODY);
    CHECK_INT(test_shell(NULL, "openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out certificate -days 2 -subj /CN=test "
                               "-addext subjectAltName=IP:127.0.0.1 2>openssl.log"), 0);
    CHECK_INT(test_shell(NULL, "python3 %s/tests/golden/http_server.py file certificate key </dev/null >server.log 2>&1 &", test_source()), 0);
    for (int i = 0; i < 1000 && access("port", F_OK) < 0; i++)
        nanosleep(&nap, NULL);
    CLEANUP(freep) char *port = test_read_file("port", NULL);
    return atoi(port);
}

TEST(an_untrusted_certificate_is_told)
{
    struct fetch_setting setting = { 0 };
    char uri[64];
    snprintf(uri, sizeof(uri), "https://127.0.0.1:%d/file", serve_secure());
    CHECK_INT(fetch_bed_fetch(&setting, uri)->error, ROW_FETCH);
    CHECK_CONTAINS(fetch_bed.outcomes[0].detail, "certificate is not trusted");
    CHECK_INT(fetch_bed.stage.retries, 0);
    setenv("SSL_CERT_FILE", "certificate", 1);
    CHECK_INT(fetch_bed_fetch(&setting, uri)->error, ROW_OK);
    CHECK(fetch_bed.outcomes[0].right);
}

TEST(a_redirect_from_a_secure_address_to_another_that_is_not_is_not_followed)
{
    struct web *web = fetch_bed_serve(&(struct web_spec){ 0 });
    struct fetch_setting setting = { .concurrency = 1 };
    char uris[4][300];
    int port = serve_secure();
    setenv("SSL_CERT_FILE", "certificate", 1);
    snprintf(uris[0], sizeof(uris[0]), "%s", web_url(web, "/a?redirect=/b"));
    snprintf(uris[1], sizeof(uris[1]), "https://127.0.0.1:%d/to?https://127.0.0.1:%d/file", port, port);
    snprintf(uris[2], sizeof(uris[2]), "https://127.0.0.1:%d/to?%s", port, web_url(web, "/b"));
    snprintf(uris[3], sizeof(uris[3]), "%s%s", web_url(web, "/a?redirect="), uris[1]);
    struct rec_item items[8];
    for (int i = 0; i < 8; i++)
        items[i] = fetch_bed_item(uris[i % 4]);
    fetch_bed_open(&setting); /* one after the other, by one transfer */
    fetch_bed_submit(items, 8);
    fetch_bed_wait(8);
    for (int i = 0; i < 8; i++)
        CHECK_INT(fetch_bed.outcomes[i].error, i % 4 == 2 ? ROW_FETCH : ROW_OK);
    CHECK_CONTAINS(fetch_bed.outcomes[2].detail, "only http:// and https:// are followed");
    fetch_bed_close();
    web_stop(web);
}
