#include "tests/cluster/lib/mount.h"

#include "tests/test.h"

#include <limits.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

void mount_choose(const char *kind, const char *below)
{
    char order[2 * PATH_MAX], here[PATH_MAX];
    CHECK(getcwd(here, sizeof(here)));
    snprintf(order, sizeof(order), "%s %.1000s/away %.1000s/%s", kind, here, here, below);
    preload("mount", "SLEDDOG_MOUNT", order);
}

void mount_own(void)
{
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        test_skip("no mounts of its own for this process (not root): %s", strerror(errno));
}

void mount_disk(const char *folder, int kib)
{
    char size[32];
    snprintf(size, sizeof(size), "size=%dk", kib);
    if (mount("none", folder, "tmpfs", 0, size) < 0)
        test_skip("nothing can be mounted: %s", strerror(errno));
}

void mount_enlarge(const char *folder)
{
    CHECK_INT(mount("none", folder, "tmpfs", MS_REMOUNT, "size=256m"), 0);
}
