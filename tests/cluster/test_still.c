/* test_still.c: workers that say they are alive and stand still: mounts that do not answer (tests/preload/mount.c), engines that hang, models that do
 * not come. They are noticed, take nothing meanwhile, are used again when they move, and no image is blamed for a mount. */
#include "tests/cluster/lib/caller.h"
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/mount.h"
#include "tests/cluster/lib/photos.h"
#include "tests/cluster/lib/puppet.h"
#include "tests/cluster/lib/table.h"

#include "common/cleanup.h"

#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

static struct puppet one, two;

static void make_expected(void)
{
    photos_draw("photos", 60);
    CHECK_INT(COORDINATE("expected", "run", "--engine", "sim", "--job", "expected", "photos"), 0);
}

static void check_expected(void)
{
    check_same_file("job/predictions.jsonl", "expected/predictions.jsonl");
}

/* ---- mounts ---- */

TEST(a_worker_whose_mount_is_dead_is_noticed_and_others_do_its_work)
{
    struct daemon good, bad;
    make_expected();
    mount_choose("dead", "photos");
    WORKER(&bad, "bad", "--engine", "sim");
    preload_none();
    WORKER(&good, "good", "--engine", "sim", "--engine-batch", "1", "--sim-cost-us", "50000"); /* not done before anybody notices */
    write_nodes("nodes", (const struct daemon *[]){ &bad, &good }, 2);
    write_text("away", "");
    CHECK_INT(COORDINATE("run", "run", "--nodes", "nodes", "--min-nodes", "2", "--stall-timeout", "1", "--batch", "5", "--job", "job", "photos"), 0);
    check_contains("run.err", "its files have given nothing for 1 s; is a mount dead there?");
    check_expected();
    CHECK_INT(unlink("away"), 0);
    CHECK_INT(COORDINATE("again", "run", "--nodes", "nodes", "--min-nodes", "2", "--stall-timeout", "1", "--batch", "5", "--job", "again", "photos"), 0);
    check_same_file("again/predictions.jsonl", "expected/predictions.jsonl");
    daemon_stop(&good);
    daemon_stop(&bad);
}

/* Long enough away for every batch to have been given up several times, were the worker given any. */
static void lose_mount_of_all(struct process *run)
{
    WAIT_FOR(process_said(run, "its files have given nothing for 1 s"));
    WAIT_FOR(process_said(run, "busy, its stage \"fetch\" stands still"));
    for (double until = now_s() + 3; now_s() < until;)
        rest(until + 60, __FILE__, __LINE__, "the end of the time");
    CHECK(process_running(run));
    CHECK_INT(unlink("away"), 0);
    CHECK_INT(process_end(run), 0);
    check_expected();
    check_lacks("run.err", "looked at one by one");
}

TEST(a_mount_that_is_away_for_all_is_waited_for_and_blames_no_image)
{
    struct process run;
    make_expected();
    mount_choose("dead", "photos");
    write_text("away", "");
    /* It waits longer than for nodes that are not there. */
    BEGIN(&run, "run", "run", "--local", "1", "--engine", "sim", "--stall-timeout", "1", "--node-timeout", "1", "--batch", "5", "--job", "job", "photos");
    lose_mount_of_all(&run);
    check_lacks("run.err", "its process"); /* which was left alone */
}

TEST(a_mount_that_stays_away_ends_the_job_with_a_sentence_and_it_is_resumed)
{
    make_expected();
    mount_choose("dead", "photos");
    write_text("away", "");
    CHECK_INT(COORDINATE("run", "run", "--local", "1", "--engine", "sim", "--stall-timeout", "1", "--node-timeout", "1", "--store-timeout", "3", "--batch", "5",
                         "--job", "job", "photos"), 1);
    check_contains("run.err", "no worker was ready for 4 s (local 1 calling: its stage \"fetch\" stands still");
    check_contains("run.err", "go on with: ");
    CHECK_INT(unlink("away"), 0);
    CHECK_INT(COORDINATE("resume", "resume", "--local", "1", "--engine", "sim", "job"), 0);
    check_expected();
}

