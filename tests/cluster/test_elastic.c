/* Nodes come and go in the middle of a job, and the coordinator is asked to stop. */
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/puppet.h"

#include "common/cleanup.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

static struct puppet one, two;

static void start_worker(struct daemon *daemon, const char *name)
{
    WORKER(daemon, name, "--engine", "sim", "--engine-threads", "1", "--sim-cost-us", "2000");
}

static void make_expected(const char *images)
{
    CHECK_INT(COORDINATE("quick", "run", "--local", "1", "--engine", "sim", "--job", "expected", images), 0);
}

/* ---- the node list ---- */

TEST(a_node_that_is_added_to_the_list_joins_and_one_that_is_removed_leaves)
{
    struct daemon first, second;
    struct process run;
    make_expected("sim:4000");
    start_worker(&first, "first");
    start_worker(&second, "second");
    write_node("nodes", &first);
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--batch", "20", "--job", "job", "sim:4000");
    WAIT_FOR(job_done("job") > 100);
    write_nodes("nodes", (const struct daemon *[]){ &first, &second }, 2);
    process_signal(&run, SIGHUP);
    WAIT_FOR(process_said(&second.process, "epoch 1"));
    write_node("nodes", &second);
    process_signal(&run, SIGHUP);
    WAIT_FOR(process_said(&first.process, ": over here"));
    CHECK(process_running(&run));
    CHECK_INT(process_end(&run), 0);
    check_contains("run.err", "is off the node list, finishes what it has");
    check_contains("run.err", "has left this job");
    check_lacks("run.err", " to others"); /* it finished what it had */
    check_same_file("job/predictions.jsonl", "expected/predictions.jsonl");
    CHECK_INT(images_done_by_nodes("job"), 4000);
    daemon_stop(&first);
    daemon_stop(&second);
}

TEST(a_bad_list_is_told_with_its_line_and_changes_nothing)
{
    struct process run;
    char text[64];
    puppet_start(&one, 0);
    puppets_list("nodes", (struct puppet *const[]){ &one }, 1);
    snprintf(text, sizeof(text), "127.0.0.1:%d\nnot a node\n", one.port);
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--batch", "10", "--job", "job", "sim:20");
    PUPPETS(one.arrived == 2);
    write_text("nodes", text);
    process_signal(&run, SIGHUP);
    PUPPETS(process_said(&run, "line 2: \"a\": one node a line"));
    check_contains("run.err", "the nodes stay as they were");
    CHECK_INT(unlink("nodes"), 0);
    process_signal(&run, SIGHUP);
    PUPPETS(process_said(&run, "No such file"));
    puppet_answer(&one, puppet_batch(&one));
    puppet_answer(&one, puppet_batch(&one));
    CHECK_INT(process_end(&run), 0);
    CHECK_INT(one.byes, 0); /* not before the end */
    CHECK_INT(one.welcomes, 1);
}

TEST(a_name_in_other_letters_is_the_same_node)
{
    struct process run;
    char text[64];
    puppet_start(&one, 0);
    snprintf(text, sizeof(text), "localhost:%d\n", one.port);
    write_text("nodes", text);
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--batch", "10", "--job", "job", "sim:20");
    PUPPETS(one.arrived == 2);
    snprintf(text, sizeof(text), "LocalHost:%d\n", one.port);
    write_text("nodes", text);
    process_signal(&run, SIGHUP);
    PUPPETS(process_said(&run, "nodes is read again"));
    puppet_answer(&one, puppet_batch(&one));
    puppet_answer(&one, puppet_batch(&one));
    CHECK_INT(process_end(&run), 0);
    check_lacks("run.err", "is off the node list");
    check_lacks("run.err", "joins");
    CHECK_INT(one.welcomes, 1);
}

/* Both have all that they may have; the first is off the list. */
static void begin_and_remove(struct process *run)
{
    puppet_start(&one, 0);
    puppet_start(&two, 0);
    puppets_list("nodes", (struct puppet *const[]){ &one, &two }, 2);
    BEGIN(run, "run", "run", "--nodes", "nodes", "--min-nodes", "2", "--batch", "10", "--job", "job", "sim:900");
    PUPPETS(one.arrived == 20 && two.arrived == 20);
    puppets_list("nodes", (struct puppet *const[]){ &two }, 1);
    process_signal(run, SIGHUP);
    PUPPETS(process_said(run, "is off the node list"));
}

