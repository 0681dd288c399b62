/* test_fetch_loops.c: the event loops that fetch, against a server in this process that behaves well and badly. */
#include "worker/fetch/loops.h"

#include "common/clock.h"
#include "tests/cluster/lib/process.h"
#include "tests/cluster/lib/web.h"
#include "tests/test.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

#define ITEMS_MAX 1000

/* What came of each item, in the order in which it came. */
struct outcome {
    enum row_error error;
    char detail[LIMIT_TEXT];
    size_t size;
    bool right; /* the bytes are those of body() */
    int place;  /* in the order of arrival */
};

static struct fetching {
    struct loops *loops;
    struct budget budget;
    struct blocks blocks;
    struct stage stage;
    struct work *work;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int done;
    size_t held, most_held;
    bool keep;      /* bytes are not given back yet */
    struct outcome outcomes[ITEMS_MAX];
} f = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

#define BODY 30000

static const char *body(void)
{
    static char bytes[BODY];
    for (int i = 0; i < BODY; i++)
        bytes[i] = (char)(i * 7 + i / 256);
    return bytes;
}

static void on_done(void *arg, struct task *task, enum row_error error, const char *detail)
{
    struct outcome *outcome = &f.outcomes[task - f.work->tasks];
    (void)arg;
    pthread_mutex_lock(&f.lock);
    *outcome = (struct outcome){ .error = error, .size = task->size, .place = f.done++ };
    snprintf(outcome->detail, sizeof(outcome->detail), "%s", detail ? detail : "");
    if (!error) {
        outcome->right = task->size == BODY && !memcmp(task->data, body(), BODY);
        pthread_mutex_lock(&f.budget.lock);
        if (f.budget.used > f.most_held)
            f.most_held = f.budget.used;
        pthread_mutex_unlock(&f.budget.lock);
        if (!f.keep) {
            budget_give(&f.budget, task->size);
            blocks_give(&f.blocks, take(task->data), task->size);
        }
    }
    pthread_cond_signal(&f.changed);
    pthread_mutex_unlock(&f.lock);
}

struct setting {
    int threads, concurrency;
    size_t file_bytes, budget;
    int stall_ms, store_timeout_ms;
};

