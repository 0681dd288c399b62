#include "worker/fetch/wire.h"

#include "common/cleanup.h"
#include "common/clock.h"

#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>

#define EVENTS 64

static void start_library(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static uint32_t events_of(int what)
{
    return (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
}

/* `known` is what curl_multi_assign() has attached to the socket: not NULL once it is in the epoll set. */
static int on_socket(CURL *curl, curl_socket_t fd, int what, void *arg, void *known)
{
    struct wire *wire = arg;
    struct epoll_event event = { .events = events_of(what), .data.fd = fd };
    (void)curl;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(wire->epoll, EPOLL_CTL_DEL, fd, NULL); /* which a closed socket has done by itself */
        return 0;
    }
    if (epoll_ctl(wire->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) < 0)
        wire->error = -errno;
    if (!known)
        curl_multi_assign(wire->multi, fd, wire);
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct wire *wire = arg;
    (void)multi;
    wire->timer_ns = timeout_ms < 0 ? UINT64_MAX : clock_now_ns() + (uint64_t)timeout_ms * NS_PER_MS;
    return 0;
}

int wire_open(struct wire *wire, int connections)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start_library);
    *wire = (struct wire){ .epoll = epoll_create1(EPOLL_CLOEXEC), .timer_ns = UINT64_MAX };
    if (wire->epoll < 0)
        return -errno;
    wire->multi = curl_multi_init();
    if (!wire->multi) {
        closep(&wire->epoll);
        return -ENOMEM;
    }
    curl_multi_setopt(wire->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(wire->multi, CURLMOPT_SOCKETDATA, wire);
    curl_multi_setopt(wire->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(wire->multi, CURLMOPT_TIMERDATA, wire);
    curl_multi_setopt(wire->multi, CURLMOPT_MAXCONNECTS, (long)connections);
    return 0;
}

void wire_close(struct wire *wire)
{
    if (!wire->multi)
        return;
    curl_multi_cleanup(wire->multi);
    closep(&wire->epoll);
    wire->multi = NULL;
}

int wire_add_fd(struct wire *wire, int fd)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = -1 };
    return epoll_ctl(wire->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int wire_begin(struct wire *wire, CURL *curl)
{
    return curl_multi_add_handle(wire->multi, curl) ? -ENOMEM : 0;
}

void wire_remove(struct wire *wire, CURL *curl)
{
    curl_multi_remove_handle(wire->multi, curl);
}

/* Rounded up: a timer that is called too early is called in vain. */
static int timeout_until(uint64_t when_ns, int most_ms)
{
    if (when_ns == UINT64_MAX)
        return most_ms;
    uint64_t now = clock_now_ns();
    uint64_t ms = when_ns > now ? (when_ns - now + NS_PER_MS - 1) / NS_PER_MS : 0;
    return most_ms < 0 || ms < (uint64_t)most_ms ? (int)(ms < 60000 ? ms : 60000) : most_ms;
}

int wire_wait(struct wire *wire, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int running, count = epoll_wait(wire->epoll, events, EVENTS, timeout_until(wire->timer_ns, timeout_ms));
    if (count < 0)
        return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < count; i++) {
        int what = (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) | (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                   (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
        if (events[i].data.fd >= 0)
            curl_multi_socket_action(wire->multi, events[i].data.fd, what, &running);
    }
    if (wire->timer_ns != UINT64_MAX && clock_now_ns() >= wire->timer_ns) {
        wire->timer_ns = UINT64_MAX;
        curl_multi_socket_action(wire->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    int r = wire->error;
    wire->error = 0;
    return r;
}

CURL *wire_ended(struct wire *wire, CURLcode *ret_code)
{
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(wire->multi, &left));)
        if (message->msg == CURLMSG_DONE) {
            *ret_code = message->data.result;
            return message->easy_handle;
        }
    return NULL;
}
