/* per_object.c: one small object an image, where the output is in an object store, at the path that image_path.h gives it. */
#include "coordinator/export/image_path.h"
#include "coordinator/export/kind.h"
#include "coordinator/export/outfile.h"
#include "coordinator/export/putter.h"
#include "coordinator/export/row_json.h"

#include "common/cleanup.h"
#include "common/s3/uri.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PATH_CAP (64u << 10)
#define TEXT_CAP (64u << 20)

struct per_object {
    char *directory;
    struct putter *putter;
    struct row_json *json;
    struct image_paths paths;
    uint64_t row;
    struct bytes path, address, text;
};

static bool wanted(const struct export_options *options)
{
    return options->formats & EXPORT_PER_IMAGE && s3_uri_is(options->directory, strlen(options->directory));
}

static void close_per_object(void *state)
{
    struct per_object *objects = state;
    putter_close(objects->putter);
    row_json_close(objects->json);
    image_paths_done(&objects->paths);
    bytes_done(&objects->path);
    bytes_done(&objects->address);
    bytes_done(&objects->text);
    free(objects->directory);
    free(objects);
}

DEFINE_FREEP(close_per_object, struct per_object)

static int open_per_object(const struct export_options *options, void **ret, struct why *why)
{
    CLEANUP(close_per_objectp) struct per_object *objects = calloc(1, sizeof(*objects));
    if (!objects)
        return -ENOMEM;
    bytes_init(&objects->path, PATH_CAP);
    bytes_init(&objects->address, (size_t)2 * PATH_CAP);
    bytes_init(&objects->text, TEXT_CAP);
    objects->directory = strdup(options->directory);
    int r = objects->directory ? image_paths_init(&objects->paths) : -ENOMEM;
    if (r == 0)
        r = row_json_open(options->labels, &objects->json);
    if (r == 0)
        r = putter_open(options->s3, &objects->putter, why);
    if (r < 0)
        return r;
    *ret = take(objects);
    return 0;
}

static struct span key_of(const struct rec_item *item)
{
    uint32_t base = item->base < item->uri.size ? item->base : 0;
    return (struct span){ item->uri.data + base, item->uri.size - base };
}

static int put_row(void *state, const struct export_row *row, struct why *why)
{
    struct per_object *objects = state;
    int r = image_path(&objects->paths, key_of(row->item), ++objects->row, &objects->path);
    bytes_clear(&objects->address);
    bytes_clear(&objects->text);
    if (r == 0)
        r = bytes_printf(&objects->address, "%s%s", objects->directory, objects->path.data);
    row_json_append(objects->json, row, &objects->text);
    bytes_append_char(&objects->text, '\n');
    if (r == 0)
        r = bytes_error(&objects->text);
    if (r < 0)
        return outfile_because(why, r, objects->directory);
    return putter_put(objects->putter, objects->address.data, objects->text.data, objects->text.size, why);
}

static int finish(void *state, struct why *why)
{
    return putter_finish(((struct per_object *)state)->putter, why);
}

static int commit(void *state, struct why *why)
{
    (void)state;
    (void)why;
    return 0;
}

static const char *path(const void *state)
{
    (void)state;
    return NULL;
}

const struct export_kind export_per_object = { wanted, open_per_object, put_row, finish, commit, path, close_per_object };
