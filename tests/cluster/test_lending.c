/* A model that only the coordinator's machine has: workers borrow it, go on where they stopped, and believe nothing but its hash. */
#include "tests/cluster/lib/caller.h"
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/mount.h"
#include "tests/cluster/lib/photos.h"
#include "tests/cluster/lib/puppet.h"
#include "tests/cluster/lib/web.h"

#include "common/cleanup.h"
#include "common/sha256.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>

#define ENGINE "--engine", "onednn", "--threads", "2", "--engine-threads", "1"

/* ---- a folder that workers do not see ---- */

static int outside = -1, inside = -1;
static char here[PATH_MAX];

static void enter(int space)
{
    CHECK_INT(setns(space, CLONE_NEWNS), 0);
    CHECK_INT(chdir(here), 0);
}

/* From now on "mine" is another folder for this process and its children than for those that start_outside() starts. */
static void hide_folder(void)
{
    CHECK(getcwd(here, sizeof(here)));
    CHECK_INT(mkdir("mine", 0700), 0);
    outside = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    mount_own();
    mount_disk("mine", 131072);
    inside = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    CHECK(outside >= 0 && inside >= 0);
}

static void start_outside(struct daemon *daemon, const char *name, const char *const *arguments)
{
    enter(outside);
    daemon_start(daemon, name, daemon->port, arguments);
    enter(inside);
}

/* ---- a model ---- */

static char model_hash[SHA256_HEX], model_in_cache[3][PATH_MAX];
static uint64_t model_size;

static void make_model(const char *path)
{
    struct stat status;
    model_write(path, 1000);
    CHECK_INT(sha256_file(path, model_hash, NULL), 0);
    CHECK_INT(stat(path, &status), 0);
    model_size = (uint64_t)status.st_size;
    for (int i = 0; i < 3; i++)
        snprintf(model_in_cache[i], sizeof(model_in_cache[i]), "cache%d/sha256-%s", i, model_hash);
}

/* "mine/model.safetensors", which only the coordinators see. */
static void hide_model(void)
{
    hide_folder();
    make_model("mine/model.safetensors");
}

static uint64_t half_size(void)
{
    char path[PATH_MAX];
    struct stat status;
    snprintf(path, sizeof(path), "cache0/half-%s", model_hash);
    return stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
}

static int photos_run(const char *name, const char *nodes, const char *min_nodes)
{
    return COORDINATE(name, "run", "--nodes", nodes, "--min-nodes", min_nodes, "--batch", "2", "--job", name, "--weights", "mine/model.safetensors", "photos");
}

TEST(weights_that_only_the_coordinator_sees_reach_several_workers)
{
    struct daemon daemons[3] = { 0 };
    photos_draw("photos", 12);
    hide_model();
    CHECK_INT(COORDINATE("local", "run", "--local", "1", ENGINE, "--batch", "2", "--job", "local", "--weights", "mine/model.safetensors", "photos"), 0);
    for (int i = 0; i < 3; i++) {
        char name[16], cache[16];
        snprintf(name, sizeof(name), "worker%d", i);
        snprintf(cache, sizeof(cache), "cache%d", i);
        start_outside(&daemons[i], name, ARGV("--cache", cache, ENGINE));
    }
    write_nodes("nodes", (const struct daemon *[]){ &daemons[0], &daemons[1], &daemons[2] }, 3);
    CHECK_INT(photos_run("job", "nodes", "3"), 0);
    check_same_file("job/predictions.jsonl", "local/predictions.jsonl");
    for (int i = 0; i < 3; i++) {
        char hash[SHA256_HEX];
        CHECK_INT(sha256_file(model_in_cache[i], hash, NULL), 0);
        CHECK_STR(hash, model_hash);
    }
    check_contains("job.err", "has the model from here");
    CHECK_INT(photos_run("again", "nodes", "3"), 0); /* it is in their caches, and warm */
    check_lacks("again.err", "has the model from here");
    for (int i = 0; i < 3; i++)
        daemon_stop(&daemons[i]);
}

TEST(the_activation_ranges_beside_the_weights_go_with_them)
{
    struct daemon daemon = { 0 };
    static const char ranges[] = "{ \"format\": \"sleddog ranges 1\" }";
    char hash[SHA256_HEX], path[PATH_MAX];
    photos_draw("photos", 2);
    hide_model();
    write_text("mine/model.safetensors.ranges.json", ranges);
    CHECK_INT(sha256_memory(ranges, strlen(ranges), hash), 0);
    start_outside(&daemon, "worker", ARGV("--cache", "cache0", "--precision", "f32", ENGINE));
    write_node("nodes", &daemon);
    CHECK_INT(photos_run("job", "nodes", "1"), 0);
    snprintf(path, sizeof(path), "cache0/sha256-%s.ranges.json", hash);
    CLEANUP(freep) char *text = read_text(path);
    CHECK_STR(text, ranges);
    daemon_stop(&daemon);
}

