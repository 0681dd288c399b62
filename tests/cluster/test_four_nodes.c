/* The cluster as it is meant: four machines with addresses of their own, keys on, photos that all of them see, one command. */
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/golden.h"
#include "tests/cluster/lib/network.h"

#include <limits.h>
#include <signal.h>

#define NODE "--key", "keys/worker.key", "--authorized", "keys/coordinator.pub", "--threads", "32", "--engine-threads", "1"

static bool said_of(const struct process *run, const struct machine *machine, const char *what)
{
    char text[200];
    snprintf(text, sizeof(text), "%s%s", machine->address, what);
    return process_said(run, text);
}

TEST_WITHIN(200, four_nodes_with_keys_give_the_golden_rows_while_one_is_cut_off_one_has_a_wrong_key_and_one_a_wrong_version)
{
    struct machine machines[4];
    struct process run;
    char weights[PATH_MAX], images[PATH_MAX], golden[PATH_MAX];
    long done = 0;
    snprintf(weights, sizeof(weights), "%s/weights/resnet18-imagenet-pqf.safetensors", test_data());
    snprintf(golden, sizeof(golden), "%s/golden/resnet18-torchvision.jsonl", test_data());
    snprintf(images, sizeof(images), "%s/images", test_data());
    CHECK_INT(COORDINATE("keygen", "keygen", "keys", "coordinator", "worker", "stranger"), 0);
    network_open(machines, 4);
    network_write_nodes("nodes", machines, 4);
    machine_worker(&machines[0], "worker-1", ARGV(NODE));
    machine_worker(&machines[1], "worker-2", ARGV(NODE));
    machine_worker(&machines[2], "worker-3", ARGV("--key", "keys/stranger.key", "--authorized", "keys/coordinator.pub"));
    machine_worker_as(&machines[3], OTHER_WORKER, "worker-4", ARGV(NODE));
    BEGIN(&run, "run", "run", "--nodes", "nodes", "--key", "keys/coordinator.key", "--node-key", "keys/worker.pub", "--min-nodes", "2", "--expiry", "2", "--batch",
          "8", "--weights", weights, "--truth", GOLDEN_TRUTH, "--job", "job", images);
    WAIT_FOR(machine_images(&machines[1]) >= 16);
    machine_link(&machines[1], false);
    WAIT_FOR(said_of(&run, &machines[1], ": silent for too long"));
    machine_link(&machines[1], true);
    done = machine_images(&machines[1]);
    WAIT_FOR(machine_images(&machines[1]) >= done + 8);
    CHECK_INT(process_end(&run), 0);
    golden_compare(golden, 131, 148);
    CHECK(said_of(&run, &machines[2], ": breaks off the handshake: its key is not "));
    CHECK(said_of(&run, &machines[3], " takes no part in this job: speaks protocol 9999 "));
    CHECK(!said_of(&run, &machines[0], ": silent for too long"));
    test_note("355 photos on four nodes in four namespaces, keys on: the golden rows; %ld by the node that was cut off, %ld of them before", machine_images(&machines[1]), done);
    for (int i = 0; i < 4; i++) {
        process_signal(&machines[i].worker, SIGTERM);
        CHECK_INT(process_end(&machines[i].worker), 0);
    }
}
