/* `resume` and `retry` go on where the job ran last: nodes, keys, local workers and their tuning; options given win one by one. */
#include "tests/cluster/lib/cluster.h"

#include "common/cleanup.h"

#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#define IMAGES "sim:2000"
#define KEYED  "--key", "keys/worker.key", "--authorized", "keys/coordinator.pub"
#define KEYS   "--key", "keys/coordinator.key", "--node-key", "keys/worker.pub"

static void start_worker(struct daemon *daemon, const char *name)
{
    WORKER(daemon, name, "--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "2000");
}

static void begin_on_two(struct process *run, struct daemon *one, struct daemon *two)
{
    start_worker(one, "one");
    start_worker(two, "two");
    write_nodes("nodes", (const struct daemon *[]){ one, two }, 2);
    BEGIN(run, "run", "run", "--nodes", "nodes", "--min-nodes", "2", "--batch", "20", "--job", "job", IMAGES);
    WAIT_FOR(job_done("job") > 100);
}

static void begin_with_keys(struct process *run, struct daemon *daemon)
{
    CHECK_INT(COORDINATE("keygen", "keygen", "keys"), 0);
    WORKER(daemon, "worker", "--engine", "sim", "--sim-cost-us", "2000", "--engine-threads", "1", "--listen", "127.0.0.1:0", KEYED);
    write_node("nodes", daemon);
    BEGIN(run, "run", "run", "--nodes", "nodes", KEYS, "--batch", "20", "--job", "job", IMAGES);
    WAIT_FOR(job_done("job") > 0);
}

static void interrupt(struct process *run)
{
    process_signal(run, SIGINT);
    CHECK_INT(process_end(run), 130);
}

static void expect_nodes(bool daemons, bool local)
{
    CLEANUP(freep) char *summary = read_text("job/summary.json");
    CHECK(daemons == (strstr(summary, "\"name\": \"127.0.0.1:") != NULL));
    CHECK(local == (strstr(summary, "\"name\": \"local ") != NULL));
}

TEST(a_plain_resume_goes_on_on_the_nodes_that_the_job_ran_on_and_says_so)
{
    struct process run;
    struct daemon one, two;
    char here[PATH_MAX], line[PATH_MAX + 200];
    begin_on_two(&run, &one, &two);
    interrupt(&run);
    CHECK_INT(mkdir("elsewhere", 0777), 0);
    CHECK(getcwd(here, sizeof(here)));
    CHECK_INT(chdir("elsewhere"), 0);
    CHECK_INT(COORDINATE("resume", "resume", "../job"), 0);
    snprintf(line, sizeof(line), "../job: goes on as it ran last, with --nodes %s/nodes --min-nodes 2; --nodes or --local would say otherwise\n", here);
    check_contains("resume.err", line);
    CHECK_INT(chdir(".."), 0);
    expect_nodes(true, false);
    CHECK_INT(COORDINATE("again", "resume", "job"), 0);
    check_lacks("again.err", "goes on as it ran last");
    daemon_stop(&one);
    daemon_stop(&two);
}

TEST(options_of_a_resume_win_one_by_one_over_those_of_the_run)
{
    struct process run;
    struct daemon one, two;
    begin_on_two(&run, &one, &two);
    interrupt(&run);
    daemon_stop(&two);
    CHECK_INT(COORDINATE("resume", "resume", "--min-nodes", "1", "job"), 0);
    check_contains("resume.err", "/nodes; --nodes or --local would say otherwise");
    expect_nodes(true, false);
    daemon_stop(&one);
}

TEST(a_resume_with_local_workers_leaves_the_nodes_alone_and_is_what_the_next_one_takes)
{
    struct process run;
    struct daemon one, two;
    begin_on_two(&run, &one, &two);
    interrupt(&run);
    long done = job_done("job");
    BEGIN(&run, "local", "resume", "--local", "2", "--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "2000", "job");
    WAIT_FOR(job_done("job") > done);
    interrupt(&run);
    check_lacks("local.err", "goes on as it ran last");
    daemon_stop(&one);
    daemon_stop(&two);
    CHECK_INT(COORDINATE("resume", "resume", "--sim-cost-us", "0", "job"), 0);
    check_contains("resume.err", "goes on as it ran last, with --local 2 --engine sim --engine-threads 1; --nodes");
    expect_nodes(true, true);
}

static void begin_tuned(struct process *run)
{
    BEGIN(run, "run", "run", "--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "2000", "--threads", "3", "--cache", "kept", "--stall-timeout", "20",
          "--strict", "--job", "job", IMAGES);
    WAIT_FOR(job_done("job") > 0);
}

TEST(a_resume_that_says_where_keeps_time_limits_and_tuning_and_forgets_flags)
{
    struct process run;
    struct daemon daemon;
    char here[PATH_MAX], line[PATH_MAX + 200];
    begin_tuned(&run);
    interrupt(&run);
    long done = job_done("job");
    BEGIN(&run, "local", "resume", "--local", "2", "--sim-cost-us", "3000", "job");
    WAIT_FOR(job_done("job") > done);
    interrupt(&run);
    CHECK(getcwd(here, sizeof(here)));
    snprintf(line, sizeof(line), "job: goes on with --local 2 --stall-timeout 20 --engine sim --engine-threads 1 --threads 3 --sim-cost-us 3000 --cache %s/kept; what was "
             "not given now is as it ran last\n", here);
    check_contains("local.err", line);
    start_worker(&daemon, "one");
    write_node("nodes", &daemon);
    CHECK_INT(COORDINATE("nodes", "resume", "--nodes", "nodes", "--stall-timeout", "10", "job"), 0);
    snprintf(line, sizeof(line), "job: goes on with --nodes nodes --cache %s/kept; what was not given now is as it ran last\n", here);
    check_contains("nodes.err", line);
    daemon_stop(&daemon);
}

TEST(what_is_kept_and_cannot_be_read_is_told_and_hinders_nobody_who_says_where)
{
    struct process run;
    begin_tuned(&run);
    interrupt(&run);
    CHECK_INT(test_shell(NULL, "sqlite3 job/job.db \"UPDATE meta SET value = '--local 1 --frobnicate' WHERE key = 'placement'\""), 0);
    CHECK_INT(COORDINATE("bare", "resume", "job"), 1);
    check_contains("bare.err", "job.db: how the job ran last: resume takes no option --frobnicate; give --nodes FILE or --local N");
    CHECK_INT(COORDINATE("resume", "resume", "--local", "1", "--engine", "sim", "job"), 0);
    check_contains("resume.err", "job.db: how the job ran last: resume takes no option --frobnicate; only what is given now counts\n");
}

TEST(the_help_of_resume_and_retry_names_no_default_that_a_job_that_ran_does_not_have)
{
    static const char *const commands[] = { "resume", "retry" };
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        CHECK_INT(COORDINATE("help", commands[i], "--help"), 0);
        check_contains("help.out", "What is not given is as the job ran last");
        check_lacks("help.out", "by default");
        check_contains("help.out", "  start N workers on this machine\n");
        check_contains("help.out", "kept there; 0: all\n");
    }
    CHECK_INT(COORDINATE("help", "run", "--help"), 0);
    check_contains("help.out", "start N workers on this machine; 1 if there is no --nodes\n");
}

TEST(groups_of_a_resume_stand_in_place_of_those_of_the_run)
{
    struct process run;
    struct daemon one, two;
    char list[200];
    start_worker(&one, "one");
    start_worker(&two, "two");
    snprintf(list, sizeof(list), "[first]\n127.0.0.1:%d\n[second]\n127.0.0.1:%d\n", one.port, two.port);
    write_text("nodes", list);
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--group", "first", "--batch", "20", "--job", "job", IMAGES);
    WAIT_FOR(job_done("job") > 100);
    interrupt(&run);
    daemon_stop(&one);
    CHECK_INT(COORDINATE("resume", "resume", "--group", "second", "--node-timeout", "30", "job"), 0);
    check_contains("resume.err", "/nodes --group second --node-timeout 30; ");
    daemon_stop(&two);
}

TEST(a_list_or_a_key_that_is_gone_is_named_and_nothing_runs_elsewhere_instead)
{
    struct process run;
    struct daemon daemon;
    begin_with_keys(&run, &daemon);
    interrupt(&run);
    long done = job_done("job");
    CHECK_INT(COORDINATE("engine", "resume", "--engine", "sim", "job"), 2); /* which nobody would follow */
    check_contains("engine.err", "/worker.pub; --nodes or --local would say otherwise");
    check_contains("engine.err", "--engine is for workers started here");
    CHECK_INT(rename("nodes", "list"), 0);
    CHECK_INT(COORDINATE("list", "resume", "job"), 1);
    check_contains("list.err", "/nodes: No such file or directory; it is the --nodes that this job ran with last: put it back, or give another --nodes; with "
                               "--local N it goes on without nodes");
    CHECK_INT(rename("list", "nodes"), 0);
    CHECK_INT(rename("keys/worker.pub", "worker.pub"), 0);
    CHECK_INT(COORDINATE("key", "resume", "job"), 1);
    check_contains("key.err", "/keys/worker.pub: No such file or directory; it is the --node-key that this job ran with last");
    CHECK_INT(job_done("job"), done);
    CHECK_INT(COORDINATE("resume", "resume", "--node-key", "worker.pub", "job"), 0);
    expect_nodes(true, false);
    daemon_stop(&daemon);
}

TEST(an_attempt_that_found_no_worker_does_not_forget_what_worked)
{
    struct process run;
    struct daemon daemon;
    begin_with_keys(&run, &daemon);
    process_signal(&run, SIGKILL);
    process_end(&run);
    CHECK_INT(COORDINATE("bare", "resume", "--nodes", "nodes", "--node-timeout", "1", "job"), 1);
    check_contains("bare.err", "/keys/coordinator.key --node-key ");
    CHECK_INT(COORDINATE("status", "status", "job"), 0);
    check_contains("status.out", "/keys/coordinator.key --node-key ");
    check_lacks("status.out", "--node-timeout");
    CHECK_INT(COORDINATE("resume", "resume", "job"), 0);
    expect_nodes(true, false);
    daemon_stop(&daemon);
}

TEST(a_run_that_no_worker_took_is_gone_on_with_as_it_was_meant)
{
    struct daemon daemon;
    start_worker(&daemon, "worker");
    write_node("nodes", &daemon);
    daemon_stop(&daemon);
    CHECK_INT(COORDINATE("run", "run", "--nodes", "nodes", "--node-timeout", "1", "--job", "job", "sim:100"), 1);
    daemon_start(&daemon, "worker", daemon.port, ARGV("--engine", "sim"));
    CHECK_INT(COORDINATE("resume", "resume", "job"), 0);
    expect_nodes(true, false);
    daemon_stop(&daemon);
}

TEST(a_plain_retry_runs_on_the_nodes_too)
{
    struct daemon daemon;
    start_worker(&daemon, "worker");
    write_node("nodes", &daemon);
    write_text("list", "a.jpg\n");
    CHECK_INT(COORDINATE("run", "run", "--nodes", "nodes", "--job", "job", "@list"), 0);
    CHECK_INT(COORDINATE("retry", "retry", "job"), 0);
    check_contains("retry.err", "job: goes on as it ran last, with --nodes /");
    expect_nodes(true, false);
    daemon_stop(&daemon);
}

/* Without a word about where it ran, as an earlier build left it. */
TEST(a_job_of_an_earlier_build_is_resumed_as_before)
{
    struct process run;
    BEGIN(&run, "run", "run", "--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "2000", "--job", "job", IMAGES);
    WAIT_FOR(job_done("job") > 0);
    process_signal(&run, SIGKILL);
    process_end(&run);
    CHECK_INT(test_shell(NULL, "sqlite3 job/job.db \"UPDATE meta SET key = 'hint', value = 'sleddog-coordinator resume --engine sim' "
                               "WHERE key = 'placement'\""), 0);
    CHECK_INT(COORDINATE("status", "status", "job"), 0);
    check_contains("status.out", "go on with: sleddog-coordinator resume --engine sim /");
    CHECK_INT(COORDINATE("bare", "resume", "job"), 2);
    check_contains("bare.err", "workers started here have no model of their own");
    CHECK_INT(COORDINATE("resume", "resume", "--engine", "sim", "job"), 0);
    check_lacks("resume.err", "goes on as it ran last");
}