TEST(a_file_that_never_comes_gets_a_row_and_all_others_their_answers)
{
    struct table table;
    struct daemon daemon;
    make_expected();
    mount_choose("dead", "photos/a/010.jpg");
    write_text("away", "");
    WORKER(&daemon, "worker", "--engine", "sim", "--store-timeout", "3", "--drain-timeout", "5");
    write_node("nodes", &daemon);
    CHECK_INT(COORDINATE("run", "run", "--nodes", "nodes", "--stall-timeout", "1", "--batch", "5", "--job", "job", "photos"), 0);
    table_read(&table, "job/predictions.jsonl");
    CHECK_INT(table.count, 60);
    CHECK_INT(table_count(&table, ""), 59);
    CHECK_STR(row_error_kind(table_find(&table, "photos/a/010.jpg")), "timeout");
    CHECK_CONTAINS(row_error_detail(table_find(&table, "photos/a/010.jpg")), "nothing of the file came for 3 s; is it on a mount that is dead?");
    table_done(&table);
    CHECK_INT(unlink("away"), 0);
    CHECK_INT(COORDINATE("retry", "retry", "--nodes", "nodes", "job"), 0);
    check_expected();
    daemon_stop(&daemon);
}

/* A new model needs a new pipeline: the reads that the old one left behind do not hold it up, nor does the worker's end. */
TEST(reads_that_do_not_come_back_hold_up_neither_the_next_job_nor_the_end)
{
    struct daemon daemon;
    struct process run;
    make_expected();
    mount_choose("dead", "photos");
    write_text("away", "");
    WORKER(&daemon, "worker", "--engine", "sim");
    write_node("nodes", &daemon);
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--job", "job", "photos/a/010.jpg");
    WAIT_FOR(test_shell(NULL, "%s/sleddog-coordinator status job | grep -q 127.0.0.1", test_build()) == 0);
    process_signal(&run, SIGINT);
    CHECK_INT(process_end(&run), 130);
    CHECK_INT(COORDINATE("next", "run", "--nodes", "nodes", "--top", "3", "--job", "next", "sim:100"), 0);
    daemon_stop(&daemon);
}

/* ---- engines ---- */

TEST(a_worker_that_hangs_gets_nothing_more_and_a_job_with_no_other_ends_with_a_sentence)
{
    struct daemon daemon;
    WORKER(&daemon, "worker", "--engine", "sim", "--engine-batch", "1", "--sim-cost-us", "60000000", "--drain-timeout", "1");
    write_node("nodes", &daemon);
    CHECK_INT(COORDINATE("run", "run", "--nodes", "nodes", "--stall-timeout", "1", "--node-timeout", "3", "--batch", "1", "--job", "job", "sim:3"), 1);
    check_contains("run.err", "stage \"engine\" has stood still for 1 s; 3 batches go to others");
    check_contains("run.err", "no worker was ready for 3 s (127.0.0.1:");
    check_contains("run.err", "calling: its stage \"engine\" stands still with 3 images");
    CHECK_INT(test_shell(NULL, "test $(grep -c 'has stood still' run.err) = 1"), 0);
    daemon_stop(&daemon);
}

TEST(a_worker_that_only_seemed_to_hang_is_used_again_and_what_it_had_counts)
{
    struct daemon daemon;
    WORKER(&daemon, "worker", "--engine", "sim", "--engine-batch", "1", "--sim-cost-us", "2500000");
    write_node("nodes", &daemon);
    CHECK_INT(COORDINATE("run", "run", "--nodes", "nodes", "--stall-timeout", "1", "--batch", "1", "--job", "job", "sim:2"), 0);
    check_contains("run.err", "stage \"engine\" has stood still for 1 s");
    check_lacks("job/predictions.jsonl", "crash");
    CHECK_INT(images_done_by_nodes("job"), 2);
    CHECK_INT(images_computed("job"), 2); /* what it was given again it had already */
    daemon_stop(&daemon);
}

