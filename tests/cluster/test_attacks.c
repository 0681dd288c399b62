/* Peers that mean ill, strangers as well as those with a key: what they can do to a job, to a worker and to a coordinator: nothing. */
#include "tests/cluster/lib/attack.h"
#include "tests/cluster/lib/caller.h"
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/keyed.h"
#include "tests/cluster/lib/photos.h"
#include "tests/cluster/lib/puppet.h"

#include "common/cleanup.h"

#include <dirent.h>
#include <signal.h>
#include <unistd.h>

/* ---- attacks on a worker ---- */

/* Most memory that it has held so far. */
static long peak_kib(pid_t pid)
{
    char path[64], line[256];
    long kib = 0;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    CLEANUP(fclosep) FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof(line), file))
        if (!strncmp(line, "VmHWM:", 6))
            kib = atol(line + 6);
    return kib;
}

static int open_files(pid_t pid)
{
    char path[64];
    int count = 0;
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    DIR *folder = opendir(path);
    while (folder && readdir(folder))
        count++;
    if (folder)
        closedir(folder);
    return count;
}

struct siege {
    struct attack *attacks[ATTACKS];
    long held_before_kib, most_files;
};

static void besiege(struct siege *siege, const struct daemon *daemon, const enum attack_kind *kinds, int count)
{
    siege->held_before_kib = peak_kib(daemon->process.pid);
    for (int i = 0; i < count; i++)
        siege->attacks[kinds[i]] = attack_start(kinds[i], daemon->port);
    for (int i = 0; i < count; i++)
        WAIT_FOR(attack_count(siege->attacks[kinds[i]]) > 100);
}

static bool goes_on(struct siege *siege, struct process *run, const struct daemon *daemon)
{
    int files = open_files(daemon->process.pid);
    siege->most_files = files > siege->most_files ? files : siege->most_files;
    return process_running(run);
}

/* The figures, and the limits that they keep. */
static void raise_siege(struct siege *siege, const struct daemon *daemon, long images, double seconds)
{
    char text[400];
    size_t used = 0;
    for (int i = 0; i < ATTACKS; i++) {
        if (siege->attacks[i])
            used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s %ld", used ? ", " : "", attack_name((enum attack_kind)i), attack_count(siege->attacks[i]));
        attack_stop(siege->attacks[i]);
    }
    long peak = peak_kib(daemon->process.pid);
    test_note("%ld images in %.1f s under attack (%s); memory held at most %ld MiB, %ld before; at most %ld files open", images, seconds, text, peak >> 10,
              siege->held_before_kib >> 10, siege->most_files);
    CHECK(siege->most_files < 400);
    CHECK(is_sanitized() || peak - siege->held_before_kib < 300 << 10);
}

#define MODEL "--weights", "model.safetensors", "--batch", "8"

TEST_WITHIN(150, a_job_over_keys_ends_with_the_right_table_while_its_worker_is_attacked_by_strangers)
{
    static const enum attack_kind kinds[] = { ATTACK_SLOWLORIS, ATTACK_GARBAGE, ATTACK_GIANT, ATTACK_HELLO, ATTACK_REPLAY };
    struct siege siege = { 0 };
    struct daemon daemon, behind;
    struct process run;
    make_keys();
    model_write("model.safetensors", 1000);
    photos_draw("photos", 60);
    WORKER(&daemon, "worker", "--engine-threads", "1", "--threads", "2", KEYED);
    /* This run gives the table, what a worker holds, and what a replay repeats. */
    behind.process = daemon.process;
    behind.port = attack_record(daemon.port, "capture");
    write_node("behind", &behind);
    write_node("nodes", &daemon);
    CHECK_INT(COORDINATE("expected", "run", "--nodes", "behind", WITH_KEYS, MODEL, "--job", "expected", "photos"), 0);
    besiege(&siege, &daemon, kinds, ARRAY_SIZE(kinds));
    double start = now_s();
    BEGIN(&run, "run", "run", "--nodes", "nodes", WITH_KEYS, MODEL, "--job", "job", "photos");
    WAIT_FOR(!goes_on(&siege, &run, &daemon));
    CHECK_INT(process_end(&run), 0);
    double seconds = now_s() - start;
    check_same_file("expected/predictions.jsonl", "job/predictions.jsonl");
    check_lacks("run.err", " to others");
    CHECK_INT(COORDINATE("denied", "check", "--nodes", "nodes", "--key", "keys/stranger.key", "--node-key", "keys/worker.pub", "--node-timeout", "3"), 1);
    raise_siege(&siege, &daemon, 60, seconds);
    check_lacks("worker.err", "job of another");
    CHECK_INT(COORDINATE("after", "check", "--nodes", "nodes", WITH_KEYS), 0);
    daemon_stop(&daemon);
}

