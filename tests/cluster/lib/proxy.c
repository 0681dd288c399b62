/* proxy.c: one thread, one poll() over all connections.
 *
 * A connection is two lanes. What a lane receives is cut into pieces; a message meets the dice and goes to `out`, or not, or later. `out` always holds
 * whole pieces, so that one that was overtaken can join at its end. */
#include "tests/cluster/lib/proxy.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/thread.h"
#include "tests/cluster/lib/zmtp.h"
#include "tests/demo/random.h"
#include "tests/test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>

#define TARGETS_MAX 16
#define PAIRS_MAX   128
#define OUT_MAX     (64u << 20) /* bytes on their way above which nothing more is read */

struct parcel {
    struct parcel *next;
    uint64_t due_ns;
    size_t size;
    uint8_t data[];
};

struct lane {
    struct zmtp zmtp;
    struct dice dice;
    struct bytes in, out;
    struct parcel *aside;   /* overtaken */
    uint64_t held_until_ns; /* nothing leaves `in` before */
    bool delayed;           /* the first message of `in` was: it passes now */
    bool ended;             /* nothing more comes in */
    bool cut;               /* nothing more leaves `in` */
};

/* fd[i] feeds lane[i], which writes to the other. */
struct pair {
    int fd[2];
    struct lane lane[2];
    bool dead;
};

struct proxy {
    struct proxy_plan plan;
    struct thread thread;
    int count;
    int listeners[TARGETS_MAX], ports[TARGETS_MAX], targets[TARGETS_MAX];
    struct pair *pairs[PAIRS_MAX];
    int pair_count;
    uint64_t connections;
    atomic_int faults[PROXY_FAULTS], messages;
    atomic_bool stopping;
};

const char *proxy_fault_name(enum proxy_fault fault)
{
    static const char *const names[PROXY_FAULTS] = {
        [PROXY_DROP] = "dropped",        [PROXY_DOUBLE] = "doubled",     [PROXY_DELAY] = "delayed",
        [PROXY_OVERTAKE] = "overtaken",  [PROXY_TRUNCATE] = "truncated", [PROXY_CUT] = "cut",
    };
    return names[fault];
}

/* ---- faults ---- */

static enum proxy_fault choose(struct proxy *proxy, struct lane *lane)
{
    int die = dice_below(&lane->dice, 1000), sum = 0;
    for (int fault = 0; fault < PROXY_FAULTS; fault++) {
        sum += proxy->plan.rate[fault];
        if (die >= sum)
            continue;
        if (atomic_load(&proxy->faults[fault]) >= proxy->plan.limit)
            return PROXY_FAULTS;
        atomic_fetch_add(&proxy->faults[fault], 1);
        return (enum proxy_fault)fault;
    }
    return PROXY_FAULTS;
}

static uint64_t some_time_ns(struct proxy *proxy, struct lane *lane)
{
    return clock_now_ns() + (uint64_t)(1 + dice_below(&lane->dice, proxy->plan.delay_ms)) * NS_PER_MS;
}

static void put_aside(struct proxy *proxy, struct lane *lane, const void *data, size_t size)
{
    struct parcel *parcel = malloc(sizeof(*parcel) + size);
    CHECK(parcel);
    *parcel = (struct parcel){ .next = lane->aside, .due_ns = some_time_ns(proxy, lane), .size = size };
    memcpy(parcel->data, data, size);
    lane->aside = parcel;
}

static void join_overtaken(struct lane *lane, uint64_t now)
{
    for (struct parcel **at = &lane->aside, *parcel; (parcel = *at);) {
        if (parcel->due_ns > now) {
            at = &parcel->next;
            continue;
        }
        bytes_append(&lane->out, parcel->data, parcel->size);
        *at = parcel->next;
        free(parcel);
    }
}

static void shorten(struct lane *lane, const uint8_t *data, size_t size)
{
    size_t body = zmtp_last_body(data, size);
    CHECK_INT(zmtp_shorten(data, size, body ? (size_t)dice_below(&lane->dice, (int)body) : 0, &lane->out), 0);
}