/* The step is one slot of 96 images: seconds without a finished image, in which the engine computes. */
TEST(a_slow_engine_that_computes_does_not_hang)
{
    if (is_sanitized())
        test_skip("a sanitizer's speed is not ours");
    photos_draw("photos", 4);
    model_write("model.safetensors", 1000);
    CHECK_INT(COORDINATE("run", "run", "--local", "1", "--engine-batch", "96", "--engine-threads", "1", "--stall-timeout", "1", "--weights", "model.safetensors",
                         "--job", "job", "photos"), 0);
    check_lacks("run.err", "still");
}

TEST(an_engine_that_stands_still_for_long_ends_its_process_so_that_another_may_begin)
{
    struct daemon daemon;
    struct caller caller;
    struct message welcome;
    WORKER(&daemon, "worker", "--engine", "sim", "--sim-cost-us", "60000000", "--image-cpu-limit", "1");
    caller_open(&caller, daemon.port);
    caller_hello(&caller, "job", 1);
    caller_expect_welcome(&caller, &welcome);
    message_free(&welcome);
    caller_send_batch(&caller, 7, 2, false);
    CHECK_INT(process_end(&daemon.process), 1);
    check_contains("worker.err", "engine sim has stood still for 3 s with 2 images; this process ends");
    daemon_start(&daemon, "again", daemon.port, ARGV("--engine", "sim"));
    caller_reconnect(&caller, daemon.port);
    caller_hello(&caller, "job", 1);
    caller_expect_welcome(&caller, &welcome);
    CHECK_INT(welcome.welcome.suspects_count, 2);
    message_free(&welcome);
    caller_close(&caller);
    daemon_stop(&daemon);
}

/* ---- models ---- */

static void begin(struct process *run, const char *timeout)
{
    puppet_start(&one, 0);
    puppet_start(&two, 0);
    puppets_list("nodes", (struct puppet *const[]){ &one, &two }, 2);
    BEGIN(run, "run", "run", "--nodes", "nodes", "--stall-timeout", "1", "--expiry", "1", "--node-timeout", timeout, "--batch", "10", "--job", "job", "sim:20");
}

static void finish(struct process *run)
{
    for (double until = now_s() + patience(40); process_running(run); rest(until, __FILE__, __LINE__, "the end of the run")) {
        puppets_step();
        while (one.taken < one.arrived)
            puppet_answer(&one, &one.batches[one.taken++]);
        while (two.taken < two.arrived)
            puppet_answer(&two, &two.batches[two.taken++]);
    }
    CHECK_INT(process_end(run), 0);
    CHECK_INT(images_done_by_nodes("job"), 20);
}

TEST(a_worker_whose_loading_stands_still_is_given_up_and_one_that_only_takes_long_is_not)
{
    struct process run;
    begin(&run, "60");
    one.loading = two.loading = true;
    one.stages[0] = (struct rec_stage){ .name = "load", .active = 1, .still_ms = 13000 };
    two.stages[0] = (struct rec_stage){ .name = "load", .active = 1, .still_ms = 11000 };
    PUPPETS(process_said(&run, "stage \"load\" has stood still for 13 s"));
    one.stages[0].still_ms = two.stages[0].still_ms = 0;
    one.loading = two.loading = false;
    finish(&run);
    CHECK_INT(test_shell(NULL, "test $(grep -c 'has stood still' run.err) = 1"), 0);
}

static void refuse(struct puppet *puppet, uint32_t reason, const char *detail, uint64_t call)
{
    puppet_send(puppet, &(struct message){ .kind = MESSAGE_refuse, .refuse = { reason, detail, call } });
}

TEST(a_worker_that_could_not_load_the_model_this_time_is_asked_again)
{
    struct process run;
    one.loading = true;
    begin(&run, "60");
    one.loading = two.loading = true;
    PUPPETS(one.hellos && two.hellos);
    int hellos = one.hellos;
    refuse(&one, REFUSE_FAILED, "http://host/w.pth: the server answered with status 503", one.call);
    PUPPETS(process_said(&run, "the server answered with status 503; it is asked again"));
    one.loading = false;
    PUPPETS(one.hellos > hellos && one.welcomes);
    two.loading = false;
    finish(&run);
    check_lacks("run.err", "takes no part");
}

