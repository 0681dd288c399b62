/* test_worker.c: the worker's side of the protocol, asked by a coordinator made by hand: what it names after a crash, what it gives back,
 * what it offers again, and how it ends. */
#include "tests/cluster/lib/caller.h"
#include "tests/cluster/lib/cluster.h"

#include <signal.h>

/* Slots of 4 images, 50 ms an image. */
#define LONG 200 /* images that are not done within any test */

static void start_worker(struct daemon *daemon, const char *name, int port)
{
    daemon_start(daemon, name, port, ARGV("--engine", "sim", "--engine-threads", "1", "--engine-batch", "4", "--sim-cost-us", "50000",
                                          "--drain-timeout", "20"));
}

static void begin(struct daemon *daemon, struct caller *caller, const char *job, uint64_t epoch)
{
    struct message welcome;
    start_worker(daemon, "worker", 0);
    caller_open(caller, daemon->port);
    caller_hello(caller, job, epoch);
    caller_expect_welcome(caller, &welcome);
    CHECK_INT(welcome.welcome.suspects_count, 0);
    message_free(&welcome);
}

static void say_bye(struct caller *caller)
{
    caller_send(caller, &(struct message){ .kind = MESSAGE_bye, .bye = { caller->epoch } });
}

/* The job is over, so nothing that was kept needs to be confirmed. */
static void end(struct daemon *daemon, struct caller *caller)
{
    say_bye(caller);
    daemon_stop(daemon);
    caller_close(caller);
}

static void kill_and_start_again(struct daemon *daemon)
{
    process_signal(&daemon->process, SIGKILL);
    CHECK_INT(process_end(&daemon->process), 128 + SIGKILL);
    start_worker(daemon, "again", daemon->port);
}

/* Images that the engine has in hand, by the next heartbeat. */
static uint32_t images_in_engine(struct caller *caller)
{
    struct message beat;
    caller_send(caller, &(struct message){ .kind = MESSAGE_ping, .ping = { caller->epoch, 0 } });
    caller_expect(caller, MESSAGE_heartbeat, &beat);
    CHECK_INT(beat.heartbeat.stages_count, 3);
    uint32_t active = beat.heartbeat.stages[2].active;
    message_free(&beat);
    return active;
}

static uint32_t suspects_of_welcome(struct caller *caller, const char *job, uint64_t epoch, uint64_t batch)
{
    struct message welcome;
    caller_hello(caller, job, epoch);
    caller_expect_welcome(caller, &welcome);
    uint32_t count = welcome.welcome.suspects_count;
    for (uint32_t i = 0; i < count; i++) {
        CHECK_INT(welcome.welcome.suspects[i].batch, batch);
        CHECK(welcome.welcome.suspects[i].item < LONG);
        CHECK_STR(welcome.welcome.suspects[i].stage, "engine");
    }
    message_free(&welcome);
    return count;
}

/* ---- after a crash ---- */

TEST(a_restarted_worker_names_what_its_predecessor_died_with_until_a_batch_shows_that_it_was_heard)
{
    struct daemon daemon;
    struct caller caller;
    begin(&daemon, &caller, "job", 3);
    caller_send_batch(&caller, 77, LONG, false);
    WAIT_FOR(images_in_engine(&caller) > 0);
    kill_and_start_again(&daemon);
    CHECK(process_said(&daemon.process, " of batch 77 (engine); their coordinator will hear of it"));
    caller_reconnect(&caller, daemon.port);
    CHECK(suspects_of_welcome(&caller, "job", 3, 77) > 0);
    caller_reconnect(&caller, daemon.port);
    CHECK(suspects_of_welcome(&caller, "job", 3, 77) > 0);
    caller_send_batch(&caller, 78, 1, false);
    caller_expect_result(&caller, 78);
    caller_reconnect(&caller, daemon.port);
    CHECK_INT(suspects_of_welcome(&caller, "job", 3, 0), 0);
    end(&daemon, &caller);
}

TEST(suspects_are_named_to_the_coordinator_of_their_job_and_epoch_only)
{
    struct daemon daemon;
    struct caller caller, other;
    begin(&daemon, &caller, "job", 3);
    caller_send_batch(&caller, 77, LONG, false);
    WAIT_FOR(images_in_engine(&caller) > 0);
    kill_and_start_again(&daemon);
    caller_open(&other, daemon.port);
    CHECK_INT(suspects_of_welcome(&other, "other", 3, 0), 0);
    say_bye(&other);
    caller_close(&other);
    WAIT_FOR(process_said(&daemon.process, "job other: over here"));
    caller_reconnect(&caller, daemon.port);
    CHECK(suspects_of_welcome(&caller, "job", 3, 77) > 0);
    caller_close(&caller);
    caller_open(&other, daemon.port);
    CHECK_INT(suspects_of_welcome(&other, "job", 4, 0), 0);
    end(&daemon, &other);
}