static void open_loops(const struct setting *setting)
{
    struct why why;
    struct loops_spec spec = {
        .threads = setting->threads ? setting->threads : 1,
        .concurrency = setting->concurrency ? setting->concurrency : 64,
        .file_bytes = setting->file_bytes ? setting->file_bytes : 1 << 20,
        .stall_ns = (uint64_t)(setting->stall_ms ? setting->stall_ms : 20000) * NS_PER_MS,
        .store_timeout_ns = (uint64_t)setting->store_timeout_ms * NS_PER_MS,
        .budget = &f.budget,
        .blocks = &f.blocks,
        .stage = &f.stage,
        .done = on_done,
    };
    budget_init(&f.budget, setting->budget ? setting->budget : 64 << 20);
    blocks_init(&f.blocks, 1 << 20);
    stage_init(&f.stage, "fetch", 1);
    if (loops_new(&spec, &f.loops, &why) < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
}

static void submit_items(const struct rec_item *items, uint32_t count)
{
    CHECK_INT(work_new(1, 1, items, count, 1, 0, &f.work), 0);
    for (uint32_t i = 0; i < count; i++)
        loops_submit(f.loops, &f.work->tasks[i]);
}

static void wait_for_done(int count)
{
    pthread_mutex_lock(&f.lock);
    while (f.done < count)
        pthread_cond_wait(&f.changed, &f.lock);
    pthread_mutex_unlock(&f.lock);
}

/* Everything is fetched, and nothing is left over. */
static void close_loops(void)
{
    loops_free(f.loops);
    CHECK_INT(f.budget.used, 0);
    budget_done(&f.budget);
    blocks_done(&f.blocks);
    work_free(f.work);
}

static struct rec_item item_of(const char *uri)
{
    return (struct rec_item){ .uri = { uri, (uint32_t)strlen(uri) }, .etag = "" };
}

/* One item, from beginning to end. */
static const struct outcome *fetch_item(const struct setting *setting, struct rec_item item)
{
    f.done = 0;
    open_loops(setting);
    submit_items(&item, 1);
    wait_for_done(1);
    close_loops();
    return &f.outcomes[0];
}

static const struct outcome *fetch_one(const struct setting *setting, const char *uri)
{
    return fetch_item(setting, item_of(uri));
}

/* `count` items named by `format` and their number. */
__attribute__((format(printf, 3, 0))) static void submit_many(const struct web *web, int count, const char *format)
{
    static char uris[ITEMS_MAX][256];
    static struct rec_item items[ITEMS_MAX];
    char path[200];
    for (int i = 0; i < count; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(path, sizeof(path), format, i);
#pragma GCC diagnostic pop
        snprintf(uris[i], sizeof(uris[i]), "%s", web_url(web, path));
        items[i] = item_of(uris[i]);
    }
    submit_items(items, (uint32_t)count);
}

static void check_all_right(int count)
{
    wait_for_done(count);
    for (int i = 0; i < count; i++)
        if (f.outcomes[i].error || !f.outcomes[i].right)
            test_fail(__FILE__, __LINE__, "item %d: %s, %zu bytes: %s", i, row_error_name(f.outcomes[i].error), f.outcomes[i].size, f.outcomes[i].detail);
}

static struct web *serve(const struct web_spec *spec)
{
    struct web *web = web_start(spec);
    web_put(web, "*", body(), BODY);
    return web;
}

TEST(many_objects_are_under_way_at_once_over_connections_that_are_kept)
{
    struct web *web = serve(&(struct web_spec){ .delay_ms = 20 });
    open_loops(&(struct setting){ .concurrency = 50 });
    submit_many(web, 500, "/%d.jpg");
    check_all_right(500);
    struct web_counts counts = web_counts(web);
    CHECK(counts.most_waiting > 25 && counts.most_waiting <= 53);
    CHECK(counts.connections <= 60);
    CHECK_INT(f.stage.items, 500);
    CHECK_INT(f.stage.bytes, 500 * BODY);
    close_loops();
    web_stop(web);
}

TEST(several_loops_share_the_work)
{
    struct web *web = serve(&(struct web_spec){ .delay_ms = 5, .closes = true });
    open_loops(&(struct setting){ .concurrency = 20, .threads = 3 });
    submit_many(web, 200, "/%d.jpg");
    check_all_right(200);
    CHECK(web_counts(web).connections >= 200 && web_counts(web).most_waiting <= 22);
    close_loops();
    web_stop(web);
}

TEST(a_refusal_is_a_row_of_its_kind_and_is_not_repeated)
{
    struct web *web = serve(&(struct web_spec){ 0 });
    struct setting setting = { 0 };
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
        const struct outcome *outcome = fetch_one(&setting, web_url(web, cases[i].path));
        CHECK_INT(outcome->error, cases[i].error);
        CHECK_CONTAINS(outcome->detail, cases[i].says);
        CHECK_CONTAINS(outcome->detail, "http://127.0.0.1:");
        CHECK(!strstr(outcome->detail, "a?status"));
        CHECK_INT(f.stage.retries, 0);
        CHECK_INT(f.stage.errors, 1);
    }
    CHECK_INT(web_counts(web).requests, ARRAY_SIZE(cases));
    web_stop(web);
}

TEST(an_impossible_address_is_told)
{
    struct setting setting = { 0 };
    CHECK_INT(fetch_one(&setting, "http://127.0.0.1:1/a b")->error, ROW_UNSUPPORTED);
    CHECK_CONTAINS(f.outcomes[0].detail, "write a blank as %20");
    CHECK_INT(fetch_one(&setting, "http://me:hush@no-such-host.invalid/a?sig=hush")->error, ROW_FETCH);
    CHECK_CONTAINS(f.outcomes[0].detail, "resolve");
    CHECK(!strstr(f.outcomes[0].detail, "hush"));
    char nul[] = "http://127.0.0.1/a\0b";
    CHECK_INT(fetch_item(&setting, (struct rec_item){ .uri = { nul, sizeof(nul) - 1 }, .etag = "" })->error, ROW_UNSUPPORTED);
}

