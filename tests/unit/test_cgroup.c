/* test_cgroup.c: limits of control groups, in trees like those of /proc and /sys. */
#include "common/cgroup.h"

#include "tests/test.h"

static void put(const char *path, const char *text)
{
    CHECK_INT(test_shell(NULL, "mkdir -p \"$(dirname '%s')\"", path), 0);
    test_write_file(path, text, strlen(text));
}

TEST(without_groups_there_is_no_limit)
{
    CHECK(cgroup_memory("nowhere") == UINT64_MAX);
    put("r/proc/self/cgroup", "");
    CHECK(cgroup_memory("r") == UINT64_MAX);
    put("r/proc/self/cgroup", "0::/a/b\nnonsense\n7:memory\n:::\n");
    CHECK(cgroup_memory("r") == UINT64_MAX);
}

TEST(the_least_limit_on_the_way_up_counts_in_version_2)
{
    put("r/proc/self/cgroup", "0::/system.slice/sleddog-worker.service\n");
    put("r/sys/fs/cgroup/system.slice/sleddog-worker.service/memory.max", "max\n");
    CHECK(cgroup_memory("r") == UINT64_MAX);
    put("r/sys/fs/cgroup/system.slice/memory.max", "5000000000\n");
    CHECK(cgroup_memory("r") == 5000000000);
    put("r/sys/fs/cgroup/system.slice/sleddog-worker.service/memory.max", "2000000000\n");
    CHECK(cgroup_memory("r") == 2000000000);
    put("r/sys/fs/cgroup/system.slice/sleddog-worker.service/memory.high", "1500000000\n");
    CHECK(cgroup_memory("r") == 1500000000);
    put("r/sys/fs/cgroup/memory.max", "1000000000\n"); /* a container's own root */
    CHECK(cgroup_memory("r") == 1000000000);
    put("r/sys/memory.max", "1\n"); /* not a group */
    CHECK(cgroup_memory("r") == 1000000000);
}

TEST(version_1_has_its_own_tree)
{
    put("r/proc/self/cgroup", "9:name=systemd:/\n5:memoryless:/a\n4:cpu,memory:/docker/0123\n1:cpuset:/x\n0::/\n");
    put("r/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    CHECK(cgroup_memory("r") == 9223372036854771712u);
    put("r/sys/fs/cgroup/memory/docker/0123/memory.limit_in_bytes", "3000000000\n");
    CHECK(cgroup_memory("r") == 3000000000);
    put("r/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "7\n"); /* of the line "memoryless" */
    CHECK(cgroup_memory("r") == 3000000000);
    put("r/sys/fs/cgroup/memory.max", "1\n2\n"); /* version 2 of the line 0:: */
    CHECK(cgroup_memory("r") == 1);
    put("r/proc/self/cgroup", "4:memory:/docker/of the host\n"); /* a container that does not see its path */
    put("r/sys/fs/cgroup/memory/memory.limit_in_bytes", "4000000000\n");
    CHECK(cgroup_memory("r") == 4000000000);
}