/* Neither worker sees the model or its ranges; each computes in int8 with the coordinator's, as a worker beside them does. */
TEST(ranges_that_only_the_coordinator_sees_make_several_workers_compute_in_int8)
{
    struct daemon daemons[2] = { 0 };
    photos_draw("photos", 12);
    hide_model();
    CHECK_INT(test_shell(NULL, "%s/sleddog-worker calibrate --images photos --weights mine/model.safetensors --resize 40 --crop 33", test_build()), 0);
    CHECK_INT(COORDINATE("local", "run", "--local", "1", ENGINE, "--batch", "2", "--resize", "40", "--crop", "33", "--job", "local", "--weights",
                         "mine/model.safetensors", "photos"), 0);
    start_outside(&daemons[0], "worker0", ARGV("--cache", "cache0", "--precision", "int8", ENGINE));
    start_outside(&daemons[1], "worker1", ARGV("--cache", "cache1", ENGINE));
    write_nodes("nodes", (const struct daemon *[]){ &daemons[0], &daemons[1] }, 2);
    CHECK_INT(COORDINATE("job", "run", "--nodes", "nodes", "--min-nodes", "2", "--batch", "2", "--resize", "40", "--crop", "33", "--job", "job", "--weights",
                         "mine/model.safetensors", "photos"), 0);
    check_same_file("job/predictions.jsonl", "local/predictions.jsonl");
    check_contains("job.out", "precision             int8\n");
    check_lacks("job.err", "its numbers may differ");
    for (int i = 0; i < 2; i++)
        daemon_stop(&daemons[i]);
}

TEST(a_worker_that_cannot_download_borrows_what_the_coordinator_downloaded)
{
    struct daemon daemon;
    struct web *web = web_start(&(struct web_spec){ 0 });
    size_t size;
    photos_draw("photos", 2);
    make_model("model.safetensors");
    CLEANUP(freep) char *data = test_read_file("model.safetensors", &size);
    web_put(web, "/model.safetensors", data, size);
    const char *address = web_url(web, "/model.safetensors");
    CHECK_INT(COORDINATE("local", "run", "--local", "1", "--engine", "sim", "--cache", "coordinator", "--job", "local", "--weights", address, "sim:10"), 0);
    web_down(web);
    WORKER(&daemon, "worker", "--cache", "cache0", ENGINE);
    write_node("nodes", &daemon);
    CHECK_INT(COORDINATE("job", "run", "--nodes", "nodes", "--cache", "coordinator", "--job", "job", "--weights", address, "photos"), 0);
    check_contains("worker.err", "the coordinator is asked for the file");
    check_contains("job.err", "has the model from here");
    daemon_stop(&daemon);
    web_stop(web);
}

static void damage(const char *path)
{
    CLEANUP(closep) int fd = open(path, O_RDWR);
    CHECK_INT(pwrite(fd, "damage", 6, 100000), 6);
}

TEST(a_damaged_file_in_the_cache_is_never_used_and_fetched_again)
{
    struct daemon daemon = { 0 };
    photos_draw("photos", 2);
    hide_model();
    start_outside(&daemon, "worker", ARGV("--cache", "cache0", ENGINE));
    write_node("nodes", &daemon);
    CHECK_INT(photos_run("one", "nodes", "1"), 0);
    daemon_stop(&daemon);
    damage(model_in_cache[0]);
    start_outside(&daemon, "next", ARGV("--cache", "cache0", ENGINE));
    CHECK_INT(photos_run("two", "nodes", "1"), 0);
    check_same_file("one/predictions.jsonl", "two/predictions.jsonl");
    check_contains("next.err", "is damaged, its hash is not the one in its name; it is fetched again");
    check_contains("two.err", "has the model from here");
    daemon_stop(&daemon);
}