TEST(a_removed_node_gets_no_new_batch_finishes_what_it_has_and_may_come_back)
{
    struct process run;
    begin_and_remove(&run);
    for (int i = 0; i < 19; i++)
        puppet_answer(&one, puppet_batch(&one));
    PUPPETS(one.commits == 19);
    puppets_play(0.5);
    CHECK(one.arrived == 20 && one.byes == 0);
    puppet_answer(&one, puppet_batch(&one));
    PUPPETS(one.byes == 1);
    CHECK_INT(one.commits, 20); /* confirmed before it is dismissed */
    puppets_list("nodes", (struct puppet *const[]){ &one, &two }, 2);
    process_signal(&run, SIGHUP);
    PUPPETS(one.welcomes == 2 && one.arrived > 20);
    process_signal(&run, SIGINT);
    CHECK_INT(process_end(&run), 130);
}

TEST(a_removed_node_that_leaves_and_is_back_on_the_list_gets_no_new_batch_all_the_same)
{
    struct process run;
    begin_and_remove(&run);
    puppet_send(&one, &(struct message){ .kind = MESSAGE_leaving, .leaving = { "it was asked to stop" } });
    puppet_answer(&one, puppet_batch(&one));
    PUPPETS(one.commits == 1);
    puppets_list("nodes", (struct puppet *const[]){ &one, &two }, 2);
    process_signal(&run, SIGHUP);
    PUPPETS(process_said(&run, ": joins"));
    for (int i = 0; i < 19; i++)
        puppet_answer(&one, puppet_batch(&one));
    PUPPETS(one.commits == 20 && one.byes == 1);
    CHECK_INT(one.arrived, 20);
    PUPPETS(process_said(&run, ": it left: it was asked to stop"));
    process_signal(&run, SIGINT);
    CHECK_INT(process_end(&run), 130);
}

TEST(a_removed_node_that_does_not_finish_is_not_waited_for)
{
    struct process run;
    puppet_start(&one, 0);
    puppet_start(&two, 0);
    puppets_list("nodes", (struct puppet *const[]){ &one, &two }, 2);
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--min-nodes", "2", "--expiry", "1", "--batch", "10", "--job", "job", "sim:20");
    PUPPETS(one.arrived == 1 && two.arrived == 1);
    two.closed_purse = true;
    puppets_list("nodes", (struct puppet *const[]){ &two }, 1);
    process_signal(&run, SIGHUP);
    PUPPETS(process_said(&run, "takes too long with what it has"));
    PUPPETS(one.byes == 1 && two.arrived == 2);
    puppet_answer(&two, puppet_batch(&two));
    puppet_answer(&two, puppet_batch(&two));
    CHECK_INT(process_end(&run), 0);
}

TEST(without_a_node_list_a_hangup_is_the_end_of_the_terminal)
{
    struct process run;
    BEGIN(&run, "run", "run", "--local", "1", "--engine", "sim", "--sim-cost-us", "2000", "--job", "job", "sim:3000");
    WAIT_FOR(job_done("job") > 0);
    process_signal(&run, SIGHUP);
    CHECK_INT(process_end(&run), 130);
    check_contains("run.err", "go on with: sleddog-coordinator resume --local 1");
    check_contains("run.err", "SIGHUP: the terminal was closed, or the node list was to be read again, and there is none, stopping");
}

/* ---- loading ---- */

TEST(a_node_that_loads_its_model_keeps_its_share_for_the_first_seconds_only)
{
    struct process run;
    puppet_start(&one, 0);
    puppet_start(&two, 0);
    one.silent = two.loading = true;
    puppets_list("nodes", (struct puppet *const[]){ &one, &two }, 2);
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--batch", "10", "--job", "job", "sim:300");
    PUPPETS(two.pings > 0); /* its answer has been heard */
    one.silent = false;
    double start = now_s();
    PUPPETS(one.arrived > 0);
    CHECK_INT(one.arrived, 1);
    PUPPETS(one.arrived == 20);
    CHECK(now_s() - start > 1);
    process_signal(&run, SIGINT);
    CHECK_INT(process_end(&run), 130);
}

