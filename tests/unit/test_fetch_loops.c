/* test_fetch_loops.c: many objects at once, in bounded memory: how the event loops share, hold back, copy and end. */
#include "common/clock.h"
#include "tests/cluster/lib/process.h"
#include "tests/fetch_bed.h"

#include <time.h>

TEST(many_objects_are_under_way_at_once_over_connections_that_are_kept)
{
    struct web *web = fetch_bed_serve(&(struct web_spec){ .delay_ms = 20 });
    fetch_bed_open(&(struct fetch_setting){ .concurrency = 50 });
    fetch_bed_submit_many(web, 500, "/%d.jpg");
    fetch_bed_check_all_right(500);
    struct web_counts counts = web_counts(web);
    CHECK(counts.most_waiting > 25 && counts.most_waiting <= 53);
    CHECK(counts.connections <= 60);
    CHECK_INT(fetch_bed.stage.items, 500);
    CHECK_INT(fetch_bed.stage.bytes, 500 * FETCH_BODY);
    fetch_bed_close();
    web_stop(web);
}

TEST(several_loops_share_the_work)
{
    struct web *web = fetch_bed_serve(&(struct web_spec){ .delay_ms = 5, .closes = true });
    fetch_bed_open(&(struct fetch_setting){ .concurrency = 20, .threads = 3 });
    fetch_bed_submit_many(web, 200, "/%d.jpg");
    fetch_bed_check_all_right(200);
    CHECK(web_counts(web).connections >= 200 && web_counts(web).most_waiting <= 22);
    fetch_bed_close();
    web_stop(web);
}

/* Sizes unknown beforehand, guessed too small, and a budget for three files. */
TEST(the_budget_holds_back_and_is_never_passed)
{
    static char large[400000];
    struct web *web = fetch_bed_serve(&(struct web_spec){ .delay_ms = 2 });
    web_put(web, "/large", large, sizeof(large));
    fetch_bed_open(&(struct fetch_setting){ .budget = 500000 });
    static struct rec_item items[120];
    static char uris[120][128];
    for (int i = 0; i < 120; i++) {
        char path[64];
        snprintf(path, sizeof(path), i % 10 == 3 ? "/large?%s%d" : "/%s%d.jpg", i % 20 == 3 ? "chunked&n=" : "n=", i);
        snprintf(uris[i], sizeof(uris[i]), "%s", web_url(web, path));
        items[i] = fetch_bed_item(uris[i]);
        items[i].size = i % 10 == 4 ? FETCH_BODY : 0;
    }
    fetch_bed_submit(items, 120);
    fetch_bed_wait(120);
    for (int i = 0; i < 120; i++) {
        CHECK_INT(fetch_bed.outcomes[i].error, ROW_OK);
        CHECK_INT(fetch_bed.outcomes[i].size, i % 10 == 3 ? 400000 : FETCH_BODY);
    }
    CHECK(fetch_bed.most_held <= 500000);
    fetch_bed_close();
    web_stop(web);
}

TEST(a_full_budget_stops_fetching_until_it_is_given_back)
{
    struct web *web = fetch_bed_serve(&(struct web_spec){ 0 });
    fetch_bed_open(&(struct fetch_setting){ .budget = 3 * FETCH_BODY });
    fetch_bed.keep = true;
    static struct rec_item items[10];
    static char uris[10][128];
    for (int i = 0; i < 10; i++) {
        snprintf(uris[i], sizeof(uris[i]), "%s", web_url(web, "/x"));
        items[i] = fetch_bed_item(uris[i]);
        items[i].size = FETCH_BODY;
    }
    fetch_bed_submit(items, 10);
    fetch_bed_wait(3);
    struct timespec nap = { 0, 100 * NS_PER_MS };
    nanosleep(&nap, NULL);
    CHECK_INT(web_counts(web).requests, 3);
    for (int given = 0; given < 10; given++) {
        fetch_bed_wait(given + 1);
        budget_give(&fetch_bed.budget, FETCH_BODY);
    }
    fetch_bed_wait(10);
    fetch_bed_close();
    web_stop(web);
}

