#include "coordinator/export/outfile.h"

#include "common/cleanup.h"
#include "common/s3/uri.h"
#include "coordinator/export/outfile_kind.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLOW_SIZE  (256u << 10)           /* bytes: passed on when so many have gathered */
#define BUFFER_CAP (FLOW_SIZE + (64u << 20)) /* and one row of any size */

struct outfile {
    const struct outfile_kind *kind;
    void *state; /* NULL: could not be opened */
    struct bytes buffer;
    char *path;
};

void outfile_close(struct outfile *file)
{
    if (!file)
        return;
    if (file->state)
        file->kind->close(file->state);
    bytes_done(&file->buffer);
    free(file->path);
    free(file);
}

/* Ends where the option that says the place belongs; "": nothing is known to help. */
static const char *what_to_do(int r)
{
    switch (r) {
    case -ENOSPC:
    case -EDQUOT:
        return "; free some space or give another";
    case -EACCES:
    case -EPERM:
    case -EROFS:
        return "; allow writing there or give another";
    case -EFBIG:
        return "; the file system or a ulimit takes no larger file: give another";
    case -ENOENT:
        return "; its folder is not there: make it or give another";
    case -EISDIR:
    case -ENOTDIR:
    case -ELOOP:
        return "; something else of that name is in the way: remove it or give another";
    case -EBUSY:
        return "; another process is writing it, or something is mounted there: wait for that, or give another";
    default:
        return "";
    }
}

int outfile_because_of(struct why *why, int r, const char *path, const char *option)
{
    const char *remedy = what_to_do(r);
    return because(why, r, "%.600s: cannot be written: %s%s%s%s", path, strerror(-r), remedy, *remedy ? " " : "", *remedy ? option : "");
}

int outfile_because(struct why *why, int r, const char *path)
{
    return outfile_because_of(why, r, path, "--output");
}

int outfile_open(struct s3_session *s3, const char *directory, const char *name, struct outfile **ret, struct why *why)
{
    CLEANUP(outfile_closep) struct outfile *file = calloc(1, sizeof(*file));
    if (!file)
        return outfile_because(why, -ENOMEM, name);
    bytes_init(&file->buffer, BUFFER_CAP);
    size_t size = strlen(directory);
    if (asprintf(&file->path, "%s%s%s", directory, size && directory[size - 1] == '/' ? "" : "/", name) < 0) {
        file->path = NULL;
        return outfile_because(why, -ENOMEM, name);
    }
    file->kind = s3_uri_is(directory, size) ? &outfile_s3 : &outfile_local;
    int r = file->kind->open(s3, directory, file->path, &file->state, why);
    if (r < 0)
        return r == -ENOMEM ? outfile_because(why, r, file->path) : r;
    *ret = take(file);
    return 0;
}

struct bytes *outfile_buffer(struct outfile *file)
{
    return &file->buffer;
}

const char *outfile_path(const struct outfile *file)
{
    return file->path;
}

static int flush(struct outfile *file, struct why *why)
{
    int r = bytes_error(&file->buffer);
    if (r < 0)
        return outfile_because(why, r, file->path);
    r = file->kind->write(file->state, file->buffer.data, file->buffer.size, why);
    bytes_clear(&file->buffer);
    return r;
}

int outfile_flow(struct outfile *file, struct why *why)
{
    return file->buffer.size < FLOW_SIZE && !bytes_error(&file->buffer) ? 0 : flush(file, why);
}

int outfile_write(struct outfile *file, const void *data, size_t size, struct why *why)
{
    bytes_append(&file->buffer, data, size);
    return outfile_flow(file, why);
}

int outfile_finish(struct outfile *file, struct why *why)
{
    int r = flush(file, why);
    return r < 0 ? r : file->kind->finish(file->state, why);
}

int outfile_commit(struct outfile *file, struct why *why)
{
    return file->kind->commit(file->state, why);
}
