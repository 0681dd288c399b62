/* Machines that are cut off and come back, in network namespaces: nobody hears that a connection ended, there is just silence. Needs root. */
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/mount.h"
#include "tests/cluster/lib/network.h"
#include "tests/cluster/lib/photos.h"

#include "common/sha256.h"

#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#define WORKER_OPTIONS ARGV("--engine", "sim", "--engine-threads", "1", "--engine-batch", "4", "--sim-cost-us", "20000", "--threads", "2")

static void begin(struct process *run, struct machine *machines, int count)
{
    network_open(machines, count);
    network_write_nodes("nodes", machines, count);
    for (int i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof(name), "worker-%d", i + 1);
        machine_worker(&machines[i], name, WORKER_OPTIONS);
    }
    CHECK_INT(COORDINATE("expected", "run", "--local", "1", "--engine", "sim", "--job", "expected", "sim:1000"), 0);
    BEGIN(run, "run", "run", "--insecure", "--nodes", "nodes", "--expiry", "2", "--batch", "5", "--job", "job", "sim:1000");
}

static void wait_until_used(const struct machine *machine)
{
    long before = machine_images(machine);
    WAIT_FOR(machine_images(machine) > before + 20);
}

static void finish(struct process *run, struct machine *machines, int count)
{
    CHECK_INT(process_end(run), 0);
    check_same_file("expected/predictions.jsonl", "job/predictions.jsonl");
    for (int i = 0; i < count; i++) {
        process_signal(&machines[i].worker, SIGTERM);
        CHECK_INT(process_end(&machines[i].worker), 0);
    }
}

TEST(machines_cut_off_for_longer_and_shorter_than_the_expiry_lose_nothing_and_are_used_again)
{
    struct machine machines[3];
    struct process run;
    begin(&run, machines, 3);
    for (int i = 0; i < 3; i++)
        wait_until_used(&machines[i]);
    double start = now_s();
    machine_link(&machines[0], false);
    machine_link(&machines[1], false);
    while (now_s() < start + 0.4)
        rest(start + 1, __FILE__, __LINE__, "a short cut");
    machine_link(&machines[1], true);
    bool was_short = now_s() - start < 1;
    WAIT_FOR(machine_told(&run, &machines[0], ": silent for too long"));
    CHECK(now_s() - start > 1.9 && now_s() - start < patience(6));
    machine_link(&machines[0], true);
    for (int i = 0; i < 3; i++)
        wait_until_used(&machines[i]);
    finish(&run, machines, 3);
    if (is_sanitized() || !was_short)
        return;
    CHECK(!machine_told(&run, &machines[1], ": silent for too long"));
    CHECK(!machine_told(&run, &machines[2], ": silent for too long"));
}

TEST(machines_that_lose_power_come_back_empty_and_are_used_again)
{
    struct machine machines[3];
    struct process run;
    begin(&run, machines, 3);
    for (int i = 0; i < 3; i++)
        wait_until_used(&machines[i]);
    for (int i = 0; i < 2; i++) {
        machine_link(&machines[i], false);
        process_signal(&machines[i].worker, SIGKILL);
        process_end(&machines[i].worker);
        machine_worker(&machines[i], i ? "worker-2-again" : "worker-1-again", WORKER_OPTIONS);
    }
    /* One is back before anybody missed it, one after. */
    machine_link(&machines[1], true);
    wait_until_used(&machines[1]);
    WAIT_FOR(machine_told(&run, &machines[0], ": silent for too long"));
    machine_link(&machines[0], true);
    wait_until_used(&machines[0]);
    finish(&run, machines, 3);
}

/* The plug is pulled while the model is being loaded: what the worker has to say about it goes nowhere. */
static void cut_off_while_it_loads(const struct machine *machine)
{
    WAIT_FOR(process_said(&machine->worker, "sleddog-worker: job "));
    kill(machine->worker.pid, SIGSTOP);
    machine_link(machine, false);
    kill(machine->worker.pid, SIGCONT);
    WAIT_FOR(process_said(&machine->worker, "ready: "));
}

