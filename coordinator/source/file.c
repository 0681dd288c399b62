/* file.c: one image by its path. */
#include "coordinator/source/kind.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct file {
    bool given;
    size_t size;
    char path[];
};

static bool takes(const char *arg)
{
    struct stat status;
    return lstat(arg, &status) == 0;
}

static int open_file(const char *arg, struct source_context *context, void **ret, struct why *why)
{
    struct stat status;
    if (stat(arg, &status) < 0)
        return because(why, -errno, "%.500s: %s; the link leads nowhere that can be read", arg, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return because(why, -EINVAL, "%.500s: neither a file nor a folder (a pipe, a socket or a device)", arg);
    char path[PATH_SIZE];
    int size = path_absolute(context->cwd, arg, path, why);
    if (size < 0)
        return size;
    struct file *file = calloc(1, sizeof(*file) + (size_t)size + 1);
    if (!file)
        return -ENOMEM;
    memcpy(file->path, path, (size_t)size);
    file->size = (size_t)size;
    *ret = file;
    return 0;
}

static int next(void *state, struct rec_item *ret, struct why *why)
{
    (void)why;
    struct file *file = state;
    if (file->given)
        return 0;
    file->given = true;
    *ret = source_item(file->path, file->size, path_name(file->path, file->size));
    return 1;
}

const struct source_kind source_file = { takes, open_file, next, free, NULL, false };
