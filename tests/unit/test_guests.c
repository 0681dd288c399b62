#include "proto/guests.h"

#include "common/clock.h"
#include "tests/test.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/* A listener, and the two ends of each connection. */
static int listener;
static struct guests guests;
static uint64_t now = NS_PER_S;

static struct sockaddr_in loopback(const char *address)
{
    struct sockaddr_in name = { .sin_family = AF_INET };
    CHECK_INT(inet_pton(AF_INET, address, &name.sin_addr), 1);
    return name;
}

static void open_listener(void)
{
    struct sockaddr_in name = loopback("0.0.0.0");
    listener = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_INT(bind(listener, (struct sockaddr *)&name, sizeof(name)), 0);
    CHECK_INT(listen(listener, 300), 0);
}

struct connection {
    int here, there;
};

static struct connection come(const char *from)
{
    struct connection made = { -1, socket(AF_INET, SOCK_STREAM, 0) };
    struct sockaddr_in name, own = loopback(from);
    socklen_t size = sizeof(name);
    if (!listener)
        open_listener();
    CHECK_INT(getsockname(listener, (struct sockaddr *)&name, &size), 0);
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK_INT(bind(made.there, (struct sockaddr *)&own, sizeof(own)), 0);
    CHECK_INT(connect(made.there, (struct sockaddr *)&name, sizeof(name)), 0);
    made.here = accept(listener, NULL, NULL);
    CHECK(made.here >= 0);
    return made;
}

static bool enters(const struct connection *connection, char *out)
{
    now += NS_PER_MS;
    return guests_came(&guests, connection->here, now, out, 64);
}

static bool is_shut(const struct connection *connection)
{
    struct pollfd item = { .fd = connection->there, .events = POLLRDHUP };
    return poll(&item, 1, 0) == 1;
}

TEST(the_oldest_stranger_of_an_address_goes_when_too_many_come_from_there)
{
    struct connection all[GUESTS_FROM_ONE + 3];
    char out[64];
    for (int i = 0; i < GUESTS_FROM_ONE; i++) {
        all[i] = come("127.0.0.2");
        CHECK(!enters(&all[i], out));
    }
    CHECK(!guests_said(&guests, all[0].here, true, 0, now));
    for (int i = GUESTS_FROM_ONE; i < GUESTS_FROM_ONE + 3; i++) {
        all[i] = come("127.0.0.2");
        CHECK(enters(&all[i], out));
        CHECK_STR(out, "127.0.0.2");
    }
    CHECK(!is_shut(&all[0])); /* it was of use */
    for (int i = 1; i < GUESTS_FROM_ONE + 3; i++)
        CHECK_INT(is_shut(&all[i]), i <= 3);
    CHECK_INT(guests.put_out, 3);
    struct connection other = come("127.0.0.3");
    CHECK(!enters(&other, out));
    guests_done(&guests);
}

TEST(when_all_are_of_use_the_one_that_comes_goes)
{
    struct connection all[GUESTS_FROM_ONE + 1];
    char out[64];
    for (int i = 0; i <= GUESTS_FROM_ONE; i++) {
        all[i] = come("127.0.0.2");
        CHECK_INT(enters(&all[i], out), i == GUESTS_FROM_ONE);
        guests_said(&guests, all[i].here, true, 0, now);
        CHECK_INT(is_shut(&all[i]), i == GUESTS_FROM_ONE);
    }
    guests_done(&guests);
}

TEST(the_address_with_most_strangers_loses_one_when_there_are_too_many_in_all)
{
    static const int counts[] = { 20, 30, 25, 28, 25 };
    struct connection last = { -1, -1 };
    char out[64], from[64];
    for (int a = 0; a < 5; a++) {
        snprintf(from, sizeof(from), "127.0.1.%d", a + 1);
        for (int i = 0; i < counts[a]; i++) {
            last = come(from);
            CHECK(!enters(&last, out));
        }
    }
    struct connection one = come("127.0.2.1"), two = come("127.0.2.1");
    CHECK(enters(&one, out));
    CHECK_STR(out, "127.0.1.2");
    CHECK(enters(&two, out));
    CHECK_STR(out, "127.0.1.2");
    CHECK(!is_shut(&one) && !is_shut(&two) && !is_shut(&last));
    guests_done(&guests);
}

