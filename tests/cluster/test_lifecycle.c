/* Workers leave, die, hang and come back in the middle of a job; the table is that of an undisturbed run. */
#include "tests/cluster/lib/cluster.h"

#include "common/cleanup.h"

#include <signal.h>
#include <sys/stat.h>

#define IMAGES "sim:4500" /* some three seconds for three workers */

struct trio {
    struct daemon one, two, three;
    struct process run;
};

static void start_worker(struct daemon *daemon, const char *name, int port)
{
    daemon_start(daemon, name, port, ARGV("--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "2000"));
}

static void make_expected(void)
{
    CHECK_INT(COORDINATE("quick", "run", "--local", "1", "--engine", "sim", "--job", "expected", IMAGES), 0);
}

/* Three workers in the middle of a job. */
/* `expiry`: seconds */
static void begin(struct trio *trio, const char *expiry)
{
    make_expected();
    start_worker(&trio->one, "one", 0);
    start_worker(&trio->two, "two", 0);
    start_worker(&trio->three, "three", 0);
    write_nodes("nodes", (const struct daemon *[]){ &trio->one, &trio->two, &trio->three }, 3);
    BEGIN(&trio->run, "run", "run", "--nodes", "nodes", "--min-nodes", "3", "--expiry", expiry, "--batch", "20", "--job", "job", IMAGES);
    WAIT_FOR(job_done("job") > 200);
}

static void end(struct trio *trio)
{
    CHECK_INT(process_end(&trio->run), 0);
    check_same_file("job/predictions.jsonl", "expected/predictions.jsonl");
    CHECK_INT(images_done_by_nodes("job"), 4500);
    daemon_stop(&trio->one);
    daemon_stop(&trio->three);
}

TEST(a_worker_that_is_asked_to_stop_leaves_its_batches_to_others)
{
    struct trio trio;
    begin(&trio, "10");
    daemon_stop(&trio.two);
    WAIT_FOR(process_said(&trio.run, "it left: was asked to stop"));
    CHECK(process_running(&trio.run));
    end(&trio);
}

TEST(a_worker_that_is_killed_changes_nothing)
{
    struct trio trio;
    begin(&trio, "1");
    process_signal(&trio.two.process, SIGKILL);
    end(&trio);
    check_contains("run.err", " to others");
}

TEST(a_worker_that_is_killed_and_started_again_takes_part_again)
{
    struct trio trio;
    struct daemon again;
    begin(&trio, "1");
    process_signal(&trio.two.process, SIGKILL);
    process_end(&trio.two.process);
    start_worker(&again, "again", trio.two.port);
    WAIT_FOR(process_said(&again.process, "epoch 1"));
    end(&trio);
    check_contains("run.err", " to others");
    daemon_stop(&again);
}

TEST(a_worker_that_hangs_for_longer_than_the_expiry_and_wakes_up_changes_nothing)
{
    struct trio trio;
    begin(&trio, "1");
    process_signal(&trio.two.process, SIGSTOP);
    WAIT_FOR(process_said(&trio.run, "silent for too long"));
    process_signal(&trio.two.process, SIGCONT);
    end(&trio);
    daemon_stop(&trio.two);
}

TEST(when_all_workers_are_killed_those_that_come_back_finish_the_job)
{
    struct trio trio;
    begin(&trio, "1");
    struct daemon *all[] = { &trio.one, &trio.two, &trio.three };
    for (int i = 0; i < 3; i++) {
        process_signal(&all[i]->process, SIGKILL);
        process_end(&all[i]->process);
    }
    start_worker(&trio.one, "one again", trio.one.port);
    start_worker(&trio.three, "three again", trio.three.port);
    end(&trio);
}

/* ---- --local ---- */

TEST(a_local_worker_that_is_killed_is_started_again)
{
    struct process run;
    pid_t workers[8], others[8];
    make_expected();
    BEGIN(&run, "run", "run", "--local", "3", "--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "2000", "--batch", "20", "--job", "job",
          IMAGES);
    WAIT_FOR(job_done("job") > 200);
    CHECK_INT(workers_of(&run, workers, 8), 3);
    CHECK_INT(kill(workers[1], SIGKILL), 0);
    WAIT_FOR(is_gone(workers[1]) && workers_of(&run, others, 8) == 3);
    CHECK_INT(process_end(&run), 0);
    check_contains("run.err", "local 2: its process was ended by signal 9");
    check_contains("run.err", "job/worker-2.log");
    check_same_file("job/predictions.jsonl", "expected/predictions.jsonl");
    for (int i = 0; i < 3; i++) {
        CHECK(is_gone(workers[i]));
        CHECK(is_gone(others[i]));
    }
}

TEST(why_a_local_worker_cannot_start_is_said_once_on_the_screen)
{
    if (test_shell(NULL, "%s/sleddog-worker info | grep -q '^cudnn *not usable'", test_build()))
        test_skip("a worker that wants a GPU can start here");
    write_text("model.pth", "this worker does not come so far");
    CHECK_INT(COORDINATE("run", "run", "--engine", "cudnn", "--weights", "model.pth", "--job", "job", "sim:10"), 1);
    CHECK_INT(test_shell(NULL, "test $(grep -c 'its process ended with status' run.err) = 1"), 0);
    CHECK_INT(test_shell(NULL, "tail -n 1 job/worker-1.log | sed 's/^sleddog-worker: //' >last && grep -q 'engine cudnn' last && grep -q -F -f last run.err"), 0);
    check_contains("run.err", "sleddog-coordinator: local 1: its process ended with status 1: engine cudnn: ");
    check_contains("run.err", "/job/worker-1.log");
}

TEST(a_local_worker_that_cannot_stay_alive_is_given_up_with_its_log_named)
{
    struct process run;
    pid_t child;
    BEGIN(&run, "run", "run", "--local", "1", "--engine", "sim", "--sim-cost-us", "100000", "--job", "job", "sim:1000");
    for (double until = now_s() + patience(40); process_running(&run);) {
        if (workers_of(&run, &child, 1) == 1)
            kill(child, SIGKILL);
        rest(until, __FILE__, __LINE__, "the coordinator gives up");
    }
    CHECK_INT(process_end(&run), 1);
    check_contains("run.err", "local 1: its process was ended by signal 9");
    check_contains("run.err", "worker-1.log");
}

/* A coordinator whose local workers are this script. */
static void begin_with_script(struct process *run, const char *script)
{
    CHECK_INT(test_shell(NULL, "mkdir bin && cp %s/sleddog-coordinator bin", test_build()), 0);
    write_text("bin/sleddog-worker", script);
    CHECK_INT(chmod("bin/sleddog-worker", 0755), 0);
    process_start(run, "run", ARGV("bin/sleddog-coordinator", "run", "--engine", "sim", "--job", "job", "sim:10"));
}

/* What an earlier process wrote into the same log is not what this one died of. */
TEST(a_local_worker_that_ends_without_a_word_is_not_given_those_of_another)
{
    struct process run;
    begin_with_script(&run, "#!/bin/sh\n[ -e told ] && exit 4\ntouch told\necho 'sleddog-worker: some last words' >&2\nexit 3\n");
    CHECK_INT(process_end(&run), 1);
    check_contains("job/worker-1.log", "some last words");
    check_contains("run.err", "local 1: its process ended with status 4; its log is ");
}

TEST(a_local_worker_that_does_not_end_when_it_is_asked_to_is_killed)
{
    struct process run;
    begin_with_script(&run, "#!/bin/sh\ntrap '' TERM\necho $$ >began\nwhile :; do sleep 0.1; done\n");
    WAIT_FOR(test_shell(NULL, "test -s began") == 0);
    CLEANUP(freep) char *pid = read_text("began");
    process_signal(&run, SIGINT);
    CHECK_INT(process_end(&run), 130);
    WAIT_FOR(is_gone(atoi(pid)));
}