TEST_WITHIN(150, a_job_without_keys_ends_with_the_right_table_while_its_worker_is_flooded)
{
    static const enum attack_kind kinds[] = { ATTACK_SLOWLORIS, ATTACK_GARBAGE, ATTACK_HALF_PLAIN, ATTACK_FLOOD_PLAIN };
    struct siege siege = { 0 };
    struct daemon daemon;
    struct process run;
    expect_table("sim:3000");
    WORKER(&daemon, "worker", SIM, "--sim-cost-us", "1000");
    write_node("nodes", &daemon);
    besiege(&siege, &daemon, kinds, ARRAY_SIZE(kinds));
    double start = now_s();
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--job", "job", "sim:3000");
    WAIT_FOR(!goes_on(&siege, &run, &daemon));
    CHECK_INT(process_end(&run), 0);
    double seconds = now_s() - start;
    check_same_file("expected/predictions.jsonl", "job/predictions.jsonl");
    check_contains("worker.err", "sent away, ");
    raise_siege(&siege, &daemon, 3000, seconds);
    daemon_stop(&daemon);
}

/* ---- old words, said again ---- */

TEST(what_an_earlier_coordinator_or_another_that_is_authorised_says_changes_nothing)
{
    struct daemon daemon;
    struct process run;
    struct caller old, other;
    struct message message;
    expect_table("sim:2000");
    WORKER(&daemon, "worker", SIM, "--sim-cost-us", "1000");
    write_node("nodes", &daemon);
    BEGIN(&run, "first", "run", "--nodes", "nodes", "--expiry", "5", "--job", "job", "sim:2000");
    WAIT_FOR(job_done("job") > 0);
    process_signal(&run, SIGKILL);
    process_end(&run);
    BEGIN(&run, "run", "resume", "--nodes", "nodes", "--expiry", "5", "job");
    WAIT_FOR(process_said(&daemon.process, "epoch 2"));
    char *log = process_err(&daemon.process), *at = strstr(log, "job "), id[64] = "";
    CHECK_INT(sscanf(at, "job %63s", id), 1);
    free(log);
    caller_open(&old, daemon.port);
    caller_open(&other, daemon.port);
    /* The first hello of this job again; batches, commits and ends in its name, to whoever listens and to this process. */
    caller_hello(&old, id, 1);
    caller_expect(&old, MESSAGE_refuse, &message);
    CHECK_CONTAINS(message.refuse.detail, "this job goes on elsewhere: epoch 2 of it");
    message_free(&message);
    caller_hello(&other, "another", 7);
    caller_expect(&other, MESSAGE_refuse, &message);
    CHECK_CONTAINS(message.refuse.detail, "serves job ");
    message_free(&message);
    for (uint64_t epoch = 1; epoch <= 2; epoch++)
        for (uint64_t batch = 0; batch < 40; batch++) {
            old.epoch = epoch;
            caller_send_batch(&old, batch, 60, false);
            caller_commit(&old, batch);
            caller_cancel(&old, batch);
            caller_send(&old, &(struct message){ .kind = MESSAGE_bye, .bye = { epoch } });
        }
    CHECK_INT(process_end(&run), 0);
    check_same_file("expected/predictions.jsonl", "job/predictions.jsonl");
    check_lacks("run.err", " to others");
    caller_close(&old);
    caller_close(&other);
    daemon_stop(&daemon);
}