TEST(one_that_says_too_much_of_no_use_goes_and_its_allowance_comes_back)
{
    struct connection one = come("127.0.0.1");
    char out[64];
    enters(&one, out);
    for (int i = 0; i < GUEST_MOST; i++)
        CHECK(!guests_said(&guests, one.here, true, 1, now));
    now += NS_PER_S;
    for (int i = 0; i < GUEST_REFILL; i++)
        CHECK(!guests_said(&guests, one.here, false, 1, now));
    CHECK(guests_said(&guests, one.here, false, 1, now));
    CHECK(is_shut(&one));
    CHECK(!guests_said(&guests, one.here, false, 1, now)); /* told once */
    CHECK(!guests_went(&guests, one.here, out, sizeof(out)));
    CHECK(!guests_said(&guests, one.here, false, 1e9, now)); /* not known */
    guests_done(&guests);
}

TEST(one_that_says_nothing_goes_after_a_while)
{
    struct connection silent = come("127.0.0.1"), useful = come("127.0.0.1");
    char out[64];
    enters(&silent, out);
    enters(&useful, out);
    guests_said(&guests, useful.here, true, 1, now);
    now += (GUEST_SILENT_S - 1) * NS_PER_S;
    CHECK_INT(guests_tick(&guests, now), 0);
    now += NS_PER_S;
    CHECK_INT(guests_tick(&guests, now), 1);
    CHECK_INT(guests_tick(&guests, now), 0);
    CHECK(is_shut(&silent) && !is_shut(&useful));
    CHECK(!guests_went(&guests, silent.here, out, sizeof(out))); /* that was told when it was put out */
    guests_done(&guests);
}

TEST(one_that_says_much_and_nothing_of_use_goes)
{
    struct connection stranger = come("127.0.0.1"), useful = come("127.0.0.1");
    static const char much[GUEST_BYTES + 1];
    char out[64];
    enters(&stranger, out);
    enters(&useful, out);
    guests_said(&guests, useful.here, true, 1, now);
    CHECK(send(stranger.there, much, 1000, 0) > 0 && send(useful.there, much, 1000, 0) > 0);
    CHECK_INT(guests_tick(&guests, now), 0);
    int gone = 0;
    for (char taken[1024]; !gone; gone = guests_tick(&guests, now)) {
        CHECK(send(stranger.there, much, 1024, 0) > 0 && send(useful.there, much, 1024, 0) > 0);
        CHECK(recv(stranger.here, taken, sizeof(taken), 0) > 0 && recv(useful.here, taken, sizeof(taken), 0) > 0);
    }
    CHECK_INT(gone, 1);
    CHECK(is_shut(&stranger) && !is_shut(&useful));
    guests_done(&guests);
}

TEST(a_descriptor_that_belongs_to_another_by_now_is_left_alone)
{
    struct connection one = come("127.0.0.1"), other = come("127.0.0.1");
    char out[64];
    enters(&one, out);
    CHECK_INT(dup2(other.here, one.here), one.here);
    CHECK(guests_put_out(&guests, one.here));
    CHECK(!is_shut(&other));
    CHECK(!guests_put_out(&guests, other.here));
    guests_done(&guests);
}

TEST(local_sockets_are_not_counted)
{
    int ends[2];
    char out[64];
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    for (int i = 0; i < 2 * GUESTS_MAX; i++)
        CHECK(!guests_came(&guests, ends[0], now, out, sizeof(out)));
    CHECK_INT(guests.count, 0);
    guests_address(&guests, ends[0], out, sizeof(out));
    CHECK_STR(out, "?");
    guests_done(&guests);
}
