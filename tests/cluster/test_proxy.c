/* The proxy of the chaos test does what it says, to ZeroMQ's own streams: otherwise its faults would prove nothing. */
#include "tests/cluster/lib/process.h"
#include "tests/cluster/lib/proxy.h"
#include "tests/cluster/lib/zmtp.h"

#include "common/cleanup.h"
#include "tests/demo/random.h"

#include <limits.h>
#include <zmq.h>

/* A DEALER that reaches a ROUTER through the proxy. */
struct way {
    void *context, *dealer, *router;
    struct proxy *proxy;
};

static void *open_socket(struct way *way, int type)
{
    void *socket = zmq_socket(way->context, type);
    int zero = 0;
    CHECK(socket);
    zmq_setsockopt(socket, ZMQ_LINGER, &zero, sizeof(zero));
    return socket;
}

static void way_open(struct way *way, const struct proxy_plan *plan)
{
    char endpoint[64];
    size_t size = sizeof(endpoint);
    way->context = zmq_ctx_new();
    way->router = open_socket(way, ZMQ_ROUTER);
    way->dealer = open_socket(way, ZMQ_DEALER);
    CHECK_INT(zmq_bind(way->router, "tcp://127.0.0.1:*"), 0);
    CHECK_INT(zmq_getsockopt(way->router, ZMQ_LAST_ENDPOINT, endpoint, &size), 0);
    int port = atoi(strrchr(endpoint, ':') + 1);
    way->proxy = proxy_start(plan, &port, 1);
    snprintf(endpoint, sizeof(endpoint), "tcp://127.0.0.1:%d", proxy_port(way->proxy, 0));
    CHECK_INT(zmq_connect(way->dealer, endpoint), 0);
}

static void way_close(struct way *way)
{
    zmq_close(way->dealer);
    zmq_close(way->router);
    zmq_ctx_term(way->context);
    proxy_stop(way->proxy);
}

static void send_number(struct way *way, int number)
{
    CHECK_INT(zmq_send(way->dealer, &number, sizeof(number), 0), sizeof(number));
}

#define NOTHING INT_MIN

/* The next message's number, or minus its size when it is no whole number; NOTHING when none came for so long. */
static int receive_number(struct way *way, int ms)
{
    char id[64];
    int number = 0;
    zmq_pollitem_t item = { .socket = way->router, .events = ZMQ_POLLIN };
    if (zmq_poll(&item, 1, (long)patience(ms)) != 1)
        return NOTHING;
    CHECK(zmq_recv(way->router, id, sizeof(id), 0) > 0);
    int size = zmq_recv(way->router, &number, sizeof(number), 0);
    return size == sizeof(number) ? number : -size;
}

static struct proxy_plan only(enum proxy_fault fault, int rate, int limit)
{
    struct proxy_plan plan = { .seed = 3, .limit = limit, .delay_ms = 200 };
    plan.rate[fault] = rate;
    return plan;
}

static void fill(char *data, size_t size)
{
    struct dice dice = dice_for(5, size);
    for (size_t i = 0; i < size; i++)
        data[i] = (char)dice_next(&dice);
}

static void echo(struct way *way, const size_t *sizes, int frames)
{
    for (int i = 0; i < frames; i++) {
        CLEANUP(freep) char *data = malloc(sizes[i] + 1);
        fill(data, sizes[i]);
        CHECK_INT(zmq_send(way->dealer, data, sizes[i], i < frames - 1 ? ZMQ_SNDMORE : 0), sizes[i]);
    }
    /* Back the way it came: the routing id leads. */
    for (int more = 1; more;) {
        zmq_msg_t part;
        zmq_msg_init(&part);
        CHECK(zmq_msg_recv(&part, way->router, 0) >= 0);
        more = zmq_msg_more(&part);
        CHECK(zmq_msg_send(&part, way->router, more ? ZMQ_SNDMORE : 0) >= 0);
    }
    for (int i = 0; i < frames; i++) {
        zmq_msg_t part;
        CLEANUP(freep) char *data = malloc(sizes[i] + 1);
        fill(data, sizes[i]);
        zmq_msg_init(&part);
        CHECK_INT(zmq_msg_recv(&part, way->dealer, 0), sizes[i]);
        CHECK_INT(zmq_msg_more(&part), i < frames - 1);
        CHECK_INT(memcmp(zmq_msg_data(&part), data, sizes[i]), 0);
        zmq_msg_close(&part);
    }
}