TEST(an_idle_worker_that_is_killed_accuses_nobody)
{
    struct daemon daemon;
    struct caller caller;
    begin(&daemon, &caller, "job", 3);
    caller_send_batch(&caller, 77, 4, false);
    caller_expect_result(&caller, 77);
    kill_and_start_again(&daemon);
    caller_reconnect(&caller, daemon.port);
    CHECK_INT(suspects_of_welcome(&caller, "job", 3, 0), 0);
    end(&daemon, &caller);
}

/* ---- credit ---- */

static uint64_t images_granted(struct caller *caller)
{
    struct message beat;
    caller_send(caller, &(struct message){ .kind = MESSAGE_ping, .ping = { caller->epoch, 0 } });
    caller_expect(caller, MESSAGE_heartbeat, &beat);
    uint64_t images = beat.heartbeat.images;
    message_free(&beat);
    return images;
}

TEST(more_images_than_were_granted_are_given_back)
{
    struct daemon daemon;
    struct caller caller;
    begin(&daemon, &caller, "job", 1);
    uint64_t window = images_granted(&caller);
    CHECK(window >= 400 && window < LIMIT_BATCH);
    caller_send_batch(&caller, 1, (uint32_t)window, false);
    caller_send_batch(&caller, 2, 3, false);
    caller_expect_returned(&caller, 2);
    CHECK_INT(images_granted(&caller), window + 3);
    caller_cancel(&caller, 1);
    CHECK_INT(images_granted(&caller), 2 * window + 3);
    caller_send_batch(&caller, 3, 1, false);
    caller_expect_result(&caller, 3);
    end(&daemon, &caller);
}

TEST(a_batch_that_is_sent_again_is_answered_for_its_new_attempt_and_costs_no_credit)
{
    struct daemon daemon;
    struct caller caller;
    struct message message;
    begin(&daemon, &caller, "job", 1);
    uint64_t window = images_granted(&caller);
    caller_send_batch(&caller, 1, 2, false);
    caller_expect_result(&caller, 1);
    caller_reconnect(&caller, daemon.port);
    caller_hello(&caller, "job", 1);
    caller_expect_welcome(&caller, &message);
    message_free(&message);
    CHECK_INT(images_granted(&caller), window - 2);
    caller.attempt = 2;
    caller_send_batch(&caller, 1, 2, false);
    CHECK_INT(images_granted(&caller), window);
    caller_expect(&caller, MESSAGE_result, &message); /* the next offer */
    CHECK_INT(message.result.batch, 1);
    CHECK_INT(message.result.attempt, 2);
    message_free(&message);
    end(&daemon, &caller);
}

TEST(the_same_introduction_again_begins_no_new_count_of_batches)
{
    struct daemon daemon;
    struct caller caller;
    struct message message;
    begin(&daemon, &caller, "job", 1);
    caller_send_batch(&caller, 1, 1, false);
    caller_expect_result(&caller, 1);
    caller_commit(&caller, 1);
    uint64_t granted = images_granted(&caller);
    caller_hello(&caller, "job", 1);
    caller_expect_welcome(&caller, &message);
    message_free(&message);
    CHECK_INT(images_granted(&caller), granted);
    caller.batches = 1;
    caller_send_batch(&caller, 2, 1, false);
    caller_expect_result(&caller, 2);
    end(&daemon, &caller);
}

static uint64_t items_of_engine(struct caller *caller)
{
    struct message beat;
    caller_send(caller, &(struct message){ .kind = MESSAGE_ping, .ping = { caller->epoch, 0 } });
    caller_expect(caller, MESSAGE_heartbeat, &beat);
    CHECK_INT(beat.heartbeat.stages_count, 3);
    uint64_t items = beat.heartbeat.stages[2].items;
    message_free(&beat);
    return items;
}

