/* cgroup.h: how much memory the control groups of this process allow it.
 *
 * Of version 2 (memory.max and memory.high) and of version 1 (memory.limit_in_bytes), its own group and all above it: a unit with
 * MemoryMax=, a container, a batch system's job. In a container the files are those of its own root.
 *
 * Threads:   any; no state.
 * Errors:    none; what cannot be read does not limit.
 * Source:    cgroups(7); Linux, Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst. */
#pragma once

#include <stdint.h>

/* Bytes; UINT64_MAX without a limit. `root` stands in front of /proc and /sys: "", but for tests. */
uint64_t cgroup_memory(const char *root);
