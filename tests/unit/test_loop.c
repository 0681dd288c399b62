#include "common/cleanup.h"
#include "common/clock.h"
#include "common/loop.h"

#include "tests/test.h"

#include <unistd.h>
#include <zmq.h>

/* One pipe, and what its function is to do when the loop calls it. */
struct end {
    struct loop *loop;
    int fds[2], calls;
    struct end *other; /* removed in the first call, if any */
    bool stop;
};

static void open_end(struct end *end, struct loop *loop)
{
    *end = (struct end){ .loop = loop };
    CHECK_INT(pipe(end->fds), 0);
    CHECK_INT(write(end->fds[1], "x", 1), 1);
}

static void close_end(const struct end *end)
{
    close(end->fds[0]);
    close(end->fds[1]);
}

static void on_end(void *arg)
{
    struct end *end = arg;
    char c;
    CHECK_INT(read(end->fds[0], &c, 1), 1);
    end->calls++;
    if (end->other)
        loop_remove(end->loop, end->other);
    if (end->stop)
        loop_stop(end->loop);
}

static void stop_loop(void *arg)
{
    loop_stop(arg);
}

TEST(a_readable_descriptor_is_reported_until_it_is_read)
{
    struct loop *loop;
    struct end end;
    CHECK_INT(loop_new(&loop), 0);
    open_end(&end, loop);
    CHECK_INT(write(end.fds[1], "y", 1), 1);
    CHECK_INT(loop_add_fd(loop, end.fds[0], on_end, &end), 0);
    struct loop_timer timer = { .due = stop_loop, .arg = loop };
    loop_timer_set(loop, &timer, clock_now_ns() + 50 * NS_PER_MS);
    CHECK_INT(loop_run(loop), 0);
    CHECK_INT(end.calls, 2);
    loop_free(loop);
    close_end(&end);
}

TEST(a_source_removed_by_another_in_the_same_round_is_not_called)
{
    struct loop *loop;
    struct end ends[3];
    CHECK_INT(loop_new(&loop), 0);
    for (int i = 0; i < 3; i++) {
        open_end(&ends[i], loop);
        CHECK_INT(loop_add_fd(loop, ends[i].fds[0], on_end, &ends[i]), 0);
    }
    ends[0].other = &ends[1];
    ends[2].stop = true;
    CHECK_INT(loop_run(loop), 0);
    CHECK_INT(ends[0].calls, 1);
    CHECK_INT(ends[1].calls, 0);
    CHECK_INT(ends[2].calls, 1);
    loop_free(loop);
    for (int i = 0; i < 3; i++)
        close_end(&ends[i]);
}

struct grower {
    struct loop *loop;
    struct end first, more[40];
};

/* Removes itself, adds many: the arrays move while the loop walks them. */
static void on_grower(void *arg)
{
    struct grower *grower = arg;
    loop_remove(grower->loop, grower);
    for (int i = 0; i < 40; i++)
        CHECK_INT(loop_add_fd(grower->loop, grower->more[i].fds[0], on_end, &grower->more[i]), 0);
    grower->more[39].stop = true;
}

TEST(a_function_may_remove_itself_and_add_many)
{
    static struct grower grower;
    CHECK_INT(loop_new(&grower.loop), 0);
    open_end(&grower.first, grower.loop);
    for (int i = 0; i < 40; i++)
        open_end(&grower.more[i], grower.loop);
    CHECK_INT(loop_add_fd(grower.loop, grower.first.fds[0], on_grower, &grower), 0);
    CHECK_INT(loop_run(grower.loop), 0);
    for (int i = 0; i < 40; i++)
        CHECK_INT(grower.more[i].calls, 1);
    loop_free(grower.loop);
}

static char order[16];

struct alarm {
    struct loop *loop;
    struct loop_timer timer;
    char name;
    struct alarm *cancels, *rearms;
};

static void on_alarm(void *arg)
{
    struct alarm *alarm = arg;
    strncat(order, &alarm->name, 1);
    if (alarm->cancels)
        loop_timer_cancel(alarm->loop, &alarm->cancels->timer);
    if (alarm->rearms)
        loop_timer_set(alarm->loop, &take(alarm->rearms)->timer, clock_now_ns() + NS_PER_MS);
}

TEST(timers_go_off_soonest_first_may_cancel_each_other_and_be_armed_again)
{
    struct loop *loop;
    struct alarm alarms[4];
    CHECK_INT(loop_new(&loop), 0);
    for (int i = 0; i < 4; i++)
        alarms[i] = (struct alarm){ .loop = loop, .timer = { .due = on_alarm, .arg = &alarms[i] }, .name = (char)('a' + i) };
    struct loop_timer end = { .due = stop_loop, .arg = loop };
    uint64_t now = clock_now_ns();
    alarms[0].cancels = &alarms[2];
    alarms[1].rearms = &alarms[1];
    loop_timer_set(loop, &alarms[3].timer, now + 4 * NS_PER_MS);
    loop_timer_set(loop, &alarms[2].timer, now + 1 * NS_PER_MS);
    loop_timer_set(loop, &alarms[0].timer, now + 20 * NS_PER_S);
    loop_timer_set(loop, &alarms[0].timer, now); /* armed again: the earlier time counts */
    loop_timer_set(loop, &alarms[1].timer, now);
    loop_timer_set(loop, &end, now + 60 * NS_PER_MS);
    CHECK_INT(loop_run(loop), 0); /* no source at all */
    CHECK(clock_now_ns() >= now + 60 * NS_PER_MS);
    CHECK_INT(strlen(order), 4);
    CHECK(!strncmp(order, "ab", 2) && strchr(order + 2, 'b') && strchr(order + 2, 'd'));
    CHECK(!alarms[0].timer.at_ns && !alarms[2].timer.at_ns);
    loop_free(loop);
}

struct socket_end {
    struct loop *loop;
    void *socket;
    int calls;
};

/* Takes one message a call, as a busy reader would. */
static void on_zmq(void *arg)
{
    struct socket_end *end = arg;
    char text[8];
    CHECK_INT(zmq_recv(end->socket, text, sizeof(text), ZMQ_DONTWAIT), 1);
    if (++end->calls < 3)
        return;
    loop_remove(end->loop, end);
    CHECK_INT(zmq_close(end->socket), 0);
    loop_stop(end->loop);
}

TEST(messages_left_in_a_socket_are_reported_again_and_it_may_be_closed_in_its_function)
{
    void *context = zmq_ctx_new(), *in = zmq_socket(context, ZMQ_PAIR), *out = zmq_socket(context, ZMQ_PAIR);
    struct socket_end end = { .socket = in };
    CHECK_INT(loop_new(&end.loop), 0);
    CHECK_INT(zmq_bind(in, "inproc://loop"), 0);
    CHECK_INT(zmq_connect(out, "inproc://loop"), 0);
    CHECK_INT(loop_add_socket(end.loop, in, on_zmq, &end), 0);
    for (int i = 0; i < 3; i++)
        CHECK_INT(zmq_send(out, "m", 1, 0), 1);
    CHECK_INT(loop_run(end.loop), 0);
    CHECK_INT(end.calls, 3);
    loop_free(end.loop);
    zmq_close(out);
    zmq_ctx_term(context);
}
