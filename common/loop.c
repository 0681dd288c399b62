/* loop.c: over zmq_poll(), which waits for ZeroMQ sockets and descriptors alike.
 *
 * Sources live in two parallel arrays, one in zmq_poll's own form. A removed source is only blanked while functions are
 * being called, and swept before the next wait, so indices stay valid during a round. Armed timers form a list sorted by deadline:
 * there are few, one a node and one a task. */
#include "common/loop.h"

#include "common/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <zmq.h>

struct source {
    void (*readable)(void *arg);
    void *arg;
};

struct loop {
    zmq_pollitem_t *items;
    struct source *sources;
    int count, capacity;
    bool dirty, stopped;
    struct loop_timer *timers;
};

int loop_new(struct loop **ret)
{
    struct loop *loop = calloc(1, sizeof(*loop));
    if (!loop)
        return -ENOMEM;
    *ret = loop;
    return 0;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    free(loop->items);
    free(loop->sources);
    free(loop);
}

static int grow(struct loop *loop)
{
    int capacity = loop->capacity ? loop->capacity * 2 : 16;
    zmq_pollitem_t *items = realloc(loop->items, (size_t)capacity * sizeof(*items));
    if (!items)
        return -ENOMEM;
    loop->items = items;
    struct source *sources = realloc(loop->sources, (size_t)capacity * sizeof(*sources));
    if (!sources)
        return -ENOMEM;
    loop->sources = sources;
    loop->capacity = capacity;
    return 0;
}

static int add(struct loop *loop, void *socket, int fd, void (*readable)(void *arg), void *arg)
{
    if (loop->count == loop->capacity) {
        int r = grow(loop);
        if (r < 0)
            return r;
    }
    loop->items[loop->count] = (zmq_pollitem_t){ .socket = socket, .fd = fd, .events = ZMQ_POLLIN };
    loop->sources[loop->count++] = (struct source){ readable, arg };
    return 0;
}

int loop_add_socket(struct loop *loop, void *socket, void (*readable)(void *arg), void *arg)
{
    return add(loop, socket, -1, readable, arg);
}

int loop_add_fd(struct loop *loop, int fd, void (*readable)(void *arg), void *arg)
{
    return add(loop, NULL, fd, readable, arg);
}

void loop_remove(struct loop *loop, const void *arg)
{
    for (int i = 0; i < loop->count; i++)
        if (loop->sources[i].arg == arg) {
            loop->sources[i].readable = NULL;
            loop->dirty = true;
        }
}

static void sweep(struct loop *loop)
{
    int kept = 0;
    for (int i = 0; loop->dirty && i < loop->count; i++)
        if (loop->sources[i].readable) {
            loop->items[kept] = loop->items[i];
            loop->sources[kept++] = loop->sources[i];
        }
    if (loop->dirty)
        loop->count = kept;
    loop->dirty = false;
}

void loop_timer_cancel(struct loop *loop, struct loop_timer *timer)
{
    for (struct loop_timer **at = &loop->timers; *at; at = &(*at)->next)
        if (*at == timer) {
            *at = timer->next;
            break;
        }
    timer->at_ns = 0;
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t at_ns)
{
    loop_timer_cancel(loop, timer);
    struct loop_timer **at = &loop->timers;
    while (*at && (*at)->at_ns <= at_ns)
        at = &(*at)->next;
    timer->at_ns = at_ns;
    timer->next = *at;
    *at = timer;
}

static void call_due_timers(struct loop *loop)
{
    uint64_t now = clock_now_ns();
    while (loop->timers && loop->timers->at_ns <= now && !loop->stopped) {
        struct loop_timer *timer = loop->timers;
        loop->timers = timer->next;
        timer->at_ns = 0;
        timer->due(timer->arg);
    }
}

static long wait_ms(const struct loop *loop)
{
    if (!loop->timers)
        return -1;
    uint64_t now = clock_now_ns(), at = loop->timers->at_ns;
    return at <= now ? 0 : (long)((at - now + NS_PER_MS - 1) / NS_PER_MS);
}

static void call_readable(struct loop *loop)
{
    for (int i = 0, count = loop->count; i < count && !loop->stopped; i++)
        if (loop->items[i].revents && loop->sources[i].readable)
            loop->sources[i].readable(loop->sources[i].arg);
}

int loop_run(struct loop *loop)
{
    loop->stopped = false;
    while (!loop->stopped) {
        call_due_timers(loop);
        sweep(loop);
        if (loop->stopped)
            break;
        int ready = zmq_poll(loop->items, loop->count, wait_ms(loop));
        if (ready < 0 && errno != EINTR)
            return -errno;
        if (ready > 0)
            call_readable(loop);
    }
    return 0;
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}