/* Returns false when the message has to stay where it is. */
static bool pass_message(struct proxy *proxy, struct lane *lane, const uint8_t *data, size_t size)
{
    enum proxy_fault fault = lane->delayed ? PROXY_FAULTS : choose(proxy, lane);
    lane->delayed = fault == PROXY_DELAY;
    switch (fault) {
    case PROXY_DROP:
        break;
    case PROXY_DELAY:
        lane->held_until_ns = some_time_ns(proxy, lane);
        return false;
    case PROXY_OVERTAKE:
        put_aside(proxy, lane, data, size);
        break;
    case PROXY_TRUNCATE:
        shorten(lane, data, size);
        break;
    case PROXY_CUT:
        bytes_append(&lane->out, data, (size_t)dice_below(&lane->dice, (int)size));
        lane->cut = true;
        break;
    case PROXY_DOUBLE:
        bytes_append(&lane->out, data, size);
        bytes_append(&lane->out, data, size);
        break;
    case PROXY_FAULTS:
        bytes_append(&lane->out, data, size);
        break;
    }
    atomic_fetch_add(&proxy->messages, 1);
    return true;
}

/* ---- lanes ---- */

static void consume(struct bytes *bytes, size_t size)
{
    if (!size)
        return;
    memmove(bytes->data, bytes->data + size, bytes->size - size);
    bytes->size -= size;
}

static void sort_out(struct proxy *proxy, struct lane *lane, uint64_t now)
{
    size_t at = 0;
    while (!lane->cut && now >= lane->held_until_ns) {
        enum zmtp_kind kind;
        const uint8_t *data = (const uint8_t *)lane->in.data + at;
        ssize_t size = zmtp_next(&lane->zmtp, data, lane->in.size - at, &kind);
        if (size < 0)
            test_fail(__FILE__, __LINE__, "the proxy does not understand what it carries: %s", strerror((int)-size));
        if (!size)
            break;
        if (kind != ZMTP_MESSAGE)
            bytes_append(&lane->out, data, (size_t)size);
        else if (!pass_message(proxy, lane, data, (size_t)size))
            break;
        at += (size_t)size;
    }
    consume(&lane->in, at);
    join_overtaken(lane, now);
    CHECK_INT(bytes_error(&lane->in) | bytes_error(&lane->out), 0);
}

static bool receive(struct lane *lane, int fd)
{
    char *room = bytes_room(&lane->in, 65536);
    CHECK(room);
    ssize_t n = recv(fd, room, 65536, 0);
    if (n > 0)
        bytes_grew(&lane->in, (size_t)n);
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        lane->ended = true;
    return n > 0;
}

/* False when the other end is gone. */
static bool transmit(struct lane *lane, int fd)
{
    if (!lane->out.size)
        return true;
    ssize_t n = send(fd, lane->out.data, lane->out.size, MSG_NOSIGNAL);
    if (n > 0)
        consume(&lane->out, (size_t)n);
    return n >= 0 || errno == EAGAIN || errno == EINTR;
}

/* Nothing more will come out of it. */
static bool is_over(const struct lane *lane)
{
    return (lane->ended || lane->cut) && !lane->out.size && (lane->cut || (!lane->aside && !lane->delayed));
}

/* ---- connections ---- */