TEST(a_job_is_told_nothing_of_what_was_done_for_the_one_before)
{
    struct daemon daemon;
    struct caller caller;
    struct message message;
    begin(&daemon, &caller, "job", 1);
    caller_send_batch(&caller, 1, 3, false);
    caller_expect_result(&caller, 1);
    CHECK_INT(items_of_engine(&caller), 3);
    caller_commit(&caller, 1);
    say_bye(&caller);
    caller_hello(&caller, "other", 1);
    caller_expect_welcome(&caller, &message);
    message_free(&message);
    CHECK_INT(items_of_engine(&caller), 0);
    caller_send_batch(&caller, 1, 2, false);
    caller_expect_result(&caller, 1);
    CHECK_INT(items_of_engine(&caller), 2);
    end(&daemon, &caller);
}

static void expect_heartbeat_first(struct caller *caller)
{
    struct message message = { .kind = MESSAGE_ping, .ping = { caller->epoch, 0 } };
    caller_send(caller, &message);
    for (struct why why; message.kind != MESSAGE_heartbeat;) {
        WAIT_FOR(link_receive(caller->link, NULL, &message, &why) == 0);
        CHECK(message.kind != MESSAGE_welcome);
        message_free(&message);
    }
}

TEST(an_introduction_that_comes_late_changes_nothing)
{
    struct daemon daemon;
    struct caller caller;
    struct message message;
    begin(&daemon, &caller, "job", 1);
    caller_reconnect(&caller, daemon.port);
    caller_hello(&caller, "job", 1);
    caller_expect_welcome(&caller, &message);
    message_free(&message);
    caller.call--;
    caller_hello(&caller, "job", 1);
    caller.call++;
    expect_heartbeat_first(&caller);
    caller_send_batch(&caller, 1, 1, false);
    caller_expect_result(&caller, 1);
    end(&daemon, &caller);
}

/* ---- alone ---- */

TEST(a_batch_that_must_be_alone_is_done_alone_or_given_back)
{
    struct daemon daemon;
    struct caller caller;
    begin(&daemon, &caller, "job", 1);
    caller_send_batch(&caller, 1, LONG, false);
    caller_send_batch(&caller, 2, 1, true);
    caller_expect_returned(&caller, 2);
    caller_cancel(&caller, 1);
    /* What is left of the first in the pipeline only delays this one. */
    caller_send_batch(&caller, 3, LONG, true);
    caller_send_batch(&caller, 4, 1, false);
    caller_expect_returned(&caller, 4);
    caller_send_batch(&caller, 5, 1, true);
    caller_expect_returned(&caller, 5);
    WAIT_FOR(images_in_engine(&caller) > 0);
    caller_cancel(&caller, 3);
    caller_send_batch(&caller, 6, 1, true);
    caller_expect_result(&caller, 6);
    /* And what is done but not confirmed is in nobody's way. */
    caller_send_batch(&caller, 7, 1, false);
    caller_expect_result(&caller, 7);
    end(&daemon, &caller);
}

TEST(a_batch_that_must_be_alone_gets_its_turn_after_what_a_former_epoch_left_in_the_pipeline)
{
    struct daemon daemon;
    struct caller caller, next;
    struct message message;
    begin(&daemon, &caller, "job", 1);
    caller_send_batch(&caller, 1, LONG, false);
    WAIT_FOR(images_in_engine(&caller) > 0);
    caller_open(&next, daemon.port);
    caller_hello(&next, "job", 2);
    caller_expect_welcome(&next, &message);
    message_free(&message);
    caller_send_batch(&next, 1, 1, true);
    caller_expect_result(&next, 1);
    caller_close(&caller);
    end(&daemon, &next);
}

/* ---- results ---- */

TEST(a_result_is_offered_until_it_is_confirmed_and_after_each_new_connection)
{
    struct daemon daemon;
    struct caller caller;
    struct message message;
    begin(&daemon, &caller, "job", 1);
    caller_send_batch(&caller, 1, 2, false);
    for (int i = 0; i < 2; i++)
        caller_expect_result(&caller, 1);
    caller_reconnect(&caller, daemon.port);
    caller_hello(&caller, "job", 1);
    caller_expect_welcome(&caller, &message);
    message_free(&message);
    caller_expect_result(&caller, 1);
    caller_commit(&caller, 1);
    caller_send_batch(&caller, 2, 1, false);
    caller_expect_result(&caller, 2);
    caller_commit(&caller, 2);
    end(&daemon, &caller);
}

