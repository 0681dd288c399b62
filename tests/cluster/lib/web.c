/* web.c: one thread, epoll, and a state for each connection: reading a request, waiting for its time, writing, or saying nothing more. */
#include "tests/cluster/lib/web_parts.h"

#include "common/clock.h"
#include "tests/test.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 256

/* ---- what is there ---- */

struct object *web_find(struct web *web, const char *path, size_t size)
{
    struct object *any = NULL;
    for (struct object *object = web->objects; object; object = object->next) {
        if (strlen(object->path) == size && !memcmp(object->path, path, size))
            return object;
        if (!strcmp(object->path, "*"))
            any = object;
    }
    return any;
}

void web_put(struct web *web, const char *path, const void *data, size_t size)
{
    struct object *object = calloc(1, sizeof(*object));
    CHECK(object && (object->path = strdup(path)) && (object->data = malloc(size + 1)));
    memcpy(object->data, data, size);
    object->size = size;
    pthread_mutex_lock(&web->lock);
    object->next = web->objects;
    web->objects = object;
    pthread_mutex_unlock(&web->lock);
}

uint64_t web_requests_of(struct web *web, const char *path)
{
    pthread_mutex_lock(&web->lock);
    struct object *object = web_find(web, path, strlen(path));
    uint64_t requests = object ? object->requests : 0;
    pthread_mutex_unlock(&web->lock);
    return requests;
}

void web_misbehave(struct web *web, double bad, const char *kinds)
{
    pthread_mutex_lock(&web->lock);
    web->spec.bad = bad;
    web->spec.kinds = kinds;
    pthread_mutex_unlock(&web->lock);
}

struct web_counts web_counts(struct web *web)
{
    pthread_mutex_lock(&web->lock);
    struct web_counts counts = web->counts;
    pthread_mutex_unlock(&web->lock);
    return counts;
}

/* ---- connections ---- */

static void watch(struct web *web, struct connection *c, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = c };
    CHECK(epoll_ctl(web->epoll, EPOLL_CTL_MOD, c->fd, &event) == 0);
}

static void drop(struct web *web, struct connection *c, bool reset)
{
    struct linger none = { .l_onoff = 1 };
    if (reset)
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    /* By hand: a program that is being started just now may hold a copy of the descriptor, and with it the events. */
    epoll_ctl(web->epoll, EPOLL_CTL_DEL, c->fd, NULL);
    close(c->fd);
    *c->at = c->next;
    if (c->next)
        c->next->at = c->at;
    pthread_mutex_lock(&web->lock);
    web->counts.open--;
    web->counts.waiting -= c->state != READING;
    pthread_mutex_unlock(&web->lock);
    free(c);
}

static void add(struct web *web, int fd)
{
    int one = 1;
    struct connection *c = calloc(1, sizeof(*c));
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
    CHECK(c);
    c->fd = fd;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    CHECK(epoll_ctl(web->epoll, EPOLL_CTL_ADD, fd, &event) == 0);
    c->next = web->connections;
    c->at = &web->connections;
    if (c->next)
        c->next->at = &c->next;
    web->connections = c;
    pthread_mutex_lock(&web->lock);
    web->counts.connections++;
    if (++web->counts.open > web->counts.most_open)
        web->counts.most_open = web->counts.open;
    pthread_mutex_unlock(&web->lock);
}

