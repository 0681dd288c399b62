#include "tests/cluster/lib/hidden.h"

#include "tests/cluster/lib/mount.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

static int outside = -1, inside = -1;
static char here[PATH_MAX];

static void enter(int space)
{
    CHECK_INT(setns(space, CLONE_NEWNS), 0);
    CHECK_INT(chdir(here), 0);
}

void hidden_open(const char *name)
{
    CHECK(getcwd(here, sizeof(here)));
    CHECK_INT(mkdir(name, 0700), 0);
    outside = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    mount_own();
    mount_disk(name, 131072);
    inside = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    CHECK(outside >= 0 && inside >= 0);
}

void hidden_leave(void)
{
    enter(outside);
}

void hidden_enter(void)
{
    enter(inside);
}

void hidden_start_outside(struct daemon *daemon, const char *name, const char *const *arguments)
{
    hidden_leave();
    daemon_start(daemon, name, daemon->port, arguments);
    hidden_enter();
}