TEST(a_refusal_of_an_earlier_introduction_is_no_answer_to_this_one)
{
    struct process run;
    begin(&run, "60");
    one.loading = true;
    PUPPETS(one.hellos);
    uint64_t first = one.call;
    one.silent = true;
    PUPPETS(one.call > first); /* lost, and called again */
    one.silent = false;
    refuse(&one, REFUSE_MODEL, "no such weights", first);
    refuse(&one, REFUSE_FENCED, "this job goes on elsewhere", first);
    puppets_play(0.3);
    one.loading = false;
    PUPPETS(one.welcomes);
    finish(&run);
    check_lacks("run.err", "takes no part");
    check_lacks("run.err", "elsewhere");
}

/* It does not see the weights, and what the coordinator lends it has no place to be kept. */
TEST(a_worker_that_cannot_keep_the_weights_yet_joins_when_it_can)
{
    struct daemon early, late;
    struct process run;
    char here[PATH_MAX], cache[PATH_MAX + 32];
    snprintf(cache, sizeof(cache), "%s/place/cache", getcwd(here, sizeof(here)));
    model_write("model.safetensors", 1000);
    photos_draw("photos", 4);
    mount_choose("missing", "model.safetensors");
    write_text("away", "");
    write_text("place", "no folder");
    WORKER(&late, "late", "--engine-threads", "1", "--cache", cache);
    preload_none();
    WORKER(&early, "early", "--engine-threads", "1");
    write_nodes("nodes", (const struct daemon *[]){ &early, &late }, 2);
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--min-nodes", "2", "--weights", "model.safetensors", "--job", "job", "photos");
    WAIT_FOR(process_said(&run, "it is asked again"));
    CHECK_INT(unlink("place"), 0);
    CHECK_INT(mkdir("place", 0700), 0);
    CHECK_INT(process_end(&run), 0);
    daemon_stop(&early);
    daemon_stop(&late);
}

/* The worker's side: a model that does not come is told in heartbeats, and nobody else gets this worker meanwhile. */
TEST(a_worker_says_how_long_its_loading_has_stood_still_and_refuses_while_it_does)
{
    struct daemon daemon;
    struct caller caller;
    struct message message;
    uint64_t still = 0;
    char here[PATH_MAX], weights[PATH_MAX + 32];
    snprintf(weights, sizeof(weights), "%s/model.safetensors", getcwd(here, sizeof(here)));
    model_write("model.safetensors", 1000);
    mount_choose("dead", "model.safetensors");
    write_text("away", "");
    WORKER(&daemon, "worker", "--weights", weights, "--engine-threads", "1", "--drain-timeout", "20");
    preload_none();
    caller_open(&caller, daemon.port);
    caller.stall_ms = 100;
    caller_hello(&caller, "job", 1);
    caller_expect(&caller, MESSAGE_loading, &message);
    message_free(&message);
    while (still < 1200) {
        caller_send(&caller, &(struct message){ .kind = MESSAGE_ping, .ping = { 1, 0 } });
        caller_expect(&caller, MESSAGE_heartbeat, &message);
        CHECK_INT(message.heartbeat.stages_count, 1);
        CHECK_STR(message.heartbeat.stages[0].name, "load");
        still = message.heartbeat.stages[0].still_ms;
        message_free(&message);
        usleep(200000); /* what is said to it costs it processor time */
    }
    caller.call++;
    caller_hello(&caller, "job", 1);
    caller_expect(&caller, MESSAGE_refuse, &message);
    CHECK_INT(message.refuse.reason, REFUSE_BUSY);
    CHECK_STR(message.refuse.detail, "loading a model stands still there");
    CHECK(message.refuse.call == caller.call);
    message_free(&message);
    CHECK_INT(unlink("away"), 0);
    caller_close(&caller);
    daemon_stop(&daemon);
}
