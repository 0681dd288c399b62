/* A node's name is looked up again: its machine may have another address when it comes back. */
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/mount.h"
#include "tests/cluster/lib/preload.h"

#include <signal.h>
#include <sys/mount.h>

#define WORKS "--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "2000"

static void call_it(const char *address)
{
    char text[128];
    snprintf(text, sizeof(text), "127.0.0.1 localhost\n%s gpu-of-a-test\n", address);
    write_text("hosts", text);
}

/* From now on /etc/hosts is ours. */
static void own_hosts(const char *address)
{
    call_it(address);
    mount_own();
    CHECK_INT(mount("hosts", "/etc/hosts", NULL, MS_BIND, NULL), 0);
}

TEST(a_node_that_comes_back_with_another_address_is_found_by_its_name)
{
    struct daemon old, new;
    struct process run;
    char text[64];
    own_hosts("127.0.0.2");
    WORKER(&old, "old", "--listen", "127.0.0.2:0", WORKS);
    snprintf(text, sizeof(text), "gpu-of-a-test:%d\n", old.port);
    write_text("nodes", text);
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--insecure", "--expiry", "1", "--batch", "10", "--job", "job", "sim:2000");
    WAIT_FOR(job_done("job") > 0);
    process_signal(&old.process, SIGKILL);
    process_end(&old.process);
    CHECK(process_running(&run));
    call_it("127.0.0.3");
    snprintf(text, sizeof(text), "127.0.0.3:%d", old.port);
    WORKER(&new, "new", "--listen", text, WORKS);
    CHECK_INT(process_end(&run), 0);
    CHECK_INT(job_done("job"), 2000);
    check_contains("new.err", "job ");
    daemon_stop(&new);
}

TEST(a_name_service_that_does_not_answer_silences_no_other_node)
{
    struct daemon daemon;
    char text[64];
    WORKER(&daemon, "worker", WORKS);
    snprintf(text, sizeof(text), "127.0.0.1:%d\nslow-[1-40]\n", daemon.port);
    write_text("nodes", text);
    preload("resolver", NULL, NULL);
    CHECK_INT(COORDINATE("run", "run", "--nodes", "nodes", "--insecure", "--expiry", "1", "--batch", "10", "--job", "job", "sim:1000"), 0);
    check_lacks("run.err", "silent for too long");
    CHECK_INT(COORDINATE("check", "check", "--nodes", "nodes", "--insecure", "--node-timeout", "4"), 1);
    check_contains("check.out", "41 nodes: 1 ok, 40 MISSING");
    preload_none();
    daemon_stop(&daemon);
}

TEST(a_name_with_several_addresses_is_found_at_the_one_that_answers)
{
    struct daemon daemon;
    char text[128];
    own_hosts("127.0.0.9");
    write_text("hosts", "127.0.0.1 localhost\n127.0.0.9 gpu-of-a-test\n127.0.0.2 gpu-of-a-test\n127.0.0.8 gpu-of-a-test\n");
    WORKER(&daemon, "worker", "--listen", "127.0.0.2:0", WORKS);
    snprintf(text, sizeof(text), "gpu-of-a-test:%d\n", daemon.port);
    write_text("nodes", text);
    CHECK_INT(COORDINATE("run", "run", "--nodes", "nodes", "--insecure", "--job", "job", "sim:100"), 0);
    daemon_stop(&daemon);
}

TEST(a_name_that_is_not_known_is_told_and_the_others_go_on)
{
    struct daemon daemon;
    char text[128];
    own_hosts("127.0.0.2");
    WORKER(&daemon, "worker", WORKS);
    snprintf(text, sizeof(text), "127.0.0.1:%d\nno-such-gpu.invalid\n", daemon.port);
    write_text("nodes", text);
    CHECK_INT(COORDINATE("run", "run", "--nodes", "nodes", "--insecure", "--job", "job", "sim:3000"), 0);
    check_contains("run.err", "no-such-gpu.invalid:5571: its name cannot be looked up: ");
    CHECK_INT(COORDINATE("check", "check", "--nodes", "nodes", "--insecure", "--node-timeout", "4"), 1);
    check_contains("check.out", "its name cannot be looked up: ");
    daemon_stop(&daemon);
}
