/* A node's name is looked up again: its machine may have another address when it comes back. */
#include "tests/cluster/lib/cluster.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>

#define WORKS "--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "2000"

static void call_it(const char *address)
{
    char text[128];
    snprintf(text, sizeof(text), "127.0.0.1 localhost\n%s gpu-of-a-test\n", address);
    write_text("hosts", text);
}

/* In a mount namespace, whose /etc/hosts is ours. */
static void own_hosts(const char *address)
{
    call_it(address);
    if (unshare(CLONE_NEWNS) < 0)
        test_skip("mount namespaces are not allowed here: %s", strerror(errno));
    CHECK_INT(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    CHECK_INT(mount("hosts", "/etc/hosts", NULL, MS_BIND, NULL), 0);
}

TEST_WITHIN(60, a_node_that_comes_back_with_another_address_is_found_by_its_name)
{
    struct daemon old, new;
    struct process run;
    char text[64];
    own_hosts("127.0.0.2");
    WORKER(&old, "old", "--listen", "127.0.0.2:0", WORKS);
    snprintf(text, sizeof(text), "gpu-of-a-test:%d\n", old.port);
    write_text("nodes", text);
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--expiry", "1", "--batch", "10", "--job", "job", "sim:2000");
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