/* Every kind of trouble, for every fifth request. */
TEST(a_fifth_of_bad_answers_costs_no_image)
{
    struct web *web = serve(&(struct web_spec){ .delay_ms = 5, .bad = 0.2, .kinds = "reset,truncate,stall,silent,503,500,429", .seed = 5 });
    open_loops(&(struct setting){ .stall_ms = (int)(500 * patience(1)), .store_timeout_ms = 60000 });
    submit_many(web, 355, "/%d.jpg");
    check_all_right(355);
    struct web_counts counts = web_counts(web);
    /* libcurl repeats by itself what is reset on a connection that was in use before. */
    CHECK(counts.bad > 50 && f.stage.retries > 40 && f.stage.retries <= counts.requests - 355);
    close_loops();
    web_stop(web);
}

TEST(a_body_that_is_cut_off_is_asked_for_again)
{
    struct web *web = serve(&(struct web_spec){ 0 });
    struct setting setting = { 0 };
    CHECK_INT(fetch_one(&setting, web_url(web, "/a?cut=20000&times=2"))->error, ROW_OK);
    CHECK(f.outcomes[0].right);
    CHECK_INT(f.stage.retries, 2);
    CHECK_INT(web_counts(web).requests, 3);
    web_stop(web);
}

/* It may have been cut off on the way, unless the list says how long it is. */
TEST(a_body_that_only_ends_with_its_connection_is_taken_if_its_length_is_known)
{
    struct web *web = serve(&(struct web_spec){ 0 });
    struct setting setting = { 0 };
    CHECK_INT(fetch_one(&setting, web_url(web, "/a?unmarked"))->error, ROW_FETCH);
    CHECK_CONTAINS(f.outcomes[0].detail, "does not say how long the file is");
    struct rec_item item = item_of(web_url(web, "/a?unmarked"));
    item.size = BODY;
    CHECK_INT(fetch_item(&setting, item)->error, ROW_OK);
    CHECK_INT(f.stage.retries, 0);
    item = item_of(web_url(web, "/b?unmarked&cut=20000&times=1"));
    web_put(web, "/b", body(), BODY);
    item.size = BODY;
    CHECK_INT(fetch_item(&setting, item)->error, ROW_OK);
    CHECK_INT(f.stage.retries, 1);
    web_stop(web);
}

TEST(what_is_not_as_it_was_listed_is_an_error_that_says_so)
{
    struct web *web = serve(&(struct web_spec){ 0 });
    struct setting setting = { 0 };
    struct rec_item item = item_of(web_url(web, "/a?etag=one"));
    item.size = BODY + 1;
    CHECK_INT(fetch_item(&setting, item)->error, ROW_FETCH);
    CHECK_CONTAINS(f.outcomes[0].detail, "changed since it was listed");
    item.size = BODY;
    item.etag = "two";
    CHECK_INT(fetch_item(&setting, item)->error, ROW_FETCH);
    CHECK_CONTAINS(f.outcomes[0].detail, "changed since it was listed");
    item.etag = "\"one\"";
    CHECK_INT(fetch_item(&setting, item)->error, ROW_OK);
    CHECK_INT(web_counts(web).requests, 3);
    item = item_of(web_url(web, "/a?length=29000"));
    item.size = 29000;
    CHECK_INT(fetch_item(&setting, item)->error, ROW_OK); /* as long as was promised and listed: the decoder will see */
    item = item_of(web_url(web, "/a?chunked"));
    item.size = BODY - 1;
    CHECK_INT(fetch_item(&setting, item)->error, ROW_FETCH);
    web_stop(web);
}

TEST(what_is_too_large_is_not_read_to_its_end)
{
    struct web *web = serve(&(struct web_spec){ 0 });
    struct setting setting = { .file_bytes = 200000 };
    CHECK_INT(fetch_one(&setting, web_url(web, "/a?length=200001"))->error, ROW_TOO_LARGE);
    CHECK_CONTAINS(f.outcomes[0].detail, "200001 bytes");
    CHECK_INT(fetch_one(&setting, web_url(web, "/a?infinite"))->error, ROW_TOO_LARGE);
    struct rec_item item = item_of(web_url(web, "/a"));
    item.size = 1 << 30;
    uint64_t requests = web_counts(web).requests;
    CHECK_INT(fetch_item(&setting, item)->error, ROW_TOO_LARGE);
    CHECK_INT(web_counts(web).requests, requests);
    CHECK_INT(fetch_one(&setting, web_url(web, "/a?chunked"))->error, ROW_OK);
    CHECK(f.outcomes[0].right);
    web_stop(web);
}

