/* web.c: one thread, epoll, and a state for each connection: reading a request, waiting for its time, writing, or saying nothing more. */
#include "tests/cluster/lib/web.h"

#include "common/clock.h"
#include "common/thread.h"
#include "tests/test.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST_MAX 16384
#define EVENTS      256

struct object {
    struct object *next;
    char *path;
    char *data;
    size_t size;
    uint64_t requests;
};

/* How one request is answered. */
struct answer {
    int status, delay_ms;
    bool cuts, stalls, silent, resets, infinite, chunked, lies;
    size_t cut, length;
    char etag[64], location[1024];
};

enum connection_state { READING, WAITING, WRITING, MUTE };

struct connection {
    struct connection *next, **at;
    int fd;
    enum connection_state state;
    uint64_t due_ns;
    char request[REQUEST_MAX];
    size_t request_size;
    struct answer answer;
    char head[2048];
    size_t head_size, head_sent;
    const char *body;
    size_t body_size, body_sent;
    bool ends; /* when the answer is out */
};

struct web {
    struct web_spec spec;
    struct thread thread;
    int epoll, wake, listener, port;
    atomic_bool stopping, down, is_down;
    pthread_mutex_t lock; /* of objects and counts */
    struct object *objects;
    struct web_counts counts;
    struct connection *connections;
    unsigned random;
};

/* ---- what is there ---- */

/* The lock is held. */
static struct object *find(struct web *web, const char *path, size_t size)
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
    struct object *object = find(web, path, strlen(path));
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

/* ---- how it is answered ---- */

/* The value of "name=value" or "name" in a query; NULL when it is not there. */
static const char *parameter(const char *query, const char *name)
{
    size_t size = strlen(name);
    for (const char *at = query; at && *at; at = strchr(at, '&')) {
        at += *at == '&';
        if (!strncmp(at, name, size) && (at[size] == '=' || at[size] == '&' || !at[size]))
            return at[size] == '=' ? at + size + 1 : at + size;
    }
    return NULL;
}

static void follow_query(struct answer *answer, const char *query)
{
    const char *value;
    if ((value = parameter(query, "delay")))
        answer->delay_ms = atoi(value);
    if ((value = parameter(query, "status")))
        answer->status = atoi(value);
    if ((value = parameter(query, "cut"))) {
        answer->cuts = true;
        answer->cut = strtoull(value, NULL, 10);
    }
    if ((value = parameter(query, "length"))) {
        answer->lies = true;
        answer->length = strtoull(value, NULL, 10);
    }
    if ((value = parameter(query, "etag")))
        snprintf(answer->etag, sizeof(answer->etag), "%.*s", (int)strcspn(value, "&"), value);
    if ((value = parameter(query, "redirect")))
        snprintf(answer->location, sizeof(answer->location), "%s", value);
    answer->stalls |= parameter(query, "stall") != NULL;
    answer->silent |= parameter(query, "silent") != NULL;
    answer->resets |= parameter(query, "reset") != NULL;
    answer->infinite |= parameter(query, "infinite") != NULL;
    answer->chunked |= parameter(query, "chunked") != NULL;
}

/* One of the kinds of trouble, by chance. */
static void misbehave(struct web *web, struct answer *answer)
{
    const char *kinds = web->spec.kinds ? web->spec.kinds : "503";
    char kind[32];
    int count = 1;
    for (const char *at = kinds; (at = strchr(at, ',')); at++)
        count++;
    for (int skip = rand_r(&web->random) % count; skip; skip--)
        kinds = strchr(kinds, ',') + 1;
    snprintf(kind, sizeof(kind), "%.*s", (int)strcspn(kinds, ","), kinds);
    answer->resets = !strcmp(kind, "reset");
    answer->stalls = !strcmp(kind, "stall");
    answer->silent = !strcmp(kind, "silent");
    if (!strcmp(kind, "truncate")) {
        answer->cuts = true;
        answer->cut = 10;
    }
    if (atoi(kind))
        answer->status = atoi(kind);
    web->counts.bad++;
}

/* The lock is held. Decides on the request that has been read. */
static void decide(struct web *web, struct connection *c)
{
    char *path = strchr(c->request, ' '), *end = path ? strchr(path + 1, ' ') : NULL;
    c->answer = (struct answer){ .status = 200, .delay_ms = web->spec.delay_ms };
    web->counts.requests++;
    if (!end) {
        c->answer.status = 400;
        return;
    }
    *end = '\0';
    char *query = strchr(++path, '?');
    struct object *object = find(web, path, query ? (size_t)(query - path) : strlen(path));
    c->body = object ? object->data : NULL;
    c->body_size = object ? object->size : 0;
    if (object)
        object->requests++;
    else
        c->answer.status = 404;
    const char *times = query ? parameter(query + 1, "times") : NULL;
    if (query && (!times || (object && object->requests <= strtoull(times, NULL, 10))))
        follow_query(&c->answer, query + 1);
    else if (rand_r(&web->random) < web->spec.bad * RAND_MAX)
        misbehave(web, &c->answer);
}

static void write_head(const struct web *web, struct connection *c)
{
    struct answer *answer = &c->answer;
    if (*answer->location)
        answer->status = 302;
    if (answer->status != 200)
        c->body_size = 0;
    size_t length = answer->lies ? answer->length : c->body_size;
    int size = snprintf(c->head, sizeof(c->head), "HTTP/1.1 %d -\r\n", answer->status);
    if (answer->infinite || answer->chunked)
        size += snprintf(c->head + size, sizeof(c->head) - (size_t)size, "Transfer-Encoding: chunked\r\n");
    else
        size += snprintf(c->head + size, sizeof(c->head) - (size_t)size, "Content-Length: %zu\r\n", length);
    if (*answer->etag)
        size += snprintf(c->head + size, sizeof(c->head) - (size_t)size, "ETag: \"%s\"\r\n", answer->etag);
    if (*answer->location)
        size += snprintf(c->head + size, sizeof(c->head) - (size_t)size, "Location: %s\r\n", answer->location);
    size += snprintf(c->head + size, sizeof(c->head) - (size_t)size, "%s\r\n", web->spec.closes ? "Connection: close\r\n" : "");
    if (answer->infinite || answer->chunked)
        size += snprintf(c->head + size, sizeof(c->head) - (size_t)size, "%zx\r\n", c->body_size);
    c->head_size = (size_t)size;
    if (answer->stalls)
        c->body_size /= 2;
    if (answer->cuts && answer->cut < c->body_size)
        c->body_size = answer->cut;
    c->ends = web->spec.closes || answer->cuts || answer->lies;
    c->head_sent = c->body_sent = 0;
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
        write_head(web, c);
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
    decide(web, c);
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