/* ---- leaving ---- */

TEST(a_worker_that_leaves_is_let_finish_what_it_has_and_its_successor_is_welcome)
{
    struct process run;
    struct message leaving = { .kind = MESSAGE_leaving, .leaving = { "was asked to stop" } };
    puppet_start(&one, 0);
    puppets_list("nodes", (struct puppet *const[]){ &one }, 1);
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--batch", "10", "--job", "job", "sim:300");
    PUPPETS(one.arrived == 20);
    for (int i = 0; i < 18; i++)
        puppet_return(&one, puppet_batch(&one));
    puppet_send(&one, &leaving);
    const struct message *first = puppet_batch(&one), *second = puppet_batch(&one);
    puppet_answer(&one, first);
    PUPPETS(one.commits == 1);
    puppets_play(0.3);
    CHECK_INT(one.byes, 0);
    /* Those that came because they had just been returned go back as well. */
    while (one.taken < one.arrived)
        puppet_return(&one, puppet_batch(&one));
    puppet_answer(&one, second);
    PUPPETS(one.byes == 1);
    CHECK_INT(one.commits, 2);
    check_contains("run.err", "it left: was asked to stop");
    check_lacks("run.err", " to others");
    puppet_die(&one);
    PUPPETS(one.welcomes == 1 && one.taken < one.arrived);
    process_signal(&run, SIGINT);
    CHECK_INT(process_end(&run), 130);
}

static void turn_away(struct puppet *puppet, const char *detail)
{
    puppet_send(puppet, &(struct message){ .kind = MESSAGE_refuse, .refuse = { REFUSE_BUSY, detail, puppet->call } });
}

static bool return_all(struct puppet *puppet)
{
    while (puppet->taken < puppet->arrived)
        puppet_return(puppet, puppet_batch(puppet));
    return true;
}

static bool shown(const char *part)
{
    CHECK_INT(COORDINATE("status", "status", "job"), 0);
    CLEANUP(freep) char *text = read_text("status.out");
    return strstr(text, part);
}

/* What is shown is forgotten after a while, and looked at now and then. */
static bool turn_away_each(struct puppet *puppet, int *hellos, const char *text)
{
    if (puppet->hellos > *hellos)
        turn_away(puppet, text);
    *hellos = puppet->hellos;
    return true;
}

TEST(a_worker_that_left_is_shown_as_having_left_until_another_comes_in_its_place)
{
    struct process run;
    puppet_start(&one, 0);
    puppet_start(&two, 0);
    puppets_list("nodes", (struct puppet *const[]){ &one, &two }, 2);
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--batch", "10", "--expiry", "1", "--job", "job", "sim:1000");
    PUPPETS(one.arrived && two.arrived);
    puppet_send(&one, &(struct message){ .kind = MESSAGE_leaving, .leaving = { "was asked to stop" } });
    PUPPETS(return_all(&one) && one.byes == 1);
    one.silent = true;
    int hellos = one.hellos;
    PUPPETS(one.hellos > hellos);
    turn_away(&one, "is leaving");
    PUPPETS(shown(", left: 0 images done, 0 held; was asked to stop\n"));
    puppets_play(0.3);
    CHECK(shown(", left: 0 images done, 0 held; was asked to stop\n"));
    check_lacks("run.err", "busy");

    puppet_die(&one);
    hellos = one.hellos;
    PUPPETS(one.hellos > hellos);
    hellos = 0;
    PUPPETS(turn_away_each(&one, &hellos, "serves another") && shown(", calling: 0 images done, 0 held; serves another\n"));
    PUPPETS(process_said(&run, "busy, serves another; it is asked again"));
    PUPPETS(shown(", calling: 0 images done, 0 held; does not answer any more\n"));
    one.silent = false;
    PUPPETS(one.taken < one.arrived && shown(", ready: 0 images done"));
    process_signal(&run, SIGINT);
    CHECK_INT(process_end(&run), 130);
}

