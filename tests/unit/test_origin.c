#include "worker/fetch/origin.h"

#include "common/clock.h"
#include "tests/test.h"

#define GETS 64

static struct origins origins;
static struct get gets[GETS];

static struct get *wait_at(int number, const char *uri)
{
    memset(&gets[number], 0, sizeof(gets[number]));
    CHECK(origins_join(&origins, &gets[number], uri, strlen(uri)));
    origin_wait(&origins, &gets[number], false);
    return &gets[number];
}

static int next_number(uint64_t now_ns)
{
    const struct get *get = origins_next(&origins, now_ns);
    return get ? (int)(get - gets) : -1;
}

static void leave_all(void)
{
    for (int number; (number = next_number(UINT64_MAX)) >= 0;)
        origins_leave(&origins, &gets[number]);
    origins_done(&origins);
}

TEST(an_origin_is_scheme_host_and_port_or_a_bucket)
{
    static const char *const uris[] = { "http://h/a", "http://h?x", "http://h:80/a", "https://h/a", "s3://b/k", "s3://c/k?/b", "http://h/b#c" };
    for (int i = 0; i < 7; i++)
        wait_at(i, uris[i]);
    CHECK(gets[0].origin == gets[1].origin && gets[0].origin == gets[6].origin);
    CHECK_INT(origins.count, 5);
    CHECK_STR(gets[5].origin->name, "s3://c");
    CHECK_STR(gets[2].origin->name, "http://h:80");
    wait_at(7, "https://me:hush@h/a");
    CHECK_STR(gets[7].origin->name, "https://h");
    CHECK(gets[7].origin != gets[3].origin);
    leave_all();
}

TEST(folders_take_turns_and_keep_their_order)
{
    wait_at(0, "s3://b/one/1");
    wait_at(1, "s3://b/one/2");
    wait_at(2, "s3://b/one/3");
    wait_at(3, "s3://b/two/1");
    wait_at(4, "s3://b/two/2");
    CHECK(gets[0].lane != gets[3].lane);
    int order[5], at[5];
    for (int i = 0; i < 5; i++) {
        order[i] = next_number(0);
        at[order[i]] = i;
    }
    CHECK(at[0] < at[1] && at[1] < at[2] && at[3] < at[4]);
    CHECK(at[3] < 2 && at[4] < 4);
    CHECK_INT(next_number(0), -1);
    leave_all();
}

static bool is_second(const struct get *get)
{
    return get == &gets[1];
}

TEST(a_lane_whose_last_get_was_taken_out_goes_on_behind_the_one_before)
{
    for (int i = 0; i < 2; i++)
        wait_at(i, "s3://b/one/1");
    CHECK(origin_take(&origins, gets[0].origin, is_second) == &gets[1]);
    CHECK(!origin_take(&origins, gets[0].origin, is_second));
    origins_leave(&origins, &gets[1]);
    wait_at(2, "s3://b/one/2");
    CHECK_INT(origins.waiting, 2);
    CHECK_INT(next_number(0), 0);
    CHECK_INT(next_number(0), 2);
    CHECK_INT(next_number(0), -1);
    origins_leave(&origins, &gets[0]);
    origins_leave(&origins, &gets[2]);
    leave_all();
}

TEST(origins_take_turns)
{
    for (int i = 0; i < 10; i++)
        wait_at(i, "http://busy/x");
    wait_at(10, "http://quiet/x");
    int first = next_number(0), second = next_number(0);
    CHECK(first == 10 || second == 10);
    leave_all();
}

static void fail(struct get *get, enum origin_trouble trouble, int times, uint64_t now_ns)
{
    for (int i = 0; i < times; i++)
        origin_failed(&origins, get, trouble, now_ns, 60 * NS_PER_S);
}

