/* test_fetch_trouble.c: servers that answer badly, stand still or are down for a while. */
#include "tests/fetch_bed.h"

#include "tests/cluster/lib/process.h"

#include <time.h>

/* Every kind of trouble, for every fifth request. */
TEST(a_fifth_of_bad_answers_costs_no_image)
{
    struct web *web = fetch_bed_serve(&(struct web_spec){ .delay_ms = 5, .bad = 0.2, .kinds = "reset,truncate,stall,silent,503,500,429", .seed = 5 });
    fetch_bed_open(&(struct fetch_setting){ .stall_ms = (int)(500 * patience(1)), .store_timeout_ms = 60000 });
    fetch_bed_submit_many(web, 355, "/%d.jpg");
    fetch_bed_check_all_right(355);
    struct web_counts counts = web_counts(web);
    /* libcurl repeats by itself what is reset on a connection that was in use before. */
    CHECK(counts.bad > 50 && fetch_bed.stage.retries > 40 && fetch_bed.stage.retries <= counts.requests - 355);
    fetch_bed_close();
    web_stop(web);
}

TEST(a_store_that_is_down_is_waited_for)
{
    struct web *web = fetch_bed_serve(&(struct web_spec){ .delay_ms = 10 });
    fetch_bed_open(&(struct fetch_setting){ .concurrency = 20, .store_timeout_ms = 60000 });
    fetch_bed_submit_many(web, 400, "/%d.jpg");
    fetch_bed_wait(50);
    web_down(web);
    WAIT_FOR(atomic_load(&fetch_bed.stage.down) == 1);
    struct timespec nap = { 1, 0 };
    nanosleep(&nap, NULL);
    web_up(web);
    fetch_bed_check_all_right(400);
    CHECK_INT(fetch_bed.stage.errors, 0);
    WAIT_FOR(atomic_load(&fetch_bed.stage.down) == 0);
    fetch_bed_close();
    web_stop(web);
}

/* The store is back, and only the object that it is asked for first never comes. */
TEST(one_object_that_stalls_does_not_keep_a_store_down)
{
    struct web *web = fetch_bed_serve(&(struct web_spec){ 0 });
    static struct rec_item items[10];
    char text[10][256];
    web_put(web, "/never", "", 0);
    for (int i = 0; i < 10; i++) {
        snprintf(text[i], sizeof(text[i]), "%s", web_url(web, i ? "/a" : "/never?silent"));
        items[i] = fetch_bed_item(text[i]);
    }
    fetch_bed_open(&(struct fetch_setting){ .concurrency = 1, .stall_ms = 300, .store_timeout_ms = 60000 });
    web_down(web);
    CHECK_INT(work_new(1, 1, items, 10, 1, 0, &fetch_bed.work), 0);
    loops_submit(fetch_bed.loops, &fetch_bed.work->tasks[0]);
    WAIT_FOR(atomic_load(&fetch_bed.stage.down) == 1);
    for (int i = 1; i < 10; i++)
        loops_submit(fetch_bed.loops, &fetch_bed.work->tasks[i]);
    web_up(web);
    fetch_bed_wait(9);
    for (int i = 1; i < 10; i++)
        CHECK_INT(fetch_bed.outcomes[i].error, ROW_OK);
    fetch_bed_close();
    web_stop(web);
}

TEST(a_store_that_stays_down_is_given_up_in_the_end)
{
    struct web *web = fetch_bed_serve(&(struct web_spec){ 0 });
    web_down(web);
    fetch_bed_open(&(struct fetch_setting){ .concurrency = 10, .store_timeout_ms = 800 });
    fetch_bed_submit_many(web, 100, "/%d.jpg");
    fetch_bed_wait(100);
    for (int i = 0; i < 100; i++) {
        CHECK_INT(fetch_bed.outcomes[i].error, ROW_FETCH);
        CHECK_CONTAINS(fetch_bed.outcomes[i].detail, "--store-timeout");
    }
    /* What comes later is not waited for so long, unless it is back. */
    work_free(fetch_bed.work);
    fetch_bed.done = 0;
    fetch_bed_submit_many(web, 50, "/late/%d.jpg");
    fetch_bed_wait(50);
    CHECK_INT(fetch_bed.outcomes[0].error, ROW_FETCH);
    web_up(web);
    work_free(fetch_bed.work);
    fetch_bed.done = 0;
    fetch_bed_submit_many(web, 50, "/back/%d.jpg");
    fetch_bed_check_all_right(50);
    fetch_bed_close();
    web_stop(web);
}

TEST(a_store_that_says_503_to_all_is_waited_for)
{
    struct web *web = fetch_bed_serve(&(struct web_spec){ .bad = 1, .kinds = "503" });
    fetch_bed_open(&(struct fetch_setting){ .store_timeout_ms = 60000 });
    fetch_bed_submit_many(web, 30, "/%d");
    WAIT_FOR(atomic_load(&fetch_bed.stage.down) == 1);
    uint64_t requests = web_counts(web).requests;
    WAIT_FOR(web_counts(web).requests >= requests + 2);
    CHECK(web_counts(web).requests < requests + 10 && !fetch_bed.done); /* probes, not everything again */
    web_misbehave(web, 0, NULL);
    fetch_bed_check_all_right(30);
    fetch_bed_close();
    web_stop(web);
}

TEST(what_stands_still_is_begun_again)
{
    struct web *web = fetch_bed_serve(&(struct web_spec){ 0 });
    struct fetch_setting setting = { .stall_ms = (int)(300 * patience(1)), .store_timeout_ms = 1000 };
    CHECK_INT(fetch_bed_fetch(&setting, web_url(web, "/a?stall&times=1"))->error, ROW_OK);
    CHECK_INT(fetch_bed.stage.retries, 1);
    CHECK_INT(fetch_bed_fetch(&setting, web_url(web, "/b?silent&times=2"))->error, ROW_OK);
    CHECK(fetch_bed.outcomes[0].right);
    web_stop(web);
}
