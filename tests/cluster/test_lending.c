/* test_lending.c: a model that only the coordinator's machine has: workers borrow it, go on where they stopped, and believe nothing but its hash. */
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/hidden.h"
#include "tests/cluster/lib/lent.h"
#include "tests/cluster/lib/mount.h"
#include "tests/cluster/lib/photos.h"
#include "tests/cluster/lib/web.h"

#include "common/cleanup.h"
#include "common/sha256.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>

/* ---- a model ---- */

/* "mine/model.safetensors", which only the coordinators see. */
static void hide_model(void)
{
    hidden_open("mine");
    lent_make("mine/model.safetensors");
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
    CHECK_INT(COORDINATE("local", "run", "--local", "1", LENT_ENGINE, "--batch", "2", "--job", "local", "--weights", "mine/model.safetensors", "photos"), 0);
    for (int i = 0; i < 3; i++) {
        char name[16], cache[16];
        snprintf(name, sizeof(name), "worker%d", i);
        snprintf(cache, sizeof(cache), "cache%d", i);
        hidden_start_outside(&daemons[i], name, ARGV("--cache", cache, LENT_ENGINE));
    }
    write_nodes("nodes", (const struct daemon *[]){ &daemons[0], &daemons[1], &daemons[2] }, 3);
    CHECK_INT(photos_run("job", "nodes", "3"), 0);
    check_same_file("job/predictions.jsonl", "local/predictions.jsonl");
    for (int i = 0; i < 3; i++) {
        char hash[SHA256_HEX];
        CHECK_INT(sha256_file(lent_in_cache[i], hash, NULL), 0);
        CHECK_STR(hash, lent_hash);
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
    hidden_start_outside(&daemon, "worker", ARGV("--cache", "cache0", "--precision", "f32", LENT_ENGINE));
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
    CHECK_INT(COORDINATE("local", "run", "--local", "1", LENT_ENGINE, "--batch", "2", "--resize", "40", "--crop", "33", "--job", "local", "--weights",
                         "mine/model.safetensors", "photos"), 0);
    hidden_start_outside(&daemons[0], "worker0", ARGV("--cache", "cache0", "--precision", "int8", LENT_ENGINE));
    hidden_start_outside(&daemons[1], "worker1", ARGV("--cache", "cache1", LENT_ENGINE));
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
    lent_make("model.safetensors");
    CLEANUP(freep) char *data = test_read_file("model.safetensors", &size);
    web_put(web, "/model.safetensors", data, size);
    const char *address = web_url(web, "/model.safetensors");
    CHECK_INT(COORDINATE("local", "run", "--local", "1", "--engine", "sim", "--cache", "coordinator", "--job", "local", "--weights", address, "sim:10"), 0);
    web_down(web);
    WORKER(&daemon, "worker", "--cache", "cache0", LENT_ENGINE);
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
    hidden_start_outside(&daemon, "worker", ARGV("--cache", "cache0", LENT_ENGINE));
    write_node("nodes", &daemon);
    CHECK_INT(photos_run("one", "nodes", "1"), 0);
    daemon_stop(&daemon);
    damage(lent_in_cache[0]);
    hidden_start_outside(&daemon, "next", ARGV("--cache", "cache0", LENT_ENGINE));
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
    hidden_start_outside(&one, "one", ARGV("--cache", "cache0", LENT_ENGINE));
    hidden_start_outside(&two, "two", ARGV("--cache", "cache0", LENT_ENGINE));
    write_nodes("nodes", (const struct daemon *[]){ &one, &two }, 2);
    CHECK_INT(photos_run("job", "nodes", "2"), 0);
    snprintf(sent, sizeof(sent), " %" PRIu64 " bytes of it were sent", lent_size);
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
    hidden_start_outside(&daemon, "worker", ARGV("--cache", "cache0", "--cache-limit", "1M", LENT_ENGINE));
    write_node("nodes", &daemon);
    process_signal(&daemon.process, 0);
    struct process run;
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--node-timeout", "2", "--job", "job", "--weights", "mine/model.safetensors", "photos");
    CHECK_INT(process_end(&run), 1);
    check_contains("run.err", "are too much for a cache that --cache-limit keeps below 1048576");
    CHECK_INT(lent_half(), 0);
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
    hidden_start_outside(&full, "full", ARGV("--cache", "cache0", LENT_ENGINE));
    hidden_start_outside(&good, "good", ARGV("--cache", "cache1", LENT_ENGINE));
    write_nodes("nodes", (const struct daemon *[]){ &full, &good }, 2);
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--min-nodes", "2", "--batch", "2", "--job", "job", "--weights", "mine/model.safetensors", "photos");
    WAIT_FOR(process_said(&run, "it is asked again"));
    CHECK(process_said(&run, "No space left on device"));
    hidden_leave();
    mount_enlarge("cache0");
    CHECK_INT(sha256_file(lent_in_cache[0], hash, NULL) < 0, true);
    hidden_enter();
    CHECK_INT(process_end(&run), 0);
    hidden_leave();
    CHECK_INT(sha256_file(lent_in_cache[0], hash, NULL), 0);
    hidden_enter();
    CHECK_STR(hash, lent_hash);
    daemon_stop(&full);
    daemon_stop(&good);
}

TEST(a_coordinator_whose_mount_went_away_with_the_model_can_be_stopped_and_resumed)
{
    struct daemon daemon = { 0 };
    struct process run;
    photos_draw("photos", 4);
    hide_model();
    hidden_start_outside(&daemon, "worker", ARGV("--cache", "cache0", LENT_ENGINE));
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