static int no_wait(int fd)
{
    CHECK(fd >= 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    return fd;
}

static int new_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    return fd;
}

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static void accept_one(struct proxy *proxy, int i)
{
    int fd = accept4(proxy->listeners[i], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    CHECK(proxy->pair_count < PAIRS_MAX);
    struct pair *pair = calloc(1, sizeof(*pair));
    CHECK(pair);
    struct sockaddr_in address = loopback(proxy->targets[i]);
    pair->fd[0] = fd;
    pair->fd[1] = no_wait(new_socket());
    pair->dead = connect(pair->fd[1], (struct sockaddr *)&address, sizeof(address)) < 0 && errno != EINPROGRESS;
    for (int side = 0; side < 2; side++) {
        pair->lane[side].dice = dice_for(proxy->plan.seed, 2 * proxy->connections + (uint64_t)side);
        bytes_init(&pair->lane[side].in, 2 * OUT_MAX);
        bytes_init(&pair->lane[side].out, 4 * OUT_MAX);
    }
    proxy->connections++;
    proxy->pairs[proxy->pair_count++] = pair;
}

static void free_pair(struct pair *pair)
{
    for (int side = 0; side < 2; side++) {
        struct lane *lane = &pair->lane[side];
        join_overtaken(lane, UINT64_MAX);
        bytes_done(&lane->in);
        bytes_done(&lane->out);
        close(pair->fd[side]);
    }
    free(pair);
}

static void serve(struct proxy *proxy, struct pair *pair, const struct pollfd *polls)
{
    uint64_t now = clock_now_ns();
    for (int side = 0; side < 2; side++) {
        struct lane *lane = &pair->lane[side];
        if (polls[side].revents & (POLLIN | POLLHUP | POLLERR))
            while (!lane->ended && lane->in.size < OUT_MAX && receive(lane, pair->fd[side]))
                ;
        sort_out(proxy, lane, now);
        if (!transmit(lane, pair->fd[!side]) || is_over(lane))
            pair->dead = true;
    }
}

static void remove_dead(struct proxy *proxy)
{
    int kept = 0;
    for (int i = 0; i < proxy->pair_count; i++)
        if (proxy->pairs[i]->dead)
            free_pair(proxy->pairs[i]);
        else
            proxy->pairs[kept++] = proxy->pairs[i];
    proxy->pair_count = kept;
}

static bool is_waiting(const struct lane *lane)
{
    return lane->aside || lane->delayed;
}

/* What poll() is to look for; returns whether a clock is running. */
static bool fill_polls(const struct proxy *proxy, struct pollfd *polls)
{
    bool waiting = false;
    for (int i = 0; i < proxy->count; i++)
        *polls++ = (struct pollfd){ .fd = proxy->listeners[i], .events = POLLIN };
    for (int i = 0; i < proxy->pair_count; i++)
        for (int side = 0; side < 2; side++) {
            const struct pair *pair = proxy->pairs[i];
            const struct lane *in = &pair->lane[side], *out = &pair->lane[!side];
            bool reads = !in->ended && in->in.size < OUT_MAX && in->out.size < OUT_MAX;
            short events = (short)((reads ? POLLIN : 0) | (out->out.size ? POLLOUT : 0));
            *polls++ = (struct pollfd){ .fd = events ? pair->fd[side] : -1, .events = events };
            waiting |= is_waiting(in);
        }
    return waiting;
}

static void run(void *arg)
{
    struct proxy *proxy = arg;
    struct pollfd polls[TARGETS_MAX + 2 * PAIRS_MAX];
    while (!atomic_load(&proxy->stopping)) {
        bool waiting = fill_polls(proxy, polls);
        int pairs = proxy->pair_count;
        poll(polls, (nfds_t)(proxy->count + 2 * pairs), waiting ? 2 : 20);
        for (int i = 0; i < pairs; i++)
            serve(proxy, proxy->pairs[i], polls + proxy->count + 2 * i);
        for (int i = 0; i < proxy->count; i++)
            if (polls[i].revents)
                accept_one(proxy, i);
        remove_dead(proxy);
    }
}

/* ---- life ---- */

static void listen_for(struct proxy *proxy, int i, int target)
{
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof(address);
    int fd = no_wait(new_socket());
    CHECK_INT(bind(fd, (struct sockaddr *)&address, size), 0);
    CHECK_INT(listen(fd, 64), 0);
    CHECK_INT(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    proxy->listeners[i] = fd;
    proxy->ports[i] = ntohs(address.sin_port);
    proxy->targets[i] = target;
}

struct proxy *proxy_start(const struct proxy_plan *plan, const int *ports, int count)
{
    struct proxy *proxy = calloc(1, sizeof(*proxy));
    CHECK(proxy && count <= TARGETS_MAX);
    proxy->plan = *plan;
    proxy->count = count;
    for (int i = 0; i < count; i++)
        listen_for(proxy, i, ports[i]);
    CHECK_INT(thread_start(&proxy->thread, "proxy", run, proxy), 0);
    return proxy;
}

void proxy_stop(struct proxy *proxy)
{
    if (!proxy)
        return;
    atomic_store(&proxy->stopping, true);
    thread_join(&proxy->thread);
    for (int i = 0; i < proxy->pair_count; i++)
        free_pair(proxy->pairs[i]);
    for (int i = 0; i < proxy->count; i++)
        close(proxy->listeners[i]);
    free(proxy);
}

int proxy_port(const struct proxy *proxy, int i)
{
    return proxy->ports[i];
}

int proxy_count(struct proxy *proxy, enum proxy_fault fault)
{
    return atomic_load(&proxy->faults[fault]);
}

int proxy_messages(struct proxy *proxy)
{
    return atomic_load(&proxy->messages);
}