/* Sizes unknown beforehand, guessed too small, and a budget for three files. */
TEST(the_budget_holds_back_and_is_never_passed)
{
    static char large[400000];
    struct web *web = serve(&(struct web_spec){ .delay_ms = 2 });
    web_put(web, "/large", large, sizeof(large));
    open_loops(&(struct setting){ .budget = 500000 });
    static struct rec_item items[120];
    static char uris[120][128];
    for (int i = 0; i < 120; i++) {
        char path[64];
        snprintf(path, sizeof(path), i % 10 == 3 ? "/large?%s%d" : "/%s%d.jpg", i % 20 == 3 ? "chunked&n=" : "n=", i);
        snprintf(uris[i], sizeof(uris[i]), "%s", web_url(web, path));
        items[i] = item_of(uris[i]);
        items[i].size = i % 10 == 4 ? BODY : 0;
    }
    submit_items(items, 120);
    wait_for_done(120);
    for (int i = 0; i < 120; i++) {
        CHECK_INT(f.outcomes[i].error, ROW_OK);
        CHECK_INT(f.outcomes[i].size, i % 10 == 3 ? 400000 : BODY);
    }
    CHECK(f.most_held <= 500000);
    close_loops();
    web_stop(web);
}

TEST(a_full_budget_stops_fetching_until_it_is_given_back)
{
    struct web *web = serve(&(struct web_spec){ 0 });
    open_loops(&(struct setting){ .budget = 3 * BODY });
    f.keep = true;
    static struct rec_item items[10];
    static char uris[10][128];
    for (int i = 0; i < 10; i++) {
        snprintf(uris[i], sizeof(uris[i]), "%s", web_url(web, "/x"));
        items[i] = item_of(uris[i]);
        items[i].size = BODY;
    }
    submit_items(items, 10);
    wait_for_done(3);
    struct timespec nap = { 0, 100 * NS_PER_MS };
    nanosleep(&nap, NULL);
    CHECK_INT(web_counts(web).requests, 3);
    for (int given = 0; given < 10; given++) {
        wait_for_done(given + 1);
        budget_give(&f.budget, BODY);
    }
    wait_for_done(10);
    close_loops();
    web_stop(web);
}

TEST(redirects_are_followed_but_not_anywhere)
{
    struct web *web = serve(&(struct web_spec){ 0 });
    struct setting setting = { 0 };
    char path[300];
    snprintf(path, sizeof(path), "/a?redirect=%s", web_url(web, "/b"));
    CHECK_INT(fetch_one(&setting, web_url(web, path))->error, ROW_OK);
    CHECK(f.outcomes[0].right);
    CHECK_INT(fetch_one(&setting, web_url(web, "/a?redirect=file:///etc/passwd"))->error, ROW_FETCH);
    CHECK_INT(fetch_one(&setting, web_url(web, "/a?redirect=/a?redirect=/a?redirect=/a?redirect=/a?redirect=/a?redirect=/a"))->error, ROW_FETCH);
    CHECK_CONTAINS(f.outcomes[0].detail, "redirects");
    web_stop(web);
}

TEST(a_get_that_is_much_slower_than_the_others_has_one_copy)
{
    struct web *web = serve(&(struct web_spec){ .delay_ms = 5 });
    open_loops(&(struct setting){ .concurrency = 8 });
    submit_many(web, 101, "/%d.jpg");
    check_all_right(101);
    work_free(f.work);
    f.done = 0;
    uint64_t connections = web_counts(web).connections, copies = f.stage.copies;
    web_put(web, "/slow", body(), BODY);
    double start = now_s();
    struct rec_item item = item_of(web_url(web, "/slow?delay=30000&times=1"));
    submit_items(&item, 1);
    wait_for_done(1);
    CHECK(f.outcomes[0].right);
    CHECK(now_s() - start < 25);
    CHECK_INT(f.stage.copies, copies + 1);
    CHECK_INT(f.stage.retries, 0);
    CHECK_INT(web_requests_of(web, "/slow"), 2);
    CHECK_INT(web_counts(web).connections, connections + 1);
    close_loops();
    web_stop(web);
}

