/* Daemons as nodes: asking who they are, sharing them between jobs, nonsense on their port, and nodes that are not there. */
#include "tests/cluster/lib/cluster.h"

#include "common/cleanup.h"
#include "proto/link.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static void start_worker(struct daemon *daemon, const char *name)
{
    WORKER(daemon, name, "--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "2000");
}

/* A port that was free a moment ago. */
static int free_port(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(address);
    CLEANUP(closep) int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_INT(bind(fd, (struct sockaddr *)&address, size), 0);
    CHECK_INT(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    return ntohs(address.sin_port);
}

static void expect_line(const char *path, int port, const char *part)
{
    char mark[64];
    CLEANUP(freep) char *text = read_text(path);
    snprintf(mark, sizeof(mark), "127.0.0.1:%d", port);
    char *line = strstr(text, mark);
    CHECK(line);
    line[strcspn(line, "\n")] = '\0';
    CHECK_CONTAINS(line, part);
}

TEST(check_tells_for_each_node_whether_it_is_there_and_busy)
{
    struct daemon idle, busy, missing = { .process.name = "missing", .port = free_port() };
    struct process run;
    start_worker(&idle, "idle");
    start_worker(&busy, "busy");
    write_node("one", &busy);
    write_nodes("good", (const struct daemon *[]){ &idle, &busy }, 2);
    write_nodes("all", (const struct daemon *[]){ &idle, &missing, &busy }, 3);
    CHECK_INT(COORDINATE("good", "check", "--nodes", "good"), 0);
    expect_line("good.out", busy.port, "ok");
    expect_line("good.out", busy.port, "sim");
    check_lacks("good.out", "busy with");
    BEGIN(&run, "run", "run", "--nodes", "one", "--batch", "10", "--job", "job", "sim:2000");
    WAIT_FOR(job_done("job") > 0);
    CHECK_INT(COORDINATE("all", "check", "--nodes", "all", "--node-timeout", "1"), 1);
    expect_line("all.out", idle.port, "ok");
    expect_line("all.out", missing.port, "MISSING");
    expect_line("all.out", busy.port, "busy with a job of ");
    process_signal(&run, SIGTERM);
    CHECK_INT(process_end(&run), 130);
    daemon_stop(&idle);
    daemon_stop(&busy);
}

TEST(status_names_the_batches_that_are_out_and_where)
{
    struct daemon daemon;
    struct process run;
    WORKER(&daemon, "slow", "--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "20000");
    write_node("nodes", &daemon);
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--batch", "10", "--job", "job", "sim:2000");
    WAIT_FOR(test_shell(NULL, "%s/sleddog-coordinator status job >status.out 2>&1 && grep -q 'batch .*, 10 images, attempt 1, for ' status.out",
                        test_build()) == 0);
    check_contains("status.out", "state     running");
    expect_line("status.out", daemon.port, "ready: ");
    process_signal(&run, SIGINT);
    CHECK_INT(process_end(&run), 130);
    CHECK_INT(COORDINATE("status", "status", "job"), 0);
    check_lacks("status.out", "attempt");
    daemon_stop(&daemon);
}

TEST(a_busy_worker_says_whose_job_it_has_and_the_next_job_gets_it_afterwards)
{
    struct daemon daemon;
    struct process first, second;
    start_worker(&daemon, "one");
    write_node("nodes", &daemon);
    BEGIN(&first, "first", "run", "--nodes", "nodes", "--job", "first-job", "--batch", "20", "sim:1500");
    WAIT_FOR(job_done("first-job") > 0);
    BEGIN(&second, "second", "run", "--nodes", "nodes", "--job", "second-job", "--batch", "20", "sim:300");
    WAIT_FOR(process_said(&second, "busy, serves job "));
    CHECK_INT(job_done("second-job"), 0);
    CHECK_INT(process_end(&first), 0);
    CHECK_INT(process_end(&second), 0);
    CHECK_INT(job_done("first-job"), 1500);
    CHECK_INT(job_done("second-job"), 300);
    daemon_stop(&daemon);
}

/* ---- nodes that are not there ---- */

TEST(a_job_whose_nodes_do_not_answer_gives_up_and_names_them)
{
    struct daemon missing = { .process.name = "missing", .port = free_port() };
    char sentence[128];
    write_node("nodes", &missing);
    CHECK_INT(COORDINATE("run", "run", "--nodes", "nodes", "--node-timeout", "1", "--job", "job", "sim:10"), 1);
    snprintf(sentence, sizeof(sentence), "no worker was ready for 1 s (127.0.0.1:%d does not answer)", missing.port);
    check_contains("run.err", sentence);
    check_contains("run.err", "go on with: sleddog-coordinator resume --nodes nodes --node-timeout 1 ");
}

TEST(a_job_waits_for_as_many_nodes_as_it_was_told_and_works_with_fewer_later)
{
    struct daemon here, late, missing = { .process.name = "missing", .port = free_port() };
    char sentence[160];
    struct process run;
    late.port = free_port();
    start_worker(&here, "here");
    while (missing.port == here.port || missing.port == late.port)
        missing.port = free_port(); /* the kernel may name the same one again */
    write_nodes("nodes", (const struct daemon *[]){ &here, &missing }, 2);
    CHECK_INT(COORDINATE("few", "run", "--nodes", "nodes", "--min-nodes", "2", "--node-timeout", "1", "--job", "few", "sim:10"), 1);
    snprintf(sentence, sizeof(sentence), "fewer than 2 workers were ready for 1 s (127.0.0.1:%d does not answer); a smaller --min-nodes begins without them", missing.port);
    check_contains("few.err", sentence);
    CHECK_INT(job_done("few"), 0);
    write_nodes("nodes", (const struct daemon *[]){ &here, &late }, 2);
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--min-nodes", "2", "--job", "job", "sim:10");
    WAIT_FOR(process_said(&here.process, "ready"));
    CHECK_INT(job_done("job"), 0);
    daemon_start(&late, "late", late.port, ARGV("--engine", "sim"));
    CHECK_INT(process_end(&run), 0);
    daemon_stop(&here);
    daemon_stop(&late);
}

TEST(a_job_that_has_started_goes_on_with_fewer_than_min_nodes_for_longer_than_node_timeout)
{
    struct daemon stays, goes;
    struct process run;
    start_worker(&stays, "stays");
    start_worker(&goes, "goes");
    write_nodes("nodes", (const struct daemon *[]){ &stays, &goes }, 2);
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--min-nodes", "2", "--node-timeout", "1", "--batch", "10", "--job", "job", "sim:1500");
    WAIT_FOR(job_done("job") > 0);
    daemon_stop(&goes);
    double left = now_s();
    CHECK_INT(process_end(&run), 0);
    CHECK(now_s() - left > 1.5);
    daemon_stop(&stays);
}

TEST(a_worker_that_was_replaced_is_noticed_before_it_expires)
{
    struct daemon daemon;
    struct process run;
    start_worker(&daemon, "before");
    write_node("nodes", &daemon);
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--expiry", "30", "--batch", "20", "--job", "job", "sim:1500");
    WAIT_FOR(job_done("job") > 100);
    process_signal(&daemon.process, SIGKILL);
    process_end(&daemon.process);
    daemon_start(&daemon, "after", daemon.port, ARGV("--engine", "sim"));
    CHECK_INT(process_end(&run), 0);
    check_contains("run.err", "it knows nothing of this job any more");
    CHECK_INT(images_done_by_nodes("job"), 1500);
    daemon_stop(&daemon);
}

/* ---- nonsense ---- */

static void send_raw(int port, const void *data, size_t size)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    CLEANUP(closep) int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_INT(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    CHECK(send(fd, data, size, MSG_NOSIGNAL) > 0);
}

static void send_frames(int port, int count)
{
    void *context;
    struct link *link;
    struct why why;
    char endpoint[64], noise[300];
    snprintf(endpoint, sizeof(endpoint), "tcp://127.0.0.1:%d", port);
    CHECK_INT(link_context_new(&context, &why), 0);
    CHECK_INT(link_connect(context, endpoint, &link, &why), 0);
    srand(5);
    for (int i = 0; i < count; i++) {
        for (size_t j = 0; j < sizeof(noise); j++)
            noise[j] = (char)rand();
        WAIT_FOR(link_send_frame(link, NULL, noise, (size_t)(i * 7) % sizeof(noise)) == 0);
    }
    link_free(link);
    link_context_free(context);
}

TEST(nonsense_on_its_port_disturbs_neither_an_idle_worker_nor_its_job)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    struct daemon daemon;
    struct process run;
    start_worker(&daemon, "one");
    write_node("nodes", &daemon);
    send_raw(daemon.port, request, sizeof(request) - 1);
    send_frames(daemon.port, 2000);
    WAIT_FOR(process_said(&daemon.process, "a frame that is no message of this protocol was dropped"));
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--batch", "20", "--job", "job", "sim:1000");
    WAIT_FOR(job_done("job") > 0);
    send_raw(daemon.port, request, sizeof(request) - 1);
    send_frames(daemon.port, 2000);
    CHECK_INT(process_end(&run), 0);
    check_lacks("run.err", " to others");
    CHECK_INT(job_done("job"), 1000);
    daemon_stop(&daemon);
}

TEST(something_else_on_a_port_of_the_list_is_not_taken_for_a_worker)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(address);
    struct daemon other = { .process.name = "other" };
    CLEANUP(closep) int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_INT(bind(fd, (struct sockaddr *)&address, size), 0);
    CHECK_INT(listen(fd, 5), 0);
    CHECK_INT(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    other.port = ntohs(address.sin_port);
    write_node("nodes", &other);
    CHECK_INT(COORDINATE("check", "check", "--nodes", "nodes", "--node-timeout", "1"), 1);
    expect_line("check.out", other.port, "MISSING");
    CHECK_INT(COORDINATE("run", "run", "--nodes", "nodes", "--node-timeout", "1", "--job", "job", "sim:10"), 1);
    check_contains("run.err", "does not answer");
}
