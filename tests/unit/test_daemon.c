#include "common/daemon.h"

#include "tests/test.h"
#include "worker/service.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A service manager's end, in the test's folder. */
static int open_manager(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "notify" };
    char path[4096];
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    CHECK_INT(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    CHECK(getcwd(path, sizeof(path) - 16));
    strcat(path, "/notify");
    CHECK_INT(setenv("NOTIFY_SOCKET", path, 1), 0);
    return fd;
}

static void check_heard(int fd, const char *expected)
{
    char text[1024];
    ssize_t size = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
    CHECK(size > 0);
    text[size] = '\0';
    CHECK_CONTAINS(text, expected);
}

TEST(a_service_manager_hears_what_a_daemon_does)
{
    int fd = open_manager();
    daemon_ready();
    check_heard(fd, "READY=1");
    daemon_reloading();
    check_heard(fd, "RELOADING=1\nMONOTONIC_USEC=");
    daemon_alive();
    check_heard(fd, "WATCHDOG=1");
    daemon_stopping(40000000000u);
    check_heard(fd, "STOPPING=1\nEXTEND_TIMEOUT_USEC=40000000");
    close(fd);
}

TEST(a_status_is_one_line_whatever_a_foreign_name_holds)
{
    int fd = open_manager();
    daemon_status("job of %s", "you\nREADY=1\x7f");
    check_heard(fd, "STATUS=job of you?READY=1?");
    close(fd);
}

TEST(without_a_service_manager_nothing_is_said_and_nobody_watches)
{
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    daemon_ready();
    daemon_status("%s", "hello");
    CHECK_INT(daemon_watchdog_ns(), 0);
}

TEST(a_watchdog_is_seen_when_it_is_meant_for_this_process)
{
    char pid[16];
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    setenv("WATCHDOG_USEC", "90000000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    CHECK_INT(daemon_watchdog_ns(), 0);
    setenv("WATCHDOG_PID", pid, 1);
    CHECK(daemon_watchdog_ns() == 90000000000u);
}

TEST(a_sign_of_life_is_withheld_while_a_stage_stands_still_but_fetching)
{
    struct rec_stage stages[] = { { .name = "fetch" }, { .name = "decode" }, { .name = "engine" } }, load = { .name = "load", .still_ms = 5000 };
    CHECK(service_gets_on(stages, 3));
    stages[0].still_ms = 100000;
    CHECK(service_gets_on(stages, 3));
    stages[2].still_ms = 1000; /* between two looks */
    CHECK(service_gets_on(stages, 3));
    stages[2].still_ms = 1001;
    CHECK(!service_gets_on(stages, 3));
    CHECK(!service_gets_on(&load, 1));
    CHECK(service_gets_on(stages, 0));
}
