#include "coordinator/limits.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#define FILES_ALWAYS   64    /* job.db and its journal, threads' wake-ups, folders being listed, tables */
#define FILES_A_NODE   3     /* ZeroMQ: a wake-up, a connection, and the next one while the old is being closed */
#define FILES_ENOUGH   65536

void limits_prepare(void)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= FILES_ENOUGH)
        return;
    limit.rlim_cur = limit.rlim_max < FILES_ENOUGH ? limit.rlim_max : FILES_ENOUGH;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int limits_check_files(int nodes, struct why *why)
{
    struct rlimit limit;
    rlim_t needed = FILES_ALWAYS + FILES_A_NODE * (rlim_t)nodes;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= needed)
        return 0;
    return because(why, -EMFILE, "%llu files may be open at once, and %d workers need %llu; raise the limit (ulimit -n %llu) or use fewer",
                   (unsigned long long)limit.rlim_cur, nodes, (unsigned long long)needed, (unsigned long long)needed);
}