/* ---- attacks on a coordinator ---- */

/* A worker that answers hello as it should, and then says what `say` says, until the job is over or it is not heard any more. */
static long misbehave(struct process *run, struct puppet *puppet, void (*say)(struct puppet *))
{
    long peak = 0;
    PUPPETS(puppet->welcomes > 0);
    while (process_running(run)) {
        for (int i = 0; i < 200; i++)
            say(puppet);
        puppets_step();
        long kib = peak_kib(run->pid);
        peak = kib > peak ? kib : peak;
        rest(now_s() + 60, __FILE__, __LINE__, "the end");
    }
    return peak;
}

static void say_beats(struct puppet *puppet)
{
    struct message beat = { .kind = MESSAGE_heartbeat, .heartbeat = { .epoch = puppet->epoch, .received = puppet->received, .expected = puppet->received,
                                                                      .images = puppet->granted, .stages = puppet->stages, .stages_count = 3 } };
    puppet_send(puppet, &beat);
}

static void say_nonsense(struct puppet *puppet)
{
    static const char noise[100000];
    (void)link_send_frame(puppet->link, &puppet->peer, noise, sizeof(noise));
}

/* More than this job has any use for. */
static void say_giants(struct puppet *puppet)
{
    static char noise[60 << 20];
    if (now_s() * 10 - (double)(long)(now_s() * 10) < 0.1)
        (void)link_send_frame(puppet->link, &puppet->peer, noise, sizeof(noise));
}

/* Rows for a batch that it never had. */
static void say_results(struct puppet *puppet)
{
    static struct rec_prediction prediction = { 1, 0.5f };
    static struct rec_row rows[60];
    for (int i = 0; i < 60; i++)
        rows[i] = (struct rec_row){ .predictions = &prediction, .predictions_count = 1 };
    struct message result = { .kind = MESSAGE_result, .result = { .epoch = puppet->epoch, .batch = 100000, .rows = rows, .rows_count = 60, .stages = puppet->stages,
                                                                  .stages_count = 3 } };
    puppet_send(puppet, &result);
}

static void bear_with(void (*say)(struct puppet *), const char *name, const char *sentence)
{
    static struct puppet puppet;
    struct daemon good;
    struct process run;
    char nodes[200];
    expect_table("sim:3000");
    WORKER(&good, "good", SIM, "--sim-cost-us", "1000");
    puppet_start(&puppet, 0);
    puppet.closed_purse = true;
    snprintf(nodes, sizeof(nodes), "127.0.0.1:%d\n127.0.0.1:%d\n", puppet.port, good.port);
    write_text("nodes", nodes);
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--mixed", "--expiry", "2", "--job", "job", "sim:3000");
    long peak = misbehave(&run, &puppet, say);
    CHECK_INT(process_end(&run), 0);
    check_same_file("expected/predictions.jsonl", "job/predictions.jsonl");
    if (sentence)
        check_contains("run.err", sentence);
    test_note("a worker that sends %s: 3000 images classified, the coordinator held at most %ld MiB", name, peak >> 10);
    CHECK(is_sanitized() || peak < 200 << 10);
    daemon_stop(&good);
}

TEST(a_worker_that_floods_its_coordinator_with_heartbeats_takes_no_part)
{
    bear_with(say_beats, "heartbeats", "takes no part in this job: it floods this coordinator");
}

TEST(a_worker_that_sends_nonsense_takes_no_part)
{
    bear_with(say_nonsense, "nonsense", "takes no part in this job: it does not speak this protocol");
}

TEST(a_worker_that_sends_frames_larger_than_any_result_of_the_job_is_lost)
{
    bear_with(say_giants, "frames of 60 MiB", NULL);
}

TEST(results_for_batches_that_a_worker_never_had_change_nothing)
{
    bear_with(say_results, "results of others' batches", NULL);
}
