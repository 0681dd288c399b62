/* outfile_s3.c: an object of a store. Its parts go up as they fill; it comes into being when it is committed. */
#include "coordinator/export/outfile_kind.h"

#include "common/cleanup.h"
#include "common/s3/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct object {
    struct s3_client *client;
    struct s3_upload *upload; /* NULL: ended */
    struct s3_uri uri;        /* points into the outfile's path */
};

static void close_object(void *state)
{
    struct object *object = state;
    s3_upload_abort(object->upload);
    s3_client_close(object->client);
    free(object);
}

DEFINE_FREEP(close_object, struct object)

static const char *content_type(const char *path)
{
    static const struct {
        const char *ending, *type;
    } types[] = { { ".jsonl", "application/x-ndjson" }, { ".json", "application/json" }, { "/_SUCCESS", "application/json" }, { ".csv", "text/csv" } };
    size_t size = strlen(path);
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        size_t ending = strlen(types[i].ending);
        if (size >= ending && !strcmp(path + size - ending, types[i].ending))
            return types[i].type;
    }
    return "application/octet-stream";
}

static int open_object(struct s3_session *s3, const char *directory, const char *path, void **ret, struct why *why)
{
    (void)directory;
    CLEANUP(close_objectp) struct object *object = calloc(1, sizeof(*object));
    if (!object)
        return -ENOMEM;
    int r = s3_uri_parse(path, strlen(path), &object->uri, why);
    if (r == 0)
        r = s3_client_open(s3, NULL, NULL, &object->client, why);
    if (r == 0)
        r = s3_upload_open(object->client, &object->uri, content_type(path), &object->upload, why);
    if (r < 0)
        return r;
    *ret = take(object);
    return 0;
}

static int write_object(void *state, const char *data, size_t size, struct why *why)
{
    return s3_upload_write(((struct object *)state)->upload, data, size, why);
}

/* Nothing is seen of it before the commit. */
static int finish_object(void *state, struct why *why)
{
    (void)state;
    (void)why;
    return 0;
}

static int commit_object(void *state, struct why *why)
{
    return s3_upload_finish(take(((struct object *)state)->upload), why);
}

const struct outfile_kind outfile_s3 = { open_object, write_object, finish_object, commit_object, close_object };