/* What is written next, with its chunk's end and beginning where there are chunks. */
static ssize_t send_some(struct connection *c)
{
    if (c->head_sent < c->head_size) {
        bool more = c->body_sent < c->body_size;
        ssize_t n = send(c->fd, c->head + c->head_sent, c->head_size - c->head_sent, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
        c->head_sent += n > 0 ? (size_t)n : 0;
        return n;
    }
    ssize_t n = send(c->fd, c->body + c->body_sent, c->body_size - c->body_sent, MSG_NOSIGNAL);
    c->body_sent += n > 0 ? (size_t)n : 0;
    return n;
}

/* Another chunk of an endless body, or the last of a chunked one. False: the answer is out. */
static bool has_more(struct connection *c)
{
    if (c->head_sent < c->head_size || c->body_sent < c->body_size)
        return true;
    if (!c->answer.infinite && !c->answer.chunked)
        return false;
    c->head_size = (size_t)snprintf(c->head, sizeof(c->head), c->answer.infinite ? "\r\n%zx\r\n" : "\r\n0\r\n\r\n", c->body_size);
    c->head_sent = 0;
    if (c->answer.infinite)
        c->body_sent = 0;
    c->answer.chunked = false;
    return true;
}

static void finish(struct web *web, struct connection *c)
{
    pthread_mutex_lock(&web->lock);
    web->counts.bytes += c->body_sent;
    pthread_mutex_unlock(&web->lock);
    if (c->answer.stalls) {
        c->state = MUTE;
        watch(web, c, EPOLLIN);
    } else if (c->ends)
        drop(web, c, false);
    else {
        pthread_mutex_lock(&web->lock);
        web->counts.waiting--;
        pthread_mutex_unlock(&web->lock);
        c->state = READING;
        c->request_size = 0;
        watch(web, c, EPOLLIN);
    }
}

static void write_answer(struct web *web, struct connection *c)
{
    while (has_more(c)) {
        ssize_t n = send_some(c);
        if (n < 0 && errno == EAGAIN) {
            if (c->state != WRITING)
                watch(web, c, EPOLLOUT);
            c->state = WRITING;
            return;
        }
        if (n < 0) {
            drop(web, c, false);
            return;
        }
    }
    finish(web, c);
}

static void begin_answer(struct web *web, struct connection *c)
{
    if (c->answer.resets)
        drop(web, c, true);
    else if (c->answer.silent)
        c->state = MUTE;
    else {
        web_write_head(web, c);
        write_answer(web, c);
    }
}

static void read_request(struct web *web, struct connection *c)
{
    ssize_t n = recv(c->fd, c->request + c->request_size, REQUEST_MAX - 1 - c->request_size, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        drop(web, c, false);
        return;
    }
    c->request_size += (size_t)n;
    c->request[c->request_size] = '\0';
    if (c->state != READING || !strstr(c->request, "\r\n\r\n"))
        return;
    pthread_mutex_lock(&web->lock);
    web_decide(web, c);
    if (++web->counts.waiting > web->counts.most_waiting)
        web->counts.most_waiting = web->counts.waiting;
    pthread_mutex_unlock(&web->lock);
    c->state = WAITING;
    if (c->answer.delay_ms)
        c->due_ns = clock_now_ns() + (uint64_t)c->answer.delay_ms * NS_PER_MS;
    else
        begin_answer(web, c);
}

/* ---- the thread ---- */

/* Answers what is due; returns how long to wait for the next, ms. */
static int answer_due(struct web *web)
{
    uint64_t now = clock_now_ns(), soonest = UINT64_MAX;
    for (struct connection *c = web->connections, *next; c; c = next) {
        next = c->next;
        if (c->state != WAITING)
            continue;
        if (c->due_ns <= now)
            begin_answer(web, c);
        else if (c->due_ns < soonest)
            soonest = c->due_ns;
    }
    return soonest == UINT64_MAX ? -1 : (int)((soonest - now + NS_PER_MS - 1) / NS_PER_MS);
}

static void listen_again(struct web *web)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)web->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(address);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = web };
    int one = 1;
    web->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK(web->listener >= 0);
    setsockopt(web->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    CHECK(bind(web->listener, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(web->listener, 1024) == 0);
    CHECK(getsockname(web->listener, (struct sockaddr *)&address, &size) == 0);
    web->port = ntohs(address.sin_port);
    CHECK(epoll_ctl(web->epoll, EPOLL_CTL_ADD, web->listener, &event) == 0);
}

static void close_all(struct web *web)
{
    if (web->listener >= 0) {
        epoll_ctl(web->epoll, EPOLL_CTL_DEL, web->listener, NULL);
        close(web->listener);
    }
    web->listener = -1;
    while (web->connections)
        drop(web, web->connections, true);
}

static void take_orders(struct web *web)
{
    uint64_t count;
    ssize_t n = read(web->wake, &count, sizeof(count));
    (void)n;
    bool down = atomic_load(&web->down);
    if (down && web->listener >= 0)
        close_all(web);
    else if (!down && web->listener < 0)
        listen_again(web);
    atomic_store(&web->is_down, down);
}

static void accept_all(struct web *web)
{
    for (int fd; web->listener >= 0 && (fd = accept4(web->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;)
        add(web, fd);
}

static void run(void *arg)
{
    struct web *web = arg;
    struct epoll_event events[EVENTS];
    while (!atomic_load(&web->stopping)) {
        int count = epoll_wait(web->epoll, events, EVENTS, answer_due(web));
        for (int i = 0; i < count; i++) {
            struct connection *c = events[i].data.ptr;
            if (!c || (void *)c == web)
                continue;
            if (c->state == WRITING && events[i].events & EPOLLOUT)
                write_answer(web, c);
            else
                read_request(web, c);
        }
        accept_all(web); /* after the connections: orders and new ones may end or reuse what the events point to */
        take_orders(web);
    }
    close_all(web);
}

static void wake(struct web *web)
{
    uint64_t one = 1;
    ssize_t n = write(web->wake, &one, sizeof(one));
    (void)n;
}

struct web *web_start(const struct web_spec *spec)
{
    struct web *web = calloc(1, sizeof(*web));
    struct epoll_event event = { .events = EPOLLIN };
    CHECK(web);
    web->spec = *spec;
    web->port = spec->port;
    web->random = spec->seed;
    web->epoll = epoll_create1(EPOLL_CLOEXEC);
    web->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&web->lock, NULL);
    CHECK(epoll_ctl(web->epoll, EPOLL_CTL_ADD, web->wake, &event) == 0);
    listen_again(web);
    CHECK_INT(thread_start(&web->thread, "web", run, web), 0);
    static const char *const proxies[] = { "http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY" };
    for (size_t i = 0; i < sizeof(proxies) / sizeof(*proxies); i++)
        unsetenv(proxies[i]);
    return web;
}

void web_stop(struct web *web)
{
    atomic_store(&web->stopping, true);
    wake(web);
    thread_join(&web->thread);
    while (web->objects) {
        struct object *object = web->objects;
        web->objects = object->next;
        free(object->path);
        free(object->data);
        free(object);
    }
    close(web->epoll);
    close(web->wake);
    pthread_mutex_destroy(&web->lock);
    free(web);
}

int web_port(const struct web *web)
{
    return web->port;
}

const char *web_url(const struct web *web, const char *path)
{
    static char texts[8][2048];
    static unsigned turn;
    char *text = texts[turn++ % 8];
    snprintf(text, sizeof(texts[0]), "http://127.0.0.1:%d%s", web->port, path);
    return text;
}

static void order(struct web *web, bool down)
{
    struct timespec nap = { 0, 1000000 };
    atomic_store(&web->down, down);
    wake(web);
    while (atomic_load(&web->is_down) != down)
        nanosleep(&nap, NULL);
}

void web_down(struct web *web)
{
    order(web, true);
}

void web_up(struct web *web)
{
    order(web, false);
}