TEST(an_origin_that_never_answers_is_down_and_is_probed_at_growing_intervals)
{
    struct get *a = wait_at(0, "http://h/a");
    wait_at(1, "http://h/b");
    wait_at(2, "http://other/c");
    fail(a, ORIGIN_UNAVAILABLE, 11, 0);
    CHECK(!a->origin->down_ns);
    origin_answered(&origins, a->origin);
    fail(a, ORIGIN_REFUSED, 3, 1000);
    CHECK(a->origin->down_ns == 1000 && origins.down == 1);
    CHECK_INT(next_number(2000), 2); /* the other one goes on */
    CHECK_INT(next_number(2000), -1);
    uint64_t at = 1000, last = 0;
    for (int i = 0; i < 8; i++) {
        uint64_t due = a->origin->probe_ns;
        CHECK(due > at && due - at >= last && due - at <= 5 * NS_PER_S);
        last = due - at;
        CHECK_INT(next_number(due - 1), -1);
        struct get *probe = origins_next(&origins, due);
        CHECK(probe && !origins_next(&origins, due)); /* one at a time */
        CHECK(origin_failed(&origins, probe, ORIGIN_REFUSED, due, 60 * NS_PER_S));
        origin_wait(&origins, probe, true);
        at = due;
    }
    struct get *probe = origins_next(&origins, UINT64_MAX);
    origin_answered(&origins, probe->origin);
    CHECK(!origins.down && origins_next(&origins, 0));
    leave_all();
}

TEST(an_origin_is_given_up_after_its_time_and_an_answer_brings_it_back)
{
    struct get *a = wait_at(0, "http://h/a");
    fail(a, ORIGIN_REFUSED, 3, 1);
    struct get *probe = origins_next(&origins, 70 * NS_PER_S);
    CHECK(probe == a);
    origin_failed(&origins, probe, ORIGIN_REFUSED, 70 * NS_PER_S, 60 * NS_PER_S);
    CHECK(a->origin->given_up);
    wait_at(1, "http://h/b");
    CHECK_INT(next_number(70 * NS_PER_S), 1); /* at once */
    origin_answered(&origins, a->origin);
    CHECK(!a->origin->given_up && !a->origin->down_ns);
    leave_all();
}

TEST(an_origin_that_nobody_waits_for_is_not_down)
{
    struct get *a = wait_at(0, "http://h/a");
    fail(a, ORIGIN_REFUSED, 3, 1);
    CHECK_INT(origins.down, 1);
    CHECK_INT(next_number(UINT64_MAX), 0);
    origins_leave(&origins, a);
    CHECK_INT(origins.down, 0);
    leave_all();
}

static void use_once(int count)
{
    char uri[64];
    for (int i = 0; i < count; i++) {
        snprintf(uri, sizeof(uri), "http://host%d/x", i);
        wait_at(0, uri);
        CHECK_INT(next_number(0), 0);
        origins_leave(&origins, &gets[0]);
    }
}

TEST(unused_origins_are_forgotten_when_there_are_many)
{
    use_once(2000);
    CHECK(origins.count <= 256);
    leave_all();
}

TEST(an_origin_whose_turn_it_is_can_be_forgotten)
{
    use_once(256);
    struct origin *newest = origins.first;
    wait_at(0, "http://a/x");
    CHECK(origins.first->next != newest); /* it made room */
    newest = origins.first->next;
    CHECK_INT(next_number(0), 0);
    CHECK(origins.turn == newest);
    wait_at(1, "http://b/x");
    CHECK(origins.turn != newest);
    CHECK_INT(next_number(0), 1);
    leave_all();
}

TEST(the_guess_at_a_size_follows_what_came)
{
    struct get *a = wait_at(0, "http://h/a");
    origin_learn_size(a->origin, 4 << 20);
    CHECK_INT(a->origin->room, 5 << 20);
    for (int i = 0; i < 1000; i++)
        origin_learn_size(a->origin, 100000);
    CHECK(a->origin->room < 200000 && a->origin->room >= 125000);
    leave_all();
}