TEST(a_get_that_is_much_slower_than_the_others_has_one_copy)
{
    struct web *web = fetch_bed_serve(&(struct web_spec){ .delay_ms = 5 });
    fetch_bed_open(&(struct fetch_setting){ .concurrency = 8 });
    fetch_bed_submit_many(web, 101, "/%d.jpg");
    fetch_bed_check_all_right(101);
    work_free(fetch_bed.work);
    fetch_bed.done = 0;
    uint64_t connections = web_counts(web).connections, copies = fetch_bed.stage.copies;
    web_put(web, "/slow", fetch_bed_body(), FETCH_BODY);
    double start = now_s();
    struct rec_item item = fetch_bed_item(web_url(web, "/slow?delay=30000&times=1"));
    fetch_bed_submit(&item, 1);
    fetch_bed_wait(1);
    CHECK(fetch_bed.outcomes[0].right);
    CHECK(now_s() - start < 25);
    CHECK_INT(fetch_bed.stage.copies, copies + 1);
    CHECK_INT(fetch_bed.stage.retries, 0);
    CHECK_INT(web_requests_of(web, "/slow"), 2);
    CHECK_INT(web_counts(web).connections, connections + 1);
    fetch_bed_close();
    web_stop(web);
}

/* So many quick ones that there is patience with others, and a ration of copies. */
static void open_quick(struct web *web)
{
    fetch_bed_open(&(struct fetch_setting){ .concurrency = 8 });
    fetch_bed_submit_many(web, 300, "/%d.jpg");
    fetch_bed_check_all_right(300);
    work_free(fetch_bed.work);
    fetch_bed.done = 0;
}

TEST(a_get_whose_copy_is_slow_too_has_no_other)
{
    struct web *web = fetch_bed_serve(&(struct web_spec){ .delay_ms = 5 });
    open_quick(web);
    uint64_t copies = fetch_bed.stage.copies;
    web_put(web, "/slow", fetch_bed_body(), FETCH_BODY);
    struct rec_item item = fetch_bed_item(web_url(web, "/slow?delay=3000&times=2"));
    fetch_bed_submit(&item, 1);
    fetch_bed_wait(1);
    CHECK(fetch_bed.outcomes[0].right);
    CHECK_INT(fetch_bed.stage.copies, copies + 1);
    CHECK_INT(web_requests_of(web, "/slow"), 2);
    fetch_bed_close();
    web_stop(web);
}

TEST(a_copy_that_shows_what_cannot_be_mended_ends_the_get)
{
    struct web *web = fetch_bed_serve(&(struct web_spec){ .delay_ms = 5 });
    open_quick(web);
    web_put(web, "/slow", fetch_bed_body(), FETCH_BODY);
    struct rec_item item = fetch_bed_item(web_url(web, "/slow?delay=30000&times=1"));
    item.size = FETCH_BODY + 1;
    double start = now_s();
    fetch_bed_submit(&item, 1);
    fetch_bed_wait(1);
    CHECK_INT(fetch_bed.outcomes[0].error, ROW_FETCH);
    CHECK_CONTAINS(fetch_bed.outcomes[0].detail, "has changed since it was listed");
    CHECK(now_s() - start < 25);
    CHECK_INT(web_requests_of(web, "/slow"), 2);
    fetch_bed_close();
    CHECK_INT(fetch_bed.done, 1);
    web_stop(web);
}

TEST(copies_are_rationed_when_everything_is_slow)
{
    struct web *web = fetch_bed_serve(&(struct web_spec){ .delay_ms = 2 });
    fetch_bed_open(&(struct fetch_setting){ .concurrency = 100 });
    fetch_bed_submit_many(web, 60, "/%d.jpg");
    fetch_bed_check_all_right(60);
    work_free(fetch_bed.work);
    fetch_bed.done = 0;
    fetch_bed_submit_many(web, 200, "/%d.jpg?delay=700");
    fetch_bed_check_all_right(200);
    CHECK(fetch_bed.stage.copies <= (60 + 200) / 20 + 1);
    fetch_bed_close();
    web_stop(web);
}

