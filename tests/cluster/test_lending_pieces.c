/* test_lending_pieces.c: the messages by which a model goes to a worker, piece by piece, with the other side made by hand. */
#include "tests/cluster/lib/caller.h"
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/lent.h"
#include "tests/cluster/lib/puppet.h"

#include <signal.h>
#include <sys/stat.h>

/* ---- a coordinator made by hand ---- */

struct lender {
    struct daemon worker;
    struct caller caller;
    char *data;      /* of the model */
    uint64_t first;  /* offset of the first wish since lend_hello() */
    uint64_t sent;   /* bytes */
};

static void lend_hello(struct lender *lender, uint64_t epoch, uint32_t expiry_ms)
{
    struct message loading;
    lender->caller.epoch = epoch;
    lender->first = UINT64_MAX;
    caller_send(&lender->caller, &(struct message){
        .kind = MESSAGE_hello,
        .hello = { .protocol = PROTOCOL_VERSION, .version = SLEDDOG_VERSION, .job = "job", .epoch = epoch, .owner = "a test", .model_sha256 = lent_hash,
                   .model_uri = { "/only/here", 10 }, .preset = "torchvision", .resize = 256, .crop = 224, .std_r = 1, .std_g = 1, .std_b = 1, .top = 1,
                   .batch = 2, .expiry_ms = expiry_ms, .call = lender->caller.call, .model_size = lent_size },
    });
    caller_expect(&lender->caller, MESSAGE_loading, &loading);
    message_free(&loading);
}

static void expect_wish(struct lender *lender, struct msg_want_model *ret)
{
    struct message message;
    caller_expect(&lender->caller, MESSAGE_want_model, &message);
    *ret = message.want_model;
    CHECK_STR(ret->sha256, lent_hash);
    CHECK(ret->length >= 1 && ret->length <= LIMIT_CHUNK && ret->offset + ret->length <= lent_size);
    if (lender->first == UINT64_MAX)
        lender->first = ret->offset;
    message_free(&message);
}

static void grant_wish(struct lender *lender, const struct msg_want_model *want)
{
    caller_send(&lender->caller, &(struct message){
        .kind = MESSAGE_model_chunk,
        .model_chunk = { .epoch = lender->caller.epoch, .sha256 = lent_hash, .offset = want->offset, .data = { lender->data + want->offset, want->length } } });
    lender->sent += want->length;
}

/* Answers wishes until one for `until` was answered. */
static void lend(struct lender *lender, uint64_t until)
{
    for (struct msg_want_model want = { 0 }; want.offset + want.length < until;) {
        expect_wish(lender, &want);
        grant_wish(lender, &want);
    }
}

static void lender_open(struct lender *lender)
{
    size_t size;
    lent_make("model");
    *lender = (struct lender){ .data = test_read_file("model", &size) };
    CHECK_INT(size, lent_size);
    WORKER(&lender->worker, "worker", "--cache", "cache0", LENT_ENGINE);
    caller_open(&lender->caller, lender->worker.port);
}

/* Leaves the worker. */
static void lender_done(struct lender *lender)
{
    caller_close(&lender->caller);
    free(lender->data);
}

static void lender_close(struct lender *lender)
{
    lender_done(lender);
    daemon_stop(&lender->worker);
}

static void expect_ready(struct lender *lender)
{
    struct message welcome;
    caller_expect_welcome(&lender->caller, &welcome);
    CHECK_STR(welcome.welcome.model_sha256, lent_hash);
    message_free(&welcome);
}

TEST(a_worker_that_is_killed_half_way_goes_on_there_and_nothing_is_sent_twice)
{
    struct lender lender;
    lender_open(&lender);
    lend_hello(&lender, 1, 600000);
    lend(&lender, lent_size / 2);
    CHECK_INT(lender.first, 0);
    uint64_t half = lender.sent;
    WAIT_FOR(lent_half() == half); /* all that was sent */
    process_signal(&lender.worker.process, SIGKILL);
    process_end(&lender.worker.process);
    daemon_start(&lender.worker, "next", lender.worker.port, ARGV("--cache", "cache0", LENT_ENGINE));
    caller_reconnect(&lender.caller, lender.worker.port);
    lend_hello(&lender, 1, 600000);
    lend(&lender, lent_size);
    CHECK_INT(lender.first, half);
    expect_ready(&lender);
    CHECK_INT(lender.sent, lent_size);
    lender_close(&lender);
}

TEST(a_coordinator_that_is_killed_half_way_is_followed_by_one_that_goes_on_there)
{
    struct lender lender;
    lender_open(&lender);
    lend_hello(&lender, 1, 600000);
    lend(&lender, lent_size / 2);
    uint64_t half = lender.sent;
    WAIT_FOR(lent_half() == half);
    caller_close(&lender.caller);
    caller_open(&lender.caller, lender.worker.port); /* another incarnation, of `resume` */
    lend_hello(&lender, 2, 600000);
    lend(&lender, lent_size);
    CHECK_INT(lender.first, half);
    expect_ready(&lender);
    CHECK_INT(lender.sent, lent_size);
    lender_close(&lender);
}

