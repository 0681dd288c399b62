/* network.h: machines on a switch, as network namespaces: links that go down leave no FIN and no RST behind.
 *
 *     struct machine machines[3];
 *     network_open(machines, 3);                                   skips the test where namespaces are not allowed
 *     machine_worker(&machines[0], "worker-1", ARGV("--engine", "sim"));
 *     machine_link(&machines[0], false);
 *
 * The calling test moves into a namespace of its own, where the switch (a bridge) is; each machine is one more, at the other end of a
 * veth pair. They vanish with the test's processes.
 *
 * Threads, errors: as process.h. */
#pragma once

#include "tests/cluster/lib/process.h"

struct machine {
    int number;
    pid_t holder;      /* a process that does nothing but be there */
    char address[32];  /* its worker's, as a coordinator names it: 10.77.0.N:5571 */
    struct process worker;
};

void network_open(struct machine *machines, int count);

/* Pulls the plug at the switch, or puts it back. */
void machine_link(const struct machine *machine, bool up);

/* A worker there, without keys unless the arguments begin with "--key". Returns when it listens. */
void machine_worker(struct machine *machine, const char *name, const char *const *arguments);
/* `program`: below the folder of the build. */
void machine_worker_as(struct machine *machine, const char *program, const char *name, const char *const *arguments);

/* Whether a coordinator has said this machine's address and, right behind it, `what`. */
bool machine_told(const struct process *coordinator, const struct machine *machine, const char *what);

/* Images of the job in "job" that are safe and came from there. */
long machine_images(const struct machine *machine);

void network_write_nodes(const char *path, const struct machine *machines, int count);