TEST(machines_cut_off_before_and_during_their_introduction_are_introduced_later)
{
    struct machine machines[3];
    struct process run;
    network_open(machines, 3);
    network_write_nodes("nodes", machines, 3);
    model_write("model.safetensors", 1000);
    photos_draw("photos", 40);
    CHECK_INT(COORDINATE("expected", "run", "--local", "1", "--engine-threads", "1", "--weights", "model.safetensors", "--job", "expected", "photos"), 0);
    for (int i = 0; i < 3; i++)
        machine_worker(&machines[i], i == 0 ? "worker-1" : i == 1 ? "worker-2" : "worker-3", ARGV("--engine-threads", "1", "--threads", "2"));
    machine_link(&machines[0], false);
    BEGIN(&run, "run", "run", "--insecure", "--nodes", "nodes", "--min-nodes", "3", "--expiry", "2", "--batch", "4", "--weights", "model.safetensors", "--job", "job",
          "photos");
    cut_off_while_it_loads(&machines[1]);
    machine_link(&machines[1], true);
    cut_off_while_it_loads(&machines[2]);
    WAIT_FOR(machine_told(&run, &machines[2], ": silent for too long"));
    machine_link(&machines[2], true);
    CHECK_INT(job_done("job"), 0); /* nothing begins before all three are introduced */
    machine_link(&machines[0], true);
    finish(&run, machines, 3);
}

/* What has come of a model: so many bytes of it, or 0. */
static long half_size(const struct machine *machine, const char *hash)
{
    char path[PATH_MAX];
    struct stat status;
    snprintf(path, sizeof(path), "cache-%d/half-%s", machine->number, hash);
    return stat(path, &status) == 0 ? (long)status.st_size : 0;
}

TEST(machines_cut_off_while_the_model_comes_to_them_go_on_when_they_are_back)
{
    struct machine machines[3];
    struct process run;
    char hash[SHA256_HEX], found[SHA256_HEX];
    network_open(machines, 3);
    network_write_nodes("nodes", machines, 3);
    photos_draw("photos", 12);
    for (int i = 0; i < 3; i++) {
        char name[16], cache[16];
        snprintf(name, sizeof(name), "worker-%d", i + 1);
        snprintf(cache, sizeof(cache), "cache-%d", i + 1);
        machine_worker(&machines[i], name, ARGV("--engine-threads", "1", "--threads", "2", "--cache", cache));
    }
    CHECK_INT(mkdir("mine", 0700), 0);
    mount_own(); /* the workers do not see what is mounted from now on */
    mount_disk("mine", 131072);
    model_write("mine/model", 1000);
    CHECK_INT(sha256_file("mine/model", hash, NULL), 0);
    write_text("away", "");
    mount_choose("slow", "mine");
    BEGIN(&run, "run", "run", "--insecure", "--nodes", "nodes", "--min-nodes", "3", "--expiry", "2", "--batch", "2", "--weights", "mine/model", "--job", "job", "photos");
    preload_none();
    for (int i = 0; i < 3; i++)
        WAIT_FOR(half_size(&machines[i], hash) > 0);
    machine_link(&machines[0], false);
    machine_link(&machines[1], false);
    for (int i = 0; i < 2; i++)
        WAIT_FOR(machine_told(&run, &machines[i], ": silent for too long"));
    CHECK(half_size(&machines[0], hash) > 0 && half_size(&machines[1], hash) > 0);
    CHECK_INT(unlink("away"), 0);
    machine_link(&machines[0], true);
    machine_link(&machines[1], true);
    CHECK_INT(process_end(&run), 0);
    for (int i = 0; i < 3; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof(path), "cache-%d/sha256-%s", i + 1, hash);
        CHECK_INT(sha256_file(path, found, NULL), 0);
        CHECK_STR(found, hash);
        CHECK(!process_said(&machines[i].worker, "once more from the beginning"));
    }
}
