/* folder.c: every file below a directory. */
#include "coordinator/source/walk.h"

#include <sys/stat.h>

static bool takes(const char *arg)
{
    struct stat status;
    return stat(arg, &status) == 0 && S_ISDIR(status.st_mode);
}

static uint64_t match_all(const void *arg, const char *name, uint64_t states)
{
    (void)arg;
    (void)name;
    return states | WALK_ENTRY;
}

static int open_folder(const char *arg, struct source_context *context, void **ret, struct why *why)
{
    char path[PATH_SIZE];
    int r = path_absolute(context->cwd, arg, path, why);
    if (r < 0)
        return r;
    struct walk *walk;
    r = walk_open(path, match_all, NULL, 1, context, &walk, why);
    if (r < 0)
        return r;
    *ret = walk;
    return 0;
}

static int next(void *state, struct rec_item *ret, struct why *why)
{
    return walk_next(state, ret, why);
}

static void close_folder(void *state)
{
    walk_close(state);
}

const struct source_kind source_folder = { takes, open_folder, next, close_folder, NULL, true };