TEST(abandoned_work_is_let_go_at_once)
{
    struct web *web = fetch_bed_serve(&(struct web_spec){ 0 });
    fetch_bed_open(&(struct fetch_setting){ .concurrency = 10 });
    fetch_bed_submit_many(web, 50, "/%d.jpg?silent");
    WAIT_FOR(web_counts(web).requests == 10);
    atomic_store(&fetch_bed.work->abandoned, true);
    loops_poke(fetch_bed.loops);
    fetch_bed_wait(50);
    CHECK_STR(fetch_bed.outcomes[49].detail, "abandoned");
    WAIT_FOR(web_counts(web).open == 0);
    CHECK_INT(web_counts(web).requests, 10);
    fetch_bed_close();
    web_stop(web);
}

TEST(an_abandoned_get_is_let_go_with_its_copy)
{
    struct web *web = fetch_bed_serve(&(struct web_spec){ .delay_ms = 5 });
    open_quick(web);
    uint64_t copies = fetch_bed.stage.copies;
    struct rec_item item = fetch_bed_item(web_url(web, "/slow?silent"));
    fetch_bed_submit(&item, 1);
    WAIT_FOR(atomic_load(&fetch_bed.stage.copies) == copies + 1);
    atomic_store(&fetch_bed.work->abandoned, true);
    loops_poke(fetch_bed.loops);
    fetch_bed_wait(1);
    CHECK_STR(fetch_bed.outcomes[0].detail, "abandoned");
    CHECK_INT(fetch_bed.budget.used, 0);
    fetch_bed_close();
    CHECK_INT(fetch_bed.done, 1);
    web_stop(web);
}

TEST(loops_end_with_gets_that_rest_before_another_attempt)
{
    struct web *web = fetch_bed_serve(&(struct web_spec){ 0 });
    fetch_bed_open(&(struct fetch_setting){ .store_timeout_ms = 60000 });
    fetch_bed_submit_many(web, 20, "/%d.jpg?status=500");
    WAIT_FOR(atomic_load(&fetch_bed.stage.retries) >= 20);
    fetch_bed_close();
    CHECK_INT(fetch_bed.done, 20);
    for (int i = 0; i < 20; i++)
        CHECK_INT(fetch_bed.outcomes[i].error, ROW_ERRORS);
    web_stop(web);
}

TEST(loops_end_with_much_inside)
{
    struct web *web = fetch_bed_serve(&(struct web_spec){ 0 });
    fetch_bed_open(&(struct fetch_setting){ .concurrency = 10, .budget = 5 * FETCH_BODY, .threads = 2 });
    fetch_bed_submit_many(web, 50, "/%d.jpg?silent");
    WAIT_FOR(web_counts(web).requests > 0);
    fetch_bed_close();
    CHECK_INT(fetch_bed.done, 50);
    for (int i = 0; i < 50; i++)
        CHECK_INT(fetch_bed.outcomes[i].error, ROW_ERRORS);
    web_stop(web);
}

TEST(folders_take_turns)
{
    struct web *web = fetch_bed_serve(&(struct web_spec){ .delay_ms = 3 });
    fetch_bed_open(&(struct fetch_setting){ .concurrency = 1 });
    static struct rec_item items[40];
    static char uris[40][128];
    for (int i = 0; i < 40; i++) {
        char path[32];
        snprintf(path, sizeof(path), "/%s/%d", i < 20 ? "first" : "second", i);
        snprintf(uris[i], sizeof(uris[i]), "%s", web_url(web, path));
        items[i] = fetch_bed_item(uris[i]);
    }
    fetch_bed_submit(items, 40);
    fetch_bed_wait(40);
    int early = 0;
    for (int i = 20; i < 40; i++)
        early += fetch_bed.outcomes[i].place < 20;
    CHECK(early >= 7 && early <= 13);
    fetch_bed_close();
    web_stop(web);
}