/* ---- stopping ---- */

TEST(one_signal_stops_cleanly_what_had_come_is_safe_and_workers_are_told)
{
    struct process run;
    puppet_start(&one, 0);
    puppets_list("nodes", (struct puppet *const[]){ &one }, 1);
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--batch", "10", "--job", "job", "sim:20");
    PUPPETS(one.arrived == 2);
    puppet_answer(&one, puppet_batch(&one));
    PUPPETS(one.commits == 1);
    process_signal(&run, SIGTERM);
    CHECK_INT(process_end(&run), 130);
    PUPPETS(one.byes == 1);
    CHECK_INT(job_done("job"), 10);
    check_contains("run.err", "10 images are done and safe");
    check_contains("run.err", "go on with: sleddog-coordinator resume --nodes nodes");
}

/* It may have taken the job, and would say for an expiry that it is busy. */
TEST(a_worker_that_has_not_answered_yet_is_told_that_the_job_is_over)
{
    struct process run;
    write_text("two-labels", "a\nb\n");
    puppet_start(&one, 0);
    puppet_start(&two, 0);
    one.silent = true;
    two.closed_purse = true;
    puppets_list("nodes", (struct puppet *const[]){ &one, &two }, 2);
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--labels", "two-labels", "--job", "job", "sim:20");
    PUPPETS(one.hellos && two.byes == 1); /* its model was open already, and has other classes */
    CHECK_INT(one.byes, 0);
    process_signal(&run, SIGTERM);
    CHECK_INT(process_end(&run), 130);
    PUPPETS(one.byes == 1);
    CHECK_INT(two.byes, 1);
}

/* A worker that is stopped keeps the coordinator from ending at once. */
TEST(a_second_signal_ends_it_at_once_and_says_how_to_go_on_as_well)
{
    struct process run;
    if (is_sanitized())
        test_skip("an end at once joins no threads, and ThreadSanitizer reports that");
    BEGIN(&run, "run", "run", "--local", "1", "--engine", "sim", "--sim-cost-us", "60000000", "--engine-batch", "1", "--job", "job", "sim:5");
    pid_t worker;
    WAIT_FOR(workers_of(&run, &worker, 1) == 1 && test_shell(NULL, "grep -q 'epoch 1' job/worker-1.log") == 0);
    CHECK_INT(kill(worker, SIGSTOP), 0); /* it is waited for */
    process_signal(&run, SIGINT);
    WAIT_FOR(process_said(&run, "once more stops at once"));
    process_signal(&run, SIGINT);
    CHECK_INT(process_end(&run), 130);
    check_contains("run.err", "ended at once; what was committed is safe\ngo on with: sleddog-coordinator resume --local 1");
    WAIT_FOR(is_gone(worker));
}

/* ---- sockets ---- */

TEST(the_sockets_of_a_killed_coordinator_are_cleaned_when_its_job_is_resumed)
{
    char deep[160];
    struct process run;
    memset(deep, 'd', sizeof(deep));
    deep[120] = '\0'; /* longer than a socket's address may be */
    const char *const jobs[] = { "job", deep };
    for (int i = 0; i < 2; i++) {
        char sockets[256], target[64] = "";
        struct stat status;
        snprintf(sockets, sizeof(sockets), "%s/sockets", jobs[i]);
        BEGIN(&run, "run", "run", "--local", "2", "--engine", "sim", "--sim-cost-us", "5000", "--batch", "20", "--job", jobs[i], "sim:2000");
        WAIT_FOR(job_done(jobs[i]) > 0);
        process_signal(&run, SIGKILL);
        process_end(&run);
        CHECK_INT(lstat(sockets, &status), 0);
        CHECK(i ? S_ISLNK(status.st_mode) : S_ISDIR(status.st_mode) && (status.st_mode & 0777) == 0700);
        CHECK(!i || readlink(sockets, target, sizeof(target) - 1) > 0);
        CHECK_INT(COORDINATE("resume", "resume", "--local", "2", "--engine", "sim", jobs[i]), 0);
        CHECK(lstat(sockets, &status) < 0 && (!i || lstat(target, &status) < 0));
    }
}