TEST(of_two_workers_with_one_cache_one_fetches_and_both_are_ready)
{
    struct daemon one = { 0 }, two = { 0 };
    char sent[64];
    photos_draw("photos", 4);
    hide_model();
    start_outside(&one, "one", ARGV("--cache", "cache0", ENGINE));
    start_outside(&two, "two", ARGV("--cache", "cache0", ENGINE));
    write_nodes("nodes", (const struct daemon *[]){ &one, &two }, 2);
    CHECK_INT(photos_run("job", "nodes", "2"), 0);
    snprintf(sent, sizeof(sent), " %" PRIu64 " bytes of it were sent", model_size);
    CLEANUP(freep) char *text = read_text("job.err");
    char *first = strstr(text, sent);
    CHECK(first && !strstr(first + strlen(sent), "bytes of it were sent"));
    daemon_stop(&one);
    daemon_stop(&two);
}

TEST(a_cache_that_may_not_hold_the_model_is_told_and_names_its_option)
{
    struct daemon daemon = { 0 };
    photos_draw("photos", 2);
    hide_model();
    start_outside(&daemon, "worker", ARGV("--cache", "cache0", "--cache-limit", "1M", ENGINE));
    write_node("nodes", &daemon);
    process_signal(&daemon.process, 0);
    struct process run;
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--node-timeout", "2", "--job", "job", "--weights", "mine/model.safetensors", "photos");
    CHECK_INT(process_end(&run), 1);
    check_contains("run.err", "are too much for a cache that --cache-limit keeps below 1048576");
    CHECK_INT(half_size(), 0);
    daemon_stop(&daemon);
}

TEST(a_worker_whose_disk_is_full_while_the_model_comes_joins_when_there_is_room)
{
    struct daemon full = { 0 }, good = { 0 };
    struct process run;
    char hash[SHA256_HEX];
    CHECK_INT(mkdir("cache0", 0700), 0);
    mount_own();
    mount_disk("cache0", 8192);
    photos_draw("photos", 4);
    hide_model();
    start_outside(&full, "full", ARGV("--cache", "cache0", ENGINE));
    start_outside(&good, "good", ARGV("--cache", "cache1", ENGINE));
    write_nodes("nodes", (const struct daemon *[]){ &full, &good }, 2);
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--min-nodes", "2", "--batch", "2", "--job", "job", "--weights", "mine/model.safetensors", "photos");
    WAIT_FOR(process_said(&run, "it is asked again"));
    CHECK(process_said(&run, "No space left on device"));
    enter(outside);
    mount_enlarge("cache0");
    CHECK_INT(sha256_file(model_in_cache[0], hash, NULL) < 0, true);
    enter(inside);
    CHECK_INT(process_end(&run), 0);
    enter(outside);
    CHECK_INT(sha256_file(model_in_cache[0], hash, NULL), 0);
    enter(inside);
    CHECK_STR(hash, model_hash);
    daemon_stop(&full);
    daemon_stop(&good);
}

TEST(a_coordinator_whose_mount_went_away_with_the_model_can_be_stopped_and_resumed)
{
    struct daemon daemon = { 0 };
    struct process run;
    photos_draw("photos", 4);
    hide_model();
    start_outside(&daemon, "worker", ARGV("--cache", "cache0", ENGINE));
    write_node("nodes", &daemon);
    write_text("away", "");
    mount_choose("unlent", "mine");
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--job", "job", "--weights", "mine/model.safetensors", "photos");
    preload_none();
    WAIT_FOR(access("away.held", F_OK) == 0);
    process_signal(&run, SIGTERM);
    CHECK_INT(process_end(&run), 130);
    CHECK_INT(unlink("away"), 0);
    CHECK_INT(COORDINATE("resume", "resume", "--nodes", "nodes", "job"), 0);
    daemon_stop(&daemon);
}

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
        .hello = { .protocol = PROTOCOL_VERSION, .version = SLEDDOG_VERSION, .job = "job", .epoch = epoch, .owner = "a test", .model_sha256 = model_hash,
                   .model_uri = { "/only/here", 10 }, .preset = "torchvision", .resize = 256, .crop = 224, .std_r = 1, .std_g = 1, .std_b = 1, .top = 1,
                   .batch = 2, .expiry_ms = expiry_ms, .call = lender->caller.call, .model_size = model_size },
    });
    caller_expect(&lender->caller, MESSAGE_loading, &loading);
    message_free(&loading);
}

static void expect_wish(struct lender *lender, struct msg_want_model *ret)
{
    struct message message;
    caller_expect(&lender->caller, MESSAGE_want_model, &message);
    *ret = message.want_model;
    CHECK_STR(ret->sha256, model_hash);
    CHECK(ret->length >= 1 && ret->length <= LIMIT_CHUNK && ret->offset + ret->length <= model_size);
    if (lender->first == UINT64_MAX)
        lender->first = ret->offset;
    message_free(&message);
}

