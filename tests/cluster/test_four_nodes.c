/* The mission in small: four machines, keys, the shared photos, one command; a cable is pulled and put back, and two machines do not belong. */
#include "tests/cluster/lib/cluster.h"
#include "tests/cluster/lib/golden.h"
#include "tests/cluster/lib/network.h"

#include "common/cleanup.h"

#include <limits.h>
#include <signal.h>

enum { GOOD = 4, WRONG_KEY = 4, WRONG_RELEASE = 5, ALL = 6 };

static void start_machines(struct machine *machines)
{
    network_open(machines, ALL);
    CHECK_INT(COORDINATE("keygen", "keygen", "keys", "coordinator", "node1", "node2", "node3", "node4", "node5", "node6", "stranger"), 0);
    for (int i = 0; i < ALL; i++) {
        char name[16], key[32];
        snprintf(name, sizeof(name), "worker-%d", i + 1);
        snprintf(key, sizeof(key), i == WRONG_KEY ? "keys/stranger.key" : "keys/node%d.key", i + 1);
        machine_worker_as(&machines[i], i == WRONG_RELEASE ? OTHER_WORKER : "sleddog-worker", name, ARGV("--key", key, "--authorized", "keys/coordinator.pub", "--threads", "32", "--engine-threads", "1"));
    }
    FILE *file = fopen("nodes", "w");
    CHECK(file);
    for (int i = 0; i < ALL; i++)
        fprintf(file, "%s key=keys/node%d.pub\n", machines[i].address, i + 1);
    CHECK_INT(fclose(file), 0);
}

/* The next `count` photos of the list go to the coordinator's standard input. */
static void feed(FILE *photos, FILE *input, int count)
{
    char line[PATH_MAX];
    for (int i = 0; i < count && fgets(line, sizeof(line), photos); i++)
        fputs(line, input);
    CHECK_INT(fflush(input), 0);
}

/* Photos come slowly until it has done some of them, so there is something left for it to do. */
static void feed_until_used(const struct machine *machine, FILE *photos, FILE *input)
{
    long before = machine_images(machine);
    double next = 0, until = now_s() + patience(90);
    while (machine_images(machine) <= before) {
        if (now_s() > next) {
            feed(photos, input, 2);
            next = now_s() + 0.1;
        }
        rest(until, __FILE__, __LINE__, "the machine is used again");
    }
}

TEST_WITHIN(300, four_machines_with_keys_answer_as_PyTorch_does_though_one_is_cut_off_and_two_do_not_belong)
{
    struct machine machines[ALL];
    struct process run;
    char golden[PATH_MAX], command[3 * PATH_MAX];
    const char *data = test_data();
    start_machines(machines);
    CHECK_INT(test_shell(NULL, "find %s/images -type f | LC_ALL=C sort >photos && mkfifo list", data), 0);
    snprintf(command, sizeof(command), "exec %s/sleddog-coordinator run --nodes nodes --key keys/coordinator.key --min-nodes 4 --expiry 2 --batch 4 --job job "
             "--weights %s/weights/resnet18-imagenet-pqf.safetensors --truth '" GOLDEN_TRUTH "' @- <list", test_build(), data);
    process_start(&run, "run", ARGV("/bin/sh", "-c", command));
    CLEANUP(fclosep) FILE *photos = fopen("photos", "r");
    FILE *input = fopen("list", "w");
    CHECK(photos && input);
    feed(photos, input, 60);
    WAIT_FOR(machine_images(&machines[0]) > 0);
    machine_link(&machines[0], false);
    WAIT_FOR(machine_told(&run, &machines[0], ": silent for too long"));
    machine_link(&machines[0], true);
    long before = machine_images(&machines[0]);
    feed_until_used(&machines[0], photos, input);
    feed(photos, input, INT_MAX);
    CHECK_INT(fclose(input), 0);
    CHECK_INT(process_end(&run), 0);
    snprintf(golden, sizeof(golden), "%s/golden/resnet18-torchvision.jsonl", data);
    golden_compare(golden, 131, 148);
    test_note("355 photos on four machines, keys on: the golden rows; %ld by the one that was cut off, %ld of them before", machine_images(&machines[0]), before);
    for (int i = 0; i < GOOD; i++)
        CHECK(machine_images(&machines[i]) > 0);
    CHECK(machine_told(&run, &machines[WRONG_KEY], ": breaks off the handshake: its key is not "));
    CHECK(machine_told(&run, &machines[WRONG_RELEASE], " takes no part in this job: speaks protocol 9999 "));
}