TEST(short_long_and_many_frames_pass_both_ways_as_they_are)
{
    struct way way;
    way_open(&way, &(struct proxy_plan){ .seed = 1 });
    echo(&way, (const size_t[]){ 0 }, 1);
    echo(&way, (const size_t[]){ 255 }, 1);
    echo(&way, (const size_t[]){ 256 }, 1);
    echo(&way, (const size_t[]){ 3, 0, 70000, 1, 256 }, 5);
    echo(&way, (const size_t[]){ 5000000 }, 1);
    CHECK_INT(proxy_messages(way.proxy), 10);
    way_close(&way);
}

TEST(pings_of_zeromq_are_no_messages_and_keep_a_connection_alive_although_every_message_is_dropped)
{
    struct way way;
    struct proxy_plan plan = only(PROXY_DROP, 1000, 2);
    int often = 20, soon = 400;
    way_open(&way, &plan);
    void *monitor = zmq_socket(way.context, ZMQ_PAIR);
    CHECK_INT(zmq_socket_monitor(way.dealer, "inproc://monitor", ZMQ_EVENT_DISCONNECTED), 0);
    CHECK_INT(zmq_connect(monitor, "inproc://monitor"), 0);
    /* Options hold for connections made after them. */
    CHECK_INT(zmq_setsockopt(way.dealer, ZMQ_HEARTBEAT_IVL, &often, sizeof(often)), 0);
    CHECK_INT(zmq_setsockopt(way.dealer, ZMQ_HEARTBEAT_TIMEOUT, &soon, sizeof(soon)), 0);
    char endpoint[64];
    snprintf(endpoint, sizeof(endpoint), "tcp://127.0.0.1:%d", proxy_port(way.proxy, 0));
    CHECK_INT(zmq_disconnect(way.dealer, endpoint), 0);
    CHECK_INT(zmq_connect(way.dealer, endpoint), 0);
    for (int i = 0; i < 3; i++)
        send_number(&way, i);
    CHECK_INT(receive_number(&way, 20000), 2);
    zmq_pollitem_t item = { .socket = monitor, .events = ZMQ_POLLIN };
    while (zmq_poll(&item, 1, 600) == 1) { /* what the disconnect above left */
        zmq_msg_t event;
        zmq_msg_init(&event);
        CHECK(zmq_msg_recv(&event, monitor, 0) >= 0);
        zmq_msg_close(&event);
    }
    send_number(&way, 3);
    CHECK_INT(receive_number(&way, 20000), 3);
    CHECK_INT(zmq_poll(&item, 1, 0), 0);
    CHECK_INT(proxy_messages(way.proxy), 4);
    zmq_close(monitor);
    way_close(&way);
}

TEST(as_many_messages_as_it_says_are_dropped_and_the_others_come_in_order)
{
    struct way way;
    struct proxy_plan plan = only(PROXY_DROP, 100, 7);
    way_open(&way, &plan);
    for (int i = 0; i < 500; i++)
        send_number(&way, i);
    int last = -1;
    for (int i = 0; i < 493; i++) {
        int number = receive_number(&way, 20000);
        CHECK(number > last);
        last = number;
    }
    CHECK(last >= 492);
    CHECK_INT(proxy_count(way.proxy, PROXY_DROP), 7);
    way_close(&way);
}

