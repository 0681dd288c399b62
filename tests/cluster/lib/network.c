#include "tests/cluster/lib/network.h"

#include "common/cleanup.h"
#include "coordinator/db.h"
#include "tests/cluster/lib/cluster.h"

#include <sched.h>
#include <stdarg.h>
#include <unistd.h>

static void run_ip(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void run_ip(const char *format, ...)
{
    char command[512], *output;
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof(command), format, args);
    va_end(args);
    if (test_shell(&output, "%s", command))
        test_fail(__FILE__, __LINE__, "%s: %s", command, output);
    free(output);
}

/* Returns once the new process is in a namespace of its own. */
static pid_t start_holder(void)
{
    int ends[2];
    char byte;
    CHECK_INT(pipe(ends), 0);
    fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        if (unshare(CLONE_NEWNET) == 0 && write(ends[1], "", 1) == 1)
            for (;;)
                pause();
        _exit(1);
    }
    close(ends[1]);
    CHECK_INT(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    return pid;
}

static void plug_in(struct machine *machine)
{
    int number = machine->number, pid = (int)machine->holder;
    run_ip("ip link add port%d type veth peer name eth0 netns %d", number, pid);
    run_ip("ip link set port%d master switch up", number);
    run_ip("nsenter --net=/proc/%d/ns/net sh -c 'ip link set lo up && ip link set eth0 up && ip address add 10.77.0.%d/24 dev eth0'", pid,
           10 + number);
}

void network_open(struct machine *machines, int count)
{
    if (test_shell(NULL, "command -v ip nsenter >/dev/null"))
        test_skip("there are no programs ip and nsenter (Debian's iproute2 and util-linux)");
    if (unshare(CLONE_NEWNET) < 0)
        test_skip("network namespaces cannot be made (%s): run as root", strerror(errno));
    choose_runtime_folder();
    run_ip("ip link set lo up && ip link add switch type bridge && ip link set switch up && ip address add 10.77.0.1/24 dev switch");
    for (int i = 0; i < count; i++) {
        machines[i] = (struct machine){ .number = i + 1 };
        snprintf(machines[i].address, sizeof(machines[i].address), "10.77.0.%d:5571", 11 + i);
        machines[i].holder = start_holder();
        plug_in(&machines[i]);
    }
}

void machine_link(const struct machine *machine, bool up)
{
    run_ip("ip link set port%d %s", machine->number, up ? "up" : "down");
}

static bool is_listening(struct machine *machine)
{
    if (!process_running(&machine->worker))
        test_fail(__FILE__, __LINE__, "%s ended with %d", machine->worker.name, process_end(&machine->worker));
    return process_said(&machine->worker, "listens on tcp://");
}

void machine_worker_as(struct machine *machine, const char *program_name, const char *name, const char *const *arguments)
{
    char space[64], program[4096];
    const char *argv[64] = { "/usr/bin/env", "nsenter", space, program, "--listen", machine->address, "--insecure" };
    int count = *arguments && !strcmp(*arguments, "--key") ? 6 : 7;
    snprintf(space, sizeof(space), "--net=/proc/%d/ns/net", (int)machine->holder);
    snprintf(program, sizeof(program), "%s/%s", test_build(), program_name);
    for (; *arguments && count < 63; arguments++)
        argv[count++] = *arguments;
    process_start(&machine->worker, name, argv);
    WAIT_FOR(is_listening(machine));
}

void machine_worker(struct machine *machine, const char *name, const char *const *arguments)
{
    machine_worker_as(machine, "sleddog-worker", name, arguments);
}

bool machine_told(const struct process *coordinator, const struct machine *machine, const char *what)
{
    char text[256];
    snprintf(text, sizeof(text), "%s%s", machine->address, what);
    return process_said(coordinator, text);
}

struct count {
    const char *node;
    long images;
};

static int add_images(void *arg, const char *label, uint64_t images, uint64_t batches, struct why *why)
{
    struct count *count = arg;
    size_t size = strlen(count->node);
    (void)batches;
    (void)why;
    if (!strncmp(label, count->node, size) && label[size] == '\t')
        count->images += (long)images;
    return 0;
}

long machine_images(const struct machine *machine)
{
    CLEANUP(db_closep) struct db *db = NULL;
    struct count count = { machine->address, 0 };
    if (access("job/job.db", R_OK) == 0 && db_open("job/job.db", true, &db, NULL) == 0)
        db_nodes(db, add_images, &count, NULL);
    return count.images;
}

void network_write_nodes(const char *path, const struct machine *machines, int count)
{
    FILE *file = fopen(path, "w");
    CHECK(file);
    for (int i = 0; i < count; i++)
        fprintf(file, "%s\n", machines[i].address);
    CHECK_INT(fclose(file), 0);
}
