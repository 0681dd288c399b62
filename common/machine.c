#include "common/machine.h"

#include "common/cgroup.h"
#include "common/cleanup.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <pwd.h>
#include <string.h>
#include <sys/resource.h>

#define FILES_ENOUGH 65536

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char host[256], owner[320];

static void look(void)
{
    if (gethostname(host, sizeof(host) - 1) < 0)
        strcpy(host, "?");
    const struct passwd *user = getpwuid(geteuid());
    if (user)
        snprintf(owner, sizeof(owner), "%s@%s", user->pw_name, host);
    else
        snprintf(owner, sizeof(owner), "uid %u@%s", (unsigned)geteuid(), host);
}

const char *machine_host(void)
{
    pthread_once(&once, look);
    return host;
}

const char *machine_owner(void)
{
    pthread_once(&once, look);
    return owner;
}

uint64_t machine_memory(void)
{
    uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t limit = cgroup_memory("");
    return limit < memory ? limit : memory;
}

uint64_t machine_resident(void)
{
    CLEANUP(fclosep) FILE *file = fopen("/proc/self/statm", "re");
    unsigned long long size, resident;
    if (!file || fscanf(file, "%llu %llu", &size, &resident) != 2)
        return 0;
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

int machine_beside(const char *name, char *path, size_t size)
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (length < 0)
        return -errno;
    self[length] = '\0';
    char *slash = strrchr(self, '/');
    if (slash)
        *slash = '\0';
    return (size_t)snprintf(path, size, "%s/%s", self, name) < size ? 0 : -ENAMETOOLONG;
}

void machine_raise_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= FILES_ENOUGH)
        return;
    limit.rlim_cur = limit.rlim_max < FILES_ENOUGH ? limit.rlim_max : FILES_ENOUGH;
    setrlimit(RLIMIT_NOFILE, &limit);
}
