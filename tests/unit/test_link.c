#include "common/cleanup.h"
#include "proto/link.h"

#include "tests/test.h"

#include <arpa/inet.h>
#include <poll.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

struct pair {
    void *context;
    struct link *worker, *coordinator;
};

static void open_pair(struct pair *pair, const char *endpoint)
{
    struct why why;
    CHECK_INT(link_context_new(&pair->context, &why), 0);
    CHECK_INT(link_bind(pair->context, endpoint, &pair->worker, &why), 0);
    CHECK_INT(link_connect(pair->context, link_endpoint(pair->worker), &pair->coordinator, &why), 0);
}

static void close_pair(struct pair *pair)
{
    link_free(pair->coordinator);
    link_free(pair->worker);
    link_context_free(pair->context);
}

static void wait_for(void *socket, short events)
{
    zmq_pollitem_t item = { .socket = socket, .events = events };
    CHECK_INT(zmq_poll(&item, 1, -1), 1);
}

static int receive(struct link *link, struct peer *peer, struct message *ret, struct why *why)
{
    wait_for(link_socket(link), ZMQ_POLLIN);
    return link_receive(link, peer, ret, why);
}

/* A ping from the coordinator, once it is connected. */
static void send_ping(struct pair *pair)
{
    struct message ping = { .kind = MESSAGE_ping, .from = 5, .ping = { .epoch = 1, .batches = 2 } };
    wait_for(link_socket(pair->coordinator), ZMQ_POLLOUT);
    CHECK_INT(link_send(pair->coordinator, NULL, &ping), 0);
}

static struct peer meet(struct pair *pair)
{
    struct peer peer;
    struct message message;
    struct why why;
    send_ping(pair);
    CHECK_INT(receive(pair->worker, &peer, &message, &why), 0);
    CHECK_INT(message.kind, MESSAGE_ping);
    CHECK(message.from == 5 && message.ping.batches == 2);
    message_free(&message);
    return peer;
}

static void check_both_ways(const char *endpoint)
{
    struct pair pair;
    struct message got;
    struct why why;
    open_pair(&pair, endpoint);
    struct peer peer = meet(&pair), nobody;
    CHECK_INT(link_receive(pair.worker, &nobody, &got, &why), -EAGAIN);
    struct message answer = { .kind = MESSAGE_refuse, .from = 1, .to = 5, .refuse = { REFUSE_BUSY, "busy", 1 } };
    CHECK_INT(link_send(pair.worker, &peer, &answer), 0);
    CHECK_INT(receive(pair.coordinator, NULL, &got, &why), 0);
    CHECK_STR(got.refuse.detail, "busy");
    message_free(&got);
    CHECK_INT(link_receive(pair.coordinator, NULL, &got, &why), -EAGAIN);
    close_pair(&pair);
}

TEST(messages_go_both_ways_over_tcp)
{
    check_both_ways("tcp://127.0.0.1:0");
}

TEST(messages_go_both_ways_over_a_local_socket)
{
    check_both_ways("ipc://worker.socket");
}

TEST(port_zero_becomes_the_port_that_was_given)
{
    void *context;
    struct link *link, *other;
    struct why why;
    CHECK_INT(link_context_new(&context, &why), 0);
    CHECK_INT(link_bind(context, "tcp://127.0.0.1:0", &link, &why), 0);
    CHECK(!strncmp(link_endpoint(link), "tcp://127.0.0.1:", 16) && atoi(link_endpoint(link) + 16) > 0);
    CHECK_INT(link_bind(context, link_endpoint(link), &other, &why), -EADDRINUSE);
    CHECK_CONTAINS(why.text, "cannot listen: Address already in use; something listens there already");
    CHECK_CONTAINS(why.text, link_endpoint(link));
    CHECK_INT(link_bind(context, "tcp://localhost:0", &other, &why), -ENODEV);
    CHECK_CONTAINS(why.text, "in digits");
    CHECK(link_connect(context, "nonsense", &other, &why) < 0);
    CHECK_CONTAINS(why.text, "nonsense: not an address to connect to");
    link_free(link);
    link_free(NULL);
    link_context_free(context);
    link_context_free(NULL);
}

TEST(garbage_is_refused_frame_by_frame_and_what_follows_is_read)
{
    struct pair pair;
    struct message got;
    struct why why;
    struct peer peer;
    open_pair(&pair, "tcp://127.0.0.1:0");
    void *socket = link_socket(pair.coordinator);
    wait_for(socket, ZMQ_POLLOUT);
    CHECK_INT(link_send_frame(pair.coordinator, NULL, "garbage", 7), 0);
    CHECK_INT(link_send_frame(pair.coordinator, NULL, "", 0), 0);
    for (int i = 0; i < 5; i++)
        CHECK_INT(zmq_send(socket, "\x91\x01", 2, i < 4 ? ZMQ_SNDMORE : 0), 2);
    send_ping(&pair);
    for (int i = 0; i < 3; i++) {
        why.text[0] = '\0';
        CHECK_INT(receive(pair.worker, &peer, &got, &why), -EBADMSG);
        CHECK(why.text[0]);
    }
    CHECK_INT(receive(pair.worker, &peer, &got, &why), 0);
    CHECK_INT(got.kind, MESSAGE_ping);
    message_free(&got);
    close_pair(&pair);
}

