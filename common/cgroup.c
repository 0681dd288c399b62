#include "common/cgroup.h"

#include "common/cleanup.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* A file with a number in it, or "max". */
static uint64_t read_limit(const char *folder, const char *name)
{
    char path[PATH_MAX];
    unsigned long long limit;
    if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, name) >= sizeof(path))
        return UINT64_MAX;
    CLEANUP(fclosep) FILE *file = fopen(path, "re");
    return file && fscanf(file, "%llu", &limit) == 1 ? limit : UINT64_MAX;
}

/* The least of the limits in the folder of `group` and all above it, up to `mount`. */
static uint64_t walk_up(const char *mount, const char *group, const char *const *names)
{
    char path[PATH_MAX];
    size_t top = strlen(mount);
    uint64_t limit = UINT64_MAX;
    if ((size_t)snprintf(path, sizeof(path), "%s%s", mount, group) >= sizeof(path))
        return limit;
    for (;;) {
        for (int i = 0; names[i]; i++)
            limit = least(limit, read_limit(path, names[i]));
        char *slash = strrchr(path, '/');
        if (!slash || slash < path + top)
            return limit;
        *slash = '\0';
    }
}

/* Whether "memory" is one of the controllers in a comma-separated list. */
static bool has_memory(const char *list, size_t size)
{
    for (const char *end = list + size; list < end;) {
        const char *comma = memchr(list, ',', (size_t)(end - list)), *stop = comma ? comma : end;
        if (stop - list == 6 && !memcmp(list, "memory", 6))
            return true;
        list = stop + 1;
    }
    return false;
}

/* A line is NUMBER:CONTROLLERS:PATH; version 2 has number 0 and no controllers. */
static uint64_t limit_of_line(const char *root, const char *line)
{
    static const char *const two[] = { "memory.max", "memory.high", NULL }, *const one[] = { "memory.limit_in_bytes", NULL };
    const char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;
    char mount[PATH_MAX];
    if (!path || path[1] != '/')
        return UINT64_MAX;
    bool is_two = !strncmp(line, "0::", 3);
    if (!is_two && !has_memory(list + 1, (size_t)(path - list - 1)))
        return UINT64_MAX;
    snprintf(mount, sizeof(mount), "%.1000s/sys/fs/cgroup%s", root, is_two ? "" : "/memory");
    return walk_up(mount, path + 1, is_two ? two : one);
}

uint64_t cgroup_memory(const char *root)
{
    char path[PATH_MAX], line[PATH_MAX];
    uint64_t limit = UINT64_MAX;
    snprintf(path, sizeof(path), "%.1000s/proc/self/cgroup", root);
    CLEANUP(fclosep) FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = '\0';
        limit = least(limit, limit_of_line(root, line));
    }
    return limit;
}