TEST(copies_are_rationed_when_everything_is_slow)
{
    struct web *web = serve(&(struct web_spec){ .delay_ms = 2 });
    open_loops(&(struct setting){ .concurrency = 100 });
    submit_many(web, 60, "/%d.jpg");
    check_all_right(60);
    work_free(f.work);
    f.done = 0;
    submit_many(web, 200, "/%d.jpg?delay=700");
    check_all_right(200);
    CHECK(f.stage.copies <= (60 + 200) / 20 + 1);
    close_loops();
    web_stop(web);
}

TEST(a_store_that_is_down_is_waited_for)
{
    struct web *web = serve(&(struct web_spec){ .delay_ms = 10 });
    open_loops(&(struct setting){ .concurrency = 20, .store_timeout_ms = 60000 });
    submit_many(web, 400, "/%d.jpg");
    wait_for_done(50);
    web_down(web);
    WAIT_FOR(atomic_load(&f.stage.down) == 1);
    struct timespec nap = { 1, 0 };
    nanosleep(&nap, NULL);
    web_up(web);
    check_all_right(400);
    CHECK_INT(f.stage.errors, 0);
    WAIT_FOR(atomic_load(&f.stage.down) == 0);
    close_loops();
    web_stop(web);
}

/* The store is back, and only the object that it is asked for first never comes. */
TEST(one_object_that_stalls_does_not_keep_a_store_down)
{
    struct web *web = serve(&(struct web_spec){ 0 });
    static struct rec_item items[10];
    char text[10][256];
    web_put(web, "/never", "", 0);
    for (int i = 0; i < 10; i++) {
        snprintf(text[i], sizeof(text[i]), "%s", web_url(web, i ? "/a" : "/never?silent"));
        items[i] = item_of(text[i]);
    }
    open_loops(&(struct setting){ .concurrency = 1, .stall_ms = 300, .store_timeout_ms = 60000 });
    web_down(web);
    CHECK_INT(work_new(1, 1, items, 10, 1, 0, &f.work), 0);
    loops_submit(f.loops, &f.work->tasks[0]);
    WAIT_FOR(atomic_load(&f.stage.down) == 1);
    for (int i = 1; i < 10; i++)
        loops_submit(f.loops, &f.work->tasks[i]);
    web_up(web);
    wait_for_done(9);
    for (int i = 1; i < 10; i++)
        CHECK_INT(f.outcomes[i].error, ROW_OK);
    close_loops();
    web_stop(web);
}

TEST(a_store_that_stays_down_is_given_up_in_the_end)
{
    struct web *web = serve(&(struct web_spec){ 0 });
    web_down(web);
    open_loops(&(struct setting){ .concurrency = 10, .store_timeout_ms = 800 });
    submit_many(web, 100, "/%d.jpg");
    wait_for_done(100);
    for (int i = 0; i < 100; i++) {
        CHECK_INT(f.outcomes[i].error, ROW_FETCH);
        CHECK_CONTAINS(f.outcomes[i].detail, "--store-timeout");
    }
    /* What comes later is not waited for so long, unless it is back. */
    work_free(f.work);
    f.done = 0;
    submit_many(web, 50, "/late/%d.jpg");
    wait_for_done(50);
    CHECK_INT(f.outcomes[0].error, ROW_FETCH);
    web_up(web);
    work_free(f.work);
    f.done = 0;
    submit_many(web, 50, "/back/%d.jpg");
    check_all_right(50);
    close_loops();
    web_stop(web);
}

TEST(a_store_that_says_503_to_all_is_waited_for)
{
    struct web *web = serve(&(struct web_spec){ .bad = 1, .kinds = "503" });
    open_loops(&(struct setting){ .store_timeout_ms = 60000 });
    submit_many(web, 30, "/%d");
    WAIT_FOR(atomic_load(&f.stage.down) == 1);
    uint64_t requests = web_counts(web).requests;
    WAIT_FOR(web_counts(web).requests >= requests + 2);
    CHECK(web_counts(web).requests < requests + 10 && !f.done); /* probes, not everything again */
    web_misbehave(web, 0, NULL);
    check_all_right(30);
    close_loops();
    web_stop(web);
}