TEST(a_good_message_with_frames_behind_it_is_refused_on_both_sides)
{
    struct pair pair;
    struct message got, bye = { .kind = MESSAGE_bye, .bye = { 1 } };
    struct why why;
    struct bytes frame;
    open_pair(&pair, "tcp://127.0.0.1:0");
    struct peer peer = meet(&pair);
    bytes_init(&frame, 1000);
    CHECK_INT(message_encode(&bye, &frame), 0);
    void *worker = link_socket(pair.worker), *coordinator = link_socket(pair.coordinator);
    zmq_send(worker, peer.id, peer.size, ZMQ_SNDMORE);
    zmq_send(worker, frame.data, frame.size, ZMQ_SNDMORE);
    zmq_send(worker, "more", 4, 0);
    zmq_send(coordinator, frame.data, frame.size, ZMQ_SNDMORE);
    zmq_send(coordinator, frame.data, frame.size, 0);
    CHECK_INT(receive(pair.coordinator, NULL, &got, &why), -EBADMSG);
    CHECK_INT(receive(pair.worker, &peer, &got, &why), -EBADMSG);
    CHECK_CONTAINS(why.text, "several frames");
    bytes_done(&frame);
    close_pair(&pair);
}

/* Sends until the answer is `r`; anything else but success fails the test. */
static void send_until(struct link *link, const struct peer *peer, int r)
{
    struct message message = { .kind = MESSAGE_bye };
    int got;
    while ((got = link_send(link, peer, &message)) != r) {
        CHECK_INT(got, 0);
        poll(NULL, 0, 5);
    }
}

TEST(a_peer_that_is_gone_is_noticed_by_sending)
{
    struct pair pair;
    open_pair(&pair, "tcp://127.0.0.1:0");
    struct peer peer = meet(&pair), stranger = { .id = "\0abc", .size = 4 };
    struct message bye = { .kind = MESSAGE_bye };
    CHECK_INT(link_send(pair.worker, &stranger, &bye), -EHOSTUNREACH);
    CHECK_INT(link_send(pair.worker, &peer, &bye), 0);
    link_free(take(pair.coordinator));
    send_until(pair.worker, &peer, -EHOSTUNREACH);
    close_pair(&pair);
}

TEST(nothing_is_queued_for_a_worker_that_is_not_there)
{
    struct pair pair;
    struct message bye = { .kind = MESSAGE_bye };
    open_pair(&pair, "tcp://127.0.0.1:0");
    meet(&pair);
    link_free(take(pair.worker));
    send_until(pair.coordinator, NULL, -EAGAIN);
    close_pair(&pair);

    struct why why;
    CHECK_INT(link_context_new(&pair.context, &why), 0);
    CHECK_INT(link_connect(pair.context, "ipc://nobody", &pair.coordinator, &why), 0);
    CHECK_INT(link_send(pair.coordinator, NULL, &bye), -EAGAIN);
    close_pair(&pair);
}

TEST(what_is_larger_than_a_frame_is_neither_sent_nor_taken)
{
    struct pair pair;
    struct message got;
    struct why why;
    struct peer peer;
    size_t size = LIMIT_FRAME + 1;
    char *big = calloc(1, size);
    open_pair(&pair, "tcp://127.0.0.1:0");
    meet(&pair);
    struct rec_row rows[1025];
    for (int i = 0; i < 1025; i++)
        rows[i] = (struct rec_row){ .values = { big, 64 << 10 } };
    struct message result = { .kind = MESSAGE_result, .result = { .rows = rows, .rows_count = 1025 } };
    CHECK_INT(link_send(pair.coordinator, NULL, &result), -EMSGSIZE);
    CHECK_INT(link_send_frame(pair.coordinator, NULL, big, size), 0);
    /* The worker's ZeroMQ drops the connection; a new one is made, over which the next message comes. */
    struct message ping = { .kind = MESSAGE_ping };
    while (link_receive(pair.worker, &peer, &got, &why) == -EAGAIN) {
        link_send(pair.coordinator, NULL, &ping);
        poll(NULL, 0, 5);
    }
    CHECK_INT(got.kind, MESSAGE_ping);
    message_free(&got);
    free(big);
    close_pair(&pair);
}

/* Whether the other end of a connection that says this closes it; what it says itself is read. */
static void check_closed(const char *endpoint, const uint8_t *data, size_t size)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(strrchr(endpoint, ':') + 1)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    CLEANUP(closep) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval patience = { .tv_sec = 20 };
    char said[256];
    ssize_t n;
    CHECK_INT(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    CHECK_INT(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    CHECK_INT(send(fd, data, size, MSG_NOSIGNAL), size);
    while ((n = recv(fd, said, sizeof(said), 0)) > 0)
        ;
    CHECK(n == 0 || errno == ECONNRESET);
}

TEST(peers_that_speak_zmtp_1_or_2_are_sent_away)
{
    static const uint8_t zmtp_1[] = { 1, 0, 2, 0, 'x' };
    static const uint8_t zmtp_2[] = { 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 1, 5, 0, 0, 0, 1, 'x' };
    struct pair pair;
    open_pair(&pair, "tcp://127.0.0.1:0");
    check_closed(link_endpoint(pair.worker), zmtp_1, sizeof(zmtp_1));
    check_closed(link_endpoint(pair.worker), zmtp_2, sizeof(zmtp_2));
    meet(&pair);
    close_pair(&pair);
}

TEST(random_ids_are_never_zero_and_differ)
{
    uint64_t a = link_random_id(), b = link_random_id();
    CHECK(a && b && a != b);
}