TEST(late_results_of_a_fenced_epoch_are_dropped)
{
    struct daemon daemon;
    struct caller caller, next;
    struct message message;
    begin(&daemon, &caller, "job", 1);
    caller_send_batch(&caller, 1, 1, false);
    caller_expect_result(&caller, 1);          /* kept */
    caller_send_batch(&caller, 2, 4, false);   /* in work */
    caller_open(&next, daemon.port);
    caller_hello(&next, "job", 2);
    caller_expect_welcome(&next, &message);
    message_free(&message);
    caller_send_batch(&next, 3, 1, false);
    caller_expect_result(&next, 3);            /* the first that comes */
    caller_hello(&caller, "job", 1);
    caller_expect(&caller, MESSAGE_refuse, &message);
    CHECK_INT(message.refuse.reason, REFUSE_FENCED);
    message_free(&message);
    caller_close(&caller);
    end(&daemon, &next);
}

/* ---- leaving ---- */

static void expect_leaving(struct caller *caller)
{
    struct message message;
    caller_expect(caller, MESSAGE_leaving, &message);
    CHECK_STR(message.leaving.detail, "was asked to stop");
    message_free(&message);
}

TEST(a_worker_that_is_asked_to_stop_finishes_what_is_decoded_and_returns_the_rest_at_once)
{
    struct daemon daemon;
    struct caller caller;
    struct message message;
    begin(&daemon, &caller, "job", 1);
    caller_send_batch(&caller, 1, 4, false); /* a slot of its own, submitted before any of the second */
    caller_send_batch(&caller, 2, LONG, false);
    WAIT_FOR(images_in_engine(&caller) > 0);
    process_signal(&daemon.process, SIGTERM);
    caller_expect_returned(&caller, 2);
    expect_leaving(&caller);
    caller_send_batch(&caller, 3, 1, false);
    caller_expect_returned(&caller, 3);
    caller_expect_result(&caller, 1);
    caller_expect_result(&caller, 1); /* again: not confirmed */
    caller_commit(&caller, 1);
    expect_leaving(&caller);
    caller_hello(&caller, "job", 1);
    caller_expect(&caller, MESSAGE_refuse, &message);
    CHECK_INT(message.refuse.reason, REFUSE_BUSY);
    CHECK_STR(message.refuse.detail, "is leaving");
    message_free(&message);
    say_bye(&caller);
    CHECK_INT(process_end(&daemon.process), 0);
    caller_close(&caller);
}

TEST(a_worker_whose_coordinator_says_bye_while_it_leaves_does_not_wait)
{
    struct daemon daemon;
    struct caller caller;
    begin(&daemon, &caller, "job", 1);
    caller_send_batch(&caller, 1, 1, false);
    caller_expect_result(&caller, 1);
    double start = now_s();
    process_signal(&daemon.process, SIGTERM);
    expect_leaving(&caller);
    say_bye(&caller);
    CHECK_INT(process_end(&daemon.process), 0);
    CHECK(now_s() - start < patience(10));
    check_lacks("worker.err", "not everything could be handed over");
    caller_close(&caller);
}

TEST(a_worker_whose_coordinator_is_gone_leaves_in_time_with_status_0)
{
    struct daemon daemon;
    struct caller caller;
    struct message message;
    WORKER(&daemon, "worker", "--engine", "sim", "--drain-timeout", "1");
    caller_open(&caller, daemon.port);
    caller_hello(&caller, "job", 1);
    caller_expect_welcome(&caller, &message);
    message_free(&message);
    caller_send_batch(&caller, 1, 1, false);
    caller_expect_result(&caller, 1);
    caller_close(&caller);
    daemon_stop(&daemon);
    check_contains("worker.err", "not everything could be handed over within 1 s");
    CHECK_INT(test_shell(NULL, "! ls sleddog/*.crumbs 2>/dev/null"), 0);
}

TEST(a_second_signal_ends_a_worker_at_once)
{
    struct daemon daemon;
    struct caller caller;
    begin(&daemon, &caller, "job", 1);
    caller_send_batch(&caller, 1, 1, false);
    caller_expect_result(&caller, 1);
    process_signal(&daemon.process, SIGTERM);
    expect_leaving(&caller);
    CHECK(process_running(&daemon.process));
    process_signal(&daemon.process, SIGINT);
    CHECK_INT(process_end(&daemon.process), 0);
    check_contains("worker.err", "SIGINT: leaving at once");
    check_lacks("worker.err", "not everything could be handed over");
    caller_close(&caller);
}
