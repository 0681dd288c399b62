#include "tests/cluster/lib/attack.h"

#include "common/cleanup.h"
#include "proto/link.h"
#include "tests/cluster/lib/process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LORIS_CONNECTIONS 3000
#define HALF_CONNECTIONS  100
#define GREETING          64

struct attack {
    pid_t pid;
    _Atomic long *count; /* shared with it */
    enum attack_kind kind;
    int port;
};

const char *attack_name(enum attack_kind kind)
{
    static const char *const names[] = { "half greetings", "garbage", "giant frames", "made-up HELLOs", "replays", "half messages", "flood" };
    return names[kind];
}

/* ---- connections ---- */

static int call(int port, int from)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct sockaddr_in own = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)from) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && (bind(fd, (struct sockaddr *)&own, sizeof(own)) < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static void say(int fd, const void *data, size_t size)
{
    (void)!send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void greeting(unsigned char out[GREETING], const char *mechanism)
{
    static const unsigned char head[12] = { 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 1 };
    memset(out, 0, GREETING);
    memcpy(out, head, sizeof(head));
    memcpy(out + 12, mechanism, strlen(mechanism));
}

static bool was_closed(int fd)
{
    struct pollfd item = { .fd = fd, .events = POLLRDHUP };
    return poll(&item, 1, 0) == 1 && item.revents & (POLLRDHUP | POLLHUP | POLLERR);
}

static int next_address(void)
{
    static int number;
    return 1 + number++ % 8;
}

static void nap(long us)
{
    nanosleep(&(struct timespec){ us / 1000000, us % 1000000 * 1000 }, NULL);
}

/* ---- what they do ---- */

/* So many connections are held, each opened by `begin`; those that were closed are made again. */
static void hold(struct attack *attack, int connections, void (*begin)(int fd))
{
    int *fds = malloc((size_t)connections * sizeof(int));
    for (int i = 0; i < connections; i++)
        fds[i] = -1;
    for (;;) {
        for (int i = 0; i < connections; i++) {
            if (fds[i] >= 0 && !was_closed(fds[i]))
                continue;
            if (fds[i] >= 0)
                close(fds[i]);
            fds[i] = call(attack->port, next_address());
            if (fds[i] < 0)
                continue;
            begin(fds[i]);
            atomic_fetch_add(attack->count, 1);
            nap(200);
        }
        nap(1000);
    }
}

static void half_greeting(int fd)
{
    unsigned char bytes[GREETING];
    greeting(bytes, "CURVE");
    say(fd, bytes, 20);
}

static void big_frame(int fd, int flags, uint64_t claimed, size_t sent)
{
    unsigned char head[9] = { (unsigned char)flags };
    for (int i = 0; i < 8; i++)
        head[1 + i] = (unsigned char)(claimed >> (56 - 8 * i));
    say(fd, head, sizeof(head));
    CLEANUP(freep) char *body = calloc(1, sent);
    say(fd, body, sent);
}

static void half_message(int fd)
{
    static const char ready[] = "\x04\x29\x05READY\x0bSocket-Type\0\0\0\x06" "DEALER" "\x08Identity\0\0\0";
    unsigned char bytes[GREETING];
    greeting(bytes, "NULL");
    say(fd, bytes, sizeof(bytes));
    say(fd, ready, sizeof(ready)); /* the NUL at its end belongs to it */
    big_frame(fd, 2, 16 << 20, 1 << 20);
}

static void garbage(struct attack *attack)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    unsigned char bytes[4096];
    for (unsigned seed = 1;; seed++) {
        CLEANUP(closep) int fd = call(attack->port, next_address());
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = (unsigned char)rand_r(&seed);
        if (fd >= 0 && seed % 3 == 0)
            say(fd, request, sizeof(request) - 1);
        else if (fd >= 0 && seed % 3 == 1)
            say(fd, bytes, 1 + seed % sizeof(bytes));
        atomic_fetch_add(attack->count, fd >= 0);
        nap(500);
    }
}

static void giant(struct attack *attack)
{
    unsigned char bytes[GREETING];
    for (int number = 0;; number++) {
        CLEANUP(closep) int fd = call(attack->port, next_address());
        greeting(bytes, "CURVE");
        if (fd >= 0) {
            say(fd, bytes, sizeof(bytes));
            big_frame(fd, 6, number % 2 ? 1ull << 60 : 17 << 20, 1 << 20);
            nap(2000);
        }
        atomic_fetch_add(attack->count, fd >= 0);
    }
}

static void hello(struct attack *attack)
{
    unsigned char bytes[GREETING + 2 + 200] = { 0 };
    for (;;) {
        CLEANUP(closep) int fd = call(attack->port, next_address());
        greeting(bytes, "CURVE");
        memcpy(bytes + GREETING, "\x04\xc8\x05HELLO\x01\x00", 10);
        memset(bytes + GREETING + 10 + 72, fd, 120);
        if (fd >= 0) {
            say(fd, bytes, sizeof(bytes));
            nap(1000);
        }
        atomic_fetch_add(attack->count, fd >= 0);
    }
}

static void replay(struct attack *attack)
{
    size_t size;
    CLEANUP(freep) char *bytes = test_read_file("capture", &size);
    for (;;) {
        CLEANUP(closep) int fd = call(attack->port, 0);
        if (fd >= 0) {
            say(fd, bytes, size);
            nap(5000);
        }
        atomic_fetch_add(attack->count, fd >= 0);
    }
}

/* A real client, which says one thing and another and never listens. */
static void flood(struct attack *attack)
{
    void *context;
    struct link *link;
    struct why why;
    char endpoint[64];
    static char noise[16 << 20];
    struct message messages[] = {
        { .kind = MESSAGE_ping, .from = 7, .to = 9, .ping = { 1, 1 } },
        { .kind = MESSAGE_probe, .from = 7, .probe = { PROTOCOL_VERSION } },
        { .kind = MESSAGE_commit, .from = 7, .commit = { 1, 1 } },
        { .kind = MESSAGE_hello, .from = 7, .hello = { .protocol = 77, .version = "x" } },
    };
    snprintf(endpoint, sizeof(endpoint), "tcp://127.0.0.1:%d", attack->port);
    if (link_context_new(&context, &why) < 0 || link_connect(context, endpoint, &link, &why) < 0)
        _exit(1);
    for (unsigned number = 0;; number++) {
        int r = number % 5 < 4 ? link_send(link, NULL, &messages[number % 5]) : link_send_frame(link, NULL, noise, number % 500 == 4 ? sizeof(noise) : 3000);
        atomic_fetch_add(attack->count, r == 0);
        if (r < 0 || number % 64 == 0)
            nap(1000);
    }
}

static void run(struct attack *attack)
{
    struct rlimit files = { LORIS_CONNECTIONS + 100, LORIS_CONNECTIONS + 100 };
    setrlimit(RLIMIT_NOFILE, &files);
    switch (attack->kind) {
    case ATTACK_SLOWLORIS:
        hold(attack, LORIS_CONNECTIONS, half_greeting);
        break;
    case ATTACK_HALF_PLAIN:
        hold(attack, HALF_CONNECTIONS, half_message);
        break;
    case ATTACK_GARBAGE:
        garbage(attack);
        break;
    case ATTACK_GIANT:
        giant(attack);
        break;
    case ATTACK_HELLO:
        hello(attack);
        break;
    case ATTACK_REPLAY:
        replay(attack);
        break;
    case ATTACK_FLOOD_PLAIN:
        flood(attack);
        break;
    case ATTACKS:
        break;
    }
}

/* ---- starting ---- */

struct attack *attack_start(enum attack_kind kind, int port)
{
    struct attack *attack = calloc(1, sizeof(*attack));
    CHECK(attack);
    *attack = (struct attack){ .kind = kind, .port = port };
    attack->count = mmap(NULL, sizeof(*attack->count), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(attack->count != MAP_FAILED);
    fflush(NULL);
    attack->pid = fork();
    CHECK(attack->pid >= 0);
    if (attack->pid == 0) {
        run(attack);
        _exit(1);
    }
    return attack;
}

void attack_stop(struct attack *attack)
{
    if (!attack)
        return;
    kill(attack->pid, SIGKILL);
    waitpid(attack->pid, NULL, 0);
    munmap((void *)attack->count, sizeof(*attack->count));
    free(attack);
}

long attack_count(const struct attack *attack)
{
    return atomic_load(attack->count);
}

/* ---- recording ---- */

/* Until one of them closes. */
static void relay(int client, int server, const char *path)
{
    int fd = -1;
    struct pollfd items[] = { { .fd = client, .events = POLLIN }, { .fd = server, .events = POLLIN } };
    char bytes[65536];
    while (poll(items, 2, -1) > 0)
        for (int i = 0; i < 2; i++) {
            if (!items[i].revents)
                continue;
            ssize_t size = read(items[i].fd, bytes, sizeof(bytes));
            if (size <= 0)
                return;
            if (i == 0 && fd < 0)
                fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
            if (i == 0)
                (void)!write(fd, bytes, (size_t)size);
            (void)!send(items[!i].fd, bytes, (size_t)size, MSG_NOSIGNAL);
        }
}

static void relay_for_ever(int listener, int port, const char *path)
{
    for (;;) {
        CLEANUP(closep) int client = accept(listener, NULL, NULL);
        CLEANUP(closep) int server = call(port, 0);
        if (client >= 0 && server >= 0)
            relay(client, server, path);
    }
}

int attack_record(int port, const char *path)
{
    struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(name);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(bind(listener, (struct sockaddr *)&name, size), 0);
    CHECK_INT(listen(listener, 5), 0);
    CHECK_INT(getsockname(listener, (struct sockaddr *)&name, &size), 0);
    fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        relay_for_ever(listener, port, path);
    close(listener);
    return ntohs(name.sin_port);
}