static void grant_wish(struct lender *lender, const struct msg_want_model *want)
{
    caller_send(&lender->caller, &(struct message){
        .kind = MESSAGE_model_chunk,
        .model_chunk = { .epoch = lender->caller.epoch, .sha256 = model_hash, .offset = want->offset, .data = { lender->data + want->offset, want->length } } });
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
    make_model("model");
    *lender = (struct lender){ .data = test_read_file("model", &size) };
    CHECK_INT(size, model_size);
    WORKER(&lender->worker, "worker", "--cache", "cache0", ENGINE);
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
    CHECK_STR(welcome.welcome.model_sha256, model_hash);
    message_free(&welcome);
}

TEST(a_worker_that_is_killed_half_way_goes_on_there_and_nothing_is_sent_twice)
{
    struct lender lender;
    lender_open(&lender);
    lend_hello(&lender, 1, 600000);
    lend(&lender, model_size / 2);
    CHECK_INT(lender.first, 0);
    uint64_t half = lender.sent;
    WAIT_FOR(half_size() == half); /* all that was sent */
    process_signal(&lender.worker.process, SIGKILL);
    process_end(&lender.worker.process);
    daemon_start(&lender.worker, "next", lender.worker.port, ARGV("--cache", "cache0", ENGINE));
    caller_reconnect(&lender.caller, lender.worker.port);
    lend_hello(&lender, 1, 600000);
    lend(&lender, model_size);
    CHECK_INT(lender.first, half);
    expect_ready(&lender);
    CHECK_INT(lender.sent, model_size);
    lender_close(&lender);
}

TEST(a_coordinator_that_is_killed_half_way_is_followed_by_one_that_goes_on_there)
{
    struct lender lender;
    lender_open(&lender);
    lend_hello(&lender, 1, 600000);
    lend(&lender, model_size / 2);
    uint64_t half = lender.sent;
    WAIT_FOR(half_size() == half);
    caller_close(&lender.caller);
    caller_open(&lender.caller, lender.worker.port); /* another incarnation, of `resume` */
    lend_hello(&lender, 2, 600000);
    lend(&lender, model_size);
    CHECK_INT(lender.first, half);
    expect_ready(&lender);
    CHECK_INT(lender.sent, model_size);
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
    while (want.offset != LIMIT_CHUNK || half_size() != LIMIT_CHUNK);
    lender_done(&lender);
    process_signal(&lender.worker.process, SIGKILL);
    process_end(&lender.worker.process);
}

TEST(heartbeats_go_on_while_a_model_comes)
{
    struct lender lender;
    lender_open(&lender);
    lend_hello(&lender, 1, 600000);
    lend(&lender, model_size / 4);
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
    lender.data[model_size / 2] ^= 1;
    lend_hello(&lender, 1, 600000);
    lend(&lender, model_size);
    caller_expect(&lender.caller, MESSAGE_refuse, &refuse);
    CHECK_CONTAINS(refuse.refuse.detail, "it is thrown away");
    message_free(&refuse);
    CHECK_INT(half_size(), 0);
    CHECK(access(model_in_cache[0], F_OK) < 0);
    lender_close(&lender);
}

TEST(a_wrong_beginning_of_an_earlier_process_costs_one_more_transfer)
{
    struct lender lender;
    char path[PATH_MAX];
    lender_open(&lender);
    mkdir("cache0", 0700);
    snprintf(path, sizeof(path), "cache0/half-%s", model_hash);
    test_write_file(path, "nonsense", 8);
    lend_hello(&lender, 1, 600000);
    lend(&lender, model_size);
    CHECK_INT(lender.first, 8);
    lend(&lender, model_size);
    expect_ready(&lender);
    CHECK_INT(lender.sent, 2 * model_size - 8);
    check_contains("worker.err", "once more from the beginning");
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
    make_model("model");
    memset(other, 'a', sizeof(other) - 1);
    other[sizeof(other) - 1] = '\0';
    refuse_wish("it asks for a file that is not this job's", other, 0, 1);
    refuse_wish("it asks for a file that is not this job's", "../../etc/passwd", 0, 1);
    refuse_wish("it asks for 2 bytes at ", model_hash, model_size - 1, 2);
    refuse_wish("it asks for 1 bytes at 18446744073709551615 ", model_hash, UINT64_MAX, 1);
    refuse_wish("it asks for 4294967295 bytes at 0 ", model_hash, 0, UINT32_MAX);
}
