#include "common/signals.h"

#include "tests/test.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

TEST(signals_of_the_list_can_be_read_and_do_not_kill)
{
    static const int list[] = { SIGTERM, SIGCHLD, 0 };
    CHECK_INT(signals_open(list), 0);
    CHECK_INT(signals_read(), 0);
    kill(getpid(), SIGTERM);
    struct pollfd wait = { .fd = signals_fd(), .events = POLLIN };
    CHECK_INT(poll(&wait, 1, -1), 1);
    CHECK_INT(signals_read(), SIGTERM);
    CHECK_INT(signals_read(), 0);
}

TEST(writing_to_a_closed_pipe_is_an_error_and_not_the_end)
{
    static const int none[] = { 0 };
    int fds[2];
    CHECK_INT(signals_open(none), 0);
    CHECK_INT(pipe(fds), 0);
    close(fds[0]);
    CHECK_INT(write(fds[1], "x", 1), -1);
    CHECK_INT(errno, EPIPE);
}
