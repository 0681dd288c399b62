#include "coordinator/limits.h"

#include "common/counted.h"
#include "common/machine.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#define FILES_ALWAYS   64    /* job.db and its journal, threads' wake-ups, folders being listed, tables */
#define FILES_A_NODE   5     /* ZeroMQ: a wake-up, a connection, the next one while the old is being closed, and two wake-ups more until it is welcome */

void limits_prepare(void)
{
    signal(SIGXFSZ, SIG_IGN);
    machine_raise_files();
}

int limits_check_files(int nodes, struct why *why)
{
    struct rlimit limit;
    rlim_t needed = FILES_ALWAYS + FILES_A_NODE * (rlim_t)nodes;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= needed)
        return 0;
    return because(why, -EMFILE, "%llu files may be open at once, and %s %llu; raise the limit (ulimit -n %llu) or use fewer",
                   (unsigned long long)limit.rlim_cur, COUNTED((uint64_t)nodes, "worker needs", "workers need"), (unsigned long long)needed, (unsigned long long)needed);
}