TEST(what_stands_still_is_begun_again)
{
    struct web *web = serve(&(struct web_spec){ 0 });
    struct setting setting = { .stall_ms = (int)(300 * patience(1)), .store_timeout_ms = 1000 };
    CHECK_INT(fetch_one(&setting, web_url(web, "/a?stall&times=1"))->error, ROW_OK);
    CHECK_INT(f.stage.retries, 1);
    CHECK_INT(fetch_one(&setting, web_url(web, "/b?silent&times=2"))->error, ROW_OK);
    CHECK(f.outcomes[0].right);
    web_stop(web);
}

TEST(abandoned_work_is_let_go_at_once)
{
    struct web *web = serve(&(struct web_spec){ 0 });
    open_loops(&(struct setting){ .concurrency = 10 });
    submit_many(web, 50, "/%d.jpg?silent");
    WAIT_FOR(web_counts(web).requests == 10);
    atomic_store(&f.work->abandoned, true);
    loops_poke(f.loops);
    wait_for_done(50);
    CHECK_STR(f.outcomes[49].detail, "abandoned");
    WAIT_FOR(web_counts(web).open == 0);
    CHECK_INT(web_counts(web).requests, 10);
    close_loops();
    web_stop(web);
}

TEST(loops_end_with_much_inside)
{
    struct web *web = serve(&(struct web_spec){ 0 });
    open_loops(&(struct setting){ .concurrency = 10, .budget = 5 * BODY, .threads = 2 });
    submit_many(web, 50, "/%d.jpg?silent");
    WAIT_FOR(web_counts(web).requests > 0);
    close_loops();
    CHECK_INT(f.done, 50);
    for (int i = 0; i < 50; i++)
        CHECK_INT(f.outcomes[i].error, ROW_ERRORS);
    web_stop(web);
}

TEST(folders_take_turns)
{
    struct web *web = serve(&(struct web_spec){ .delay_ms = 3 });
    open_loops(&(struct setting){ .concurrency = 1 });
    static struct rec_item items[40];
    static char uris[40][128];
    for (int i = 0; i < 40; i++) {
        char path[32];
        snprintf(path, sizeof(path), "/%s/%d", i < 20 ? "first" : "second", i);
        snprintf(uris[i], sizeof(uris[i]), "%s", web_url(web, path));
        items[i] = item_of(uris[i]);
    }
    submit_items(items, 40);
    wait_for_done(40);
    int early = 0;
    for (int i = 20; i < 40; i++)
        early += f.outcomes[i].place < 20;
    CHECK(early >= 7 && early <= 13);
    close_loops();
    web_stop(web);
}

TEST(an_untrusted_certificate_is_told)
{
    struct timespec nap = { 0, 20 * NS_PER_MS };
    char uri[64];
    test_write_file("file", body(), BODY);
    CHECK_INT(test_shell(NULL, "openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out certificate -days 2 -subj /CN=test "
                               "-addext subjectAltName=IP:127.0.0.1 2>openssl.log"), 0);
    CHECK_INT(test_shell(NULL, "python3 %s/tests/golden/http_server.py file certificate key </dev/null >server.log 2>&1 &", test_source()), 0);
    for (int i = 0; i < 1000 && access("port", F_OK) < 0; i++)
        nanosleep(&nap, NULL);
    CLEANUP(freep) char *port = test_read_file("port", NULL);
    snprintf(uri, sizeof(uri), "https://127.0.0.1:%d/file", atoi(port));
    struct setting setting = { 0 };
    CHECK_INT(fetch_one(&setting, uri)->error, ROW_FETCH);
    CHECK_CONTAINS(f.outcomes[0].detail, "certificate is not trusted");
    CHECK_INT(f.stage.retries, 0);
    setenv("SSL_CERT_FILE", "certificate", 1);
    CHECK_INT(fetch_one(&setting, uri)->error, ROW_OK);
    CHECK(f.outcomes[0].right);
}
