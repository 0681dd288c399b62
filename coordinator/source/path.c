#include "coordinator/source/path.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* Appends the components of `path` to out[0..used), each with a slash before it. */
static int append(char *out, size_t used, const char *path)
{
    while (*path) {
        size_t size = strcspn(path, "/");
        bool drop = size == 0 || (size == 1 && path[0] == '.');
        if (!drop) {
            if (used + 1 + size >= PATH_SIZE)
                return -ENAMETOOLONG;
            out[used++] = '/';
            memcpy(out + used, path, size);
            used += size;
        }
        path += size + (path[size] == '/');
    }
    out[used] = '\0';
    return (int)used;
}

int path_absolute(const char *cwd, const char *path, char out[static PATH_SIZE], struct why *why)
{
    int used = 0;
    if (path[0] != '/') {
        if (!cwd[0])
            return because(why, -ENOENT, "%.200s: a relative path, and the current directory no longer exists; "
                           "change to another one or give the path from /", path);
        used = append(out, 0, cwd);
    }
    if (used >= 0)
        used = append(out, (size_t)used, path);
    if (used < 0)
        return because(why, used, "%.200s...: the path is longer than %d bytes, the most the system can open; "
                       "begin from a folder that is nearer", path, PATH_SIZE - 1);
    if (used == 0)
        memcpy(out, "/", 2);
    return used ? used : 1;
}

size_t path_name(const char *path, size_t size)
{
    const char *slash = memrchr(path, '/', size);
    return slash ? (size_t)(slash - path) + 1 : 0;
}