TEST(a_worker_has_four_pieces_under_way_and_asks_again_for_what_is_lost)
{
    struct lender lender;
    struct msg_want_model want;
    struct message extra;
    struct why why;
    lender_open(&lender);
    lend_hello(&lender, 1, 1000); /* half a second of patience */
    for (uint64_t i = 0; i < 4; i++) {
        expect_wish(&lender, &want);
        CHECK_INT(want.offset, i * LIMIT_CHUNK);
    }
    CHECK_INT(link_receive(lender.caller.link, NULL, &extra, &why), -EAGAIN);
    expect_wish(&lender, &want); /* nothing came: from the beginning */
    CHECK_INT(want.offset, 0);
    want.offset = LIMIT_CHUNK; /* out of order: dropped */
    grant_wish(&lender, &want);
    want.offset = 0;
    grant_wish(&lender, &want);
    do
        expect_wish(&lender, &want);
    while (want.offset != LIMIT_CHUNK || lent_half() != LIMIT_CHUNK);
    lender_done(&lender);
    process_signal(&lender.worker.process, SIGKILL);
    process_end(&lender.worker.process);
}

TEST(heartbeats_go_on_while_a_model_comes)
{
    struct lender lender;
    lender_open(&lender);
    lend_hello(&lender, 1, 600000);
    lend(&lender, lent_size / 4);
    for (int i = 0; i < 3; i++) {
        struct message beat;
        caller_send(&lender.caller, &(struct message){ .kind = MESSAGE_ping, .ping = { 1, 0 } });
        caller_expect(&lender.caller, MESSAGE_heartbeat, &beat);
        CHECK_INT(beat.heartbeat.epoch, 1);
        message_free(&beat);
    }
    lender_close(&lender); /* at once: nobody waits for the rest */
}

TEST(wrong_bytes_are_thrown_away_and_no_wrong_file_stays)
{
    struct lender lender;
    struct message refuse;
    lender_open(&lender);
    lender.data[lent_size / 2] ^= 1;
    lend_hello(&lender, 1, 600000);
    lend(&lender, lent_size);
    caller_expect(&lender.caller, MESSAGE_refuse, &refuse);
    CHECK_CONTAINS(refuse.refuse.detail, "it is thrown away");
    message_free(&refuse);
    CHECK_INT(lent_half(), 0);
    CHECK(access(lent_in_cache[0], F_OK) < 0);
    lender_close(&lender);
}

TEST(a_wrong_beginning_of_an_earlier_process_costs_one_more_transfer)
{
    struct lender lender;
    char path[PATH_MAX];
    lender_open(&lender);
    mkdir("cache0", 0700);
    snprintf(path, sizeof(path), "cache0/half-%s", lent_hash);
    test_write_file(path, "nonsense", 8);
    lend_hello(&lender, 1, 600000);
    lend(&lender, lent_size);
    CHECK_INT(lender.first, 8);
    lend(&lender, lent_size);
    expect_ready(&lender);
    CHECK_INT(lender.sent, 2 * lent_size - 8);
    check_contains("worker.err", "once more from the beginning");
    lender_close(&lender);
}

TEST(a_coordinator_that_cannot_lend_now_is_answered_that_it_may_ask_again)
{
    struct lender lender;
    struct msg_want_model want;
    struct message refuse;
    lender_open(&lender);
    lend_hello(&lender, 1, 600000);
    expect_wish(&lender, &want);
    caller_send(&lender.caller, &(struct message){
        .kind = MESSAGE_model_chunk, .model_chunk = { .epoch = 1, .sha256 = lent_hash, .offset = want.offset, .detail = "its mount is away" } });
    caller_expect(&lender.caller, MESSAGE_refuse, &refuse);
    CHECK_INT(refuse.refuse.reason, REFUSE_FAILED);
    CHECK_CONTAINS(refuse.refuse.detail, "the coordinator cannot lend its model: its mount is away");
    message_free(&refuse);
    lend_hello(&lender, 1, 600000);
    lend(&lender, lent_size);
    expect_ready(&lender);
    lender_close(&lender);
}

/* ---- workers made by hand ---- */

static void refuse_wish(const char *sentence, const char *sha256, uint64_t offset, uint32_t length)
{
    struct puppet puppet;
    struct process run;
    unlink("nodes");
    puppet_start(&puppet, 0);
    puppet.loading = true;
    puppets_list("nodes", (struct puppet *const[]){ &puppet }, 1);
    test_shell(NULL, "rm -rf job");
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--job", "job", "--weights", "model", "sim:10");
    PUPPETS(puppet.pings > 0);
    puppet_send(&puppet, &(struct message){ .kind = MESSAGE_want_model, .want_model = { 1, sha256, offset, length } });
    PUPPETS(!process_running(&run));
    CHECK_INT(process_end(&run), 1);
    check_contains("run.err", sentence);
    link_free(puppet.link);
}

TEST(a_coordinator_lends_its_own_model_and_refuses_who_asks_for_anything_else)
{
    char other[SHA256_HEX];
    lent_make("model");
    memset(other, 'a', sizeof(other) - 1);
    other[sizeof(other) - 1] = '\0';
    refuse_wish("it asks for a file that is not this job's", other, 0, 1);
    refuse_wish("it asks for a file that is not this job's", "../../etc/passwd", 0, 1);
    refuse_wish("it asks for 2 bytes at ", lent_hash, lent_size - 1, 2);
    refuse_wish("it asks for 1 bytes at 18446744073709551615 ", lent_hash, UINT64_MAX, 1);
    refuse_wish("it asks for 4294967295 bytes at 0 ", lent_hash, 0, UINT32_MAX);
    CHECK(lent_size > 2 * LIMIT_CHUNK);
    refuse_wish("it asks for 131073 bytes at 0 ", lent_hash, 0, LIMIT_CHUNK + 1); /* more than a message holds */
    refuse_wish("it asks for 0 bytes at 0 ", lent_hash, 0, 0);
}