TEST(a_doubled_message_comes_twice)
{
    struct way way;
    struct proxy_plan plan = only(PROXY_DOUBLE, 1000, 1);
    way_open(&way, &plan);
    send_number(&way, 8);
    send_number(&way, 9);
    CHECK_INT(receive_number(&way, 20000), 8);
    CHECK_INT(receive_number(&way, 20000), 8);
    CHECK_INT(receive_number(&way, 20000), 9);
    way_close(&way);
}

TEST(a_delayed_message_holds_up_the_others_and_one_that_is_overtaken_does_not)
{
    struct way way;
    struct proxy_plan plan = only(PROXY_DELAY, 1000, 1);
    way_open(&way, &plan);
    send_number(&way, 8);
    send_number(&way, 9);
    CHECK_INT(receive_number(&way, 20000), 8);
    CHECK_INT(receive_number(&way, 20000), 9);
    CHECK_INT(proxy_count(way.proxy, PROXY_DELAY), 1);
    way_close(&way);
    plan = only(PROXY_OVERTAKE, 1000, 1);
    plan.delay_ms = 20000; /* of which the dice for seed 3 take more than the second message needs */
    way_open(&way, &plan);
    send_number(&way, 8);
    send_number(&way, 9);
    CHECK_INT(receive_number(&way, 20000), 9);
    CHECK_INT(receive_number(&way, 25000), 8);
    way_close(&way);
}

TEST(a_truncated_message_is_shorter_and_the_next_is_whole)
{
    struct way way;
    struct proxy_plan plan = only(PROXY_TRUNCATE, 1000, 1);
    way_open(&way, &plan);
    send_number(&way, 8);
    send_number(&way, 9);
    int size = -receive_number(&way, 20000);
    CHECK(size >= 0 && size < (int)sizeof(int));
    CHECK_INT(receive_number(&way, 20000), 9);
    way_close(&way);
}

TEST(a_cut_connection_comes_again_without_the_message_in_which_it_was_cut)
{
    struct way way;
    struct proxy_plan plan = only(PROXY_CUT, 1000, 1);
    way_open(&way, &plan);
    send_number(&way, 8);
    int number, next = 9;
    do
        send_number(&way, next++);
    while ((number = receive_number(&way, 100)) == NOTHING);
    CHECK(number > 8);
    CHECK_INT(proxy_count(way.proxy, PROXY_CUT), 1);
    way_close(&way);
}

TEST(a_message_of_several_frames_is_cut_short_in_its_last_one_only)
{
    const uint8_t message[] = { 1, 2, 'a', 'b', 3, 0, 0, 0, 0, 0, 0, 0, 1, 'c', 0, 3, 'd', 'e', 'f' };
    struct zmtp zmtp = { .greeted = ZMTP_GREETING_SIZE };
    enum zmtp_kind kind;
    struct bytes out;
    bytes_init(&out, 100);
    for (size_t size = 0; size < sizeof(message); size++)
        CHECK_INT(zmtp_next(&zmtp, message, size, &kind), 0);
    CHECK_INT(zmtp_next(&zmtp, message, sizeof(message), &kind), sizeof(message));
    CHECK_INT(kind, ZMTP_MESSAGE);
    CHECK_INT(zmtp_last_body(message, sizeof(message)), 3);
    CHECK_INT(zmtp_shorten(message, sizeof(message), 1, &out), 0);
    CHECK_INT(out.size, sizeof(message) - 2);
    CHECK_INT(memcmp(out.data, "\1\2ab\3\0\0\0\0\0\0\0\1c\0\1d", out.size), 0);
    CHECK_INT(zmtp_next(&zmtp, (const uint8_t *)"\4\1x\0\0", 5, &kind), 3);
    CHECK_INT(kind, ZMTP_COMMAND);
    CHECK_INT(zmtp_next(&zmtp, (const uint8_t *)"\1\1x\4\1x", 6, &kind), -EPROTO);
    CHECK_INT(zmtp_next(&zmtp, (const uint8_t *)"\x80\1x", 3, &kind), -EPROTO);
    bytes_done(&out);
}
