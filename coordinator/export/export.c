#include "coordinator/export/export.h"

#include "common/cleanup.h"
#include "common/s3/uri.h"
#include "coordinator/export/kind.h"
#include "coordinator/export/outfile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const struct export_kind *const kinds[] = { &export_jsonl, &export_csv, &export_npy, &export_per_image, &export_per_object };

static const struct {
    const char *name;
    enum export_format format;
} names[] = { { "jsonl", EXPORT_JSONL }, { "csv", EXPORT_CSV } };

struct exporters {
    uint64_t expected, rows;
    void *state[ARRAY_SIZE(kinds)]; /* NULL: not wanted */
};

DEFINE_FREEP(exporters_abort, struct exporters)

int export_formats(const char *list, unsigned *ret, struct why *why)
{
    unsigned formats = 0;
    for (const char *name = list;; name++) {
        size_t size = strcspn(name, ","), i = 0;
        while (i < ARRAY_SIZE(names) && (strlen(names[i].name) != size || memcmp(names[i].name, name, size)))
            i++;
        if (i == ARRAY_SIZE(names))
            return because(why, -EINVAL, "--format %.200s: '%.*s' is no format; give jsonl, csv or jsonl,csv", list,
                           (int)(size < 100 ? size : 100), name);
        formats |= names[i].format;
        name += size;
        if (!*name)
            break;
    }
    *ret = formats;
    return 0;
}

static int make_directory(const char *path, struct why *why)
{
    CLEANUP(freep) char *partial = strdup(path);
    if (!partial)
        return outfile_because(why, -ENOMEM, path);
    for (char *end = partial; *end;) {
        end += strspn(end, "/");
        end += strcspn(end, "/");
        char cut = *end;
        *end = '\0';
        if (mkdir(partial, 0777) < 0 && errno != EEXIST)
            return outfile_because(why, -errno, partial);
        *end = cut;
    }
    return 0;
}

int exporters_open(const struct export_options *options, struct exporters **ret, struct why *why)
{
    bool local = !s3_uri_is(options->directory, strlen(options->directory));
    int r = local ? make_directory(options->directory, why) : 0;
    if (r < 0)
        return r;
    CLEANUP(exporters_abortp) struct exporters *exporters = calloc(1, sizeof(*exporters));
    if (!exporters)
        return outfile_because(why, -ENOMEM, options->directory);
    exporters->expected = options->rows;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (!kinds[i]->wanted(options))
            continue;
        r = kinds[i]->open(options, &exporters->state[i], why);
        if (r < 0)
            return r == -ENOMEM ? outfile_because(why, r, options->directory) : r;
    }
    *ret = take(exporters);
    return 0;
}

int exporters_row(struct exporters *exporters, const struct export_row *row, struct why *why)
{
    exporters->rows++;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        int r = exporters->state[i] ? kinds[i]->row(exporters->state[i], row, why) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

const char *exporters_path(const struct exporters *exporters, int i)
{
    for (size_t kind = 0; kind < ARRAY_SIZE(kinds); kind++) {
        const char *path = exporters->state[kind] ? kinds[kind]->path(exporters->state[kind]) : NULL;
        if (path && i-- == 0)
            return path;
    }
    return NULL;
}

int exporters_close(struct exporters *exporters, struct why *why)
{
    CLEANUP(exporters_abortp) struct exporters *closing = exporters;
    if (closing->rows != closing->expected)
        return because(why, -EBADMSG, "%llu rows were read of a job with %llu; its job.db was damaged from outside: put a copy of the whole folder back, or begin a new job",
                       (unsigned long long)closing->rows, (unsigned long long)closing->expected);
    int r = 0;
    for (size_t i = 0; i < ARRAY_SIZE(kinds) && r == 0; i++)
        if (closing->state[i])
            r = kinds[i]->finish(closing->state[i], why);
    for (size_t i = 0; i < ARRAY_SIZE(kinds) && r == 0; i++)
        if (closing->state[i])
            r = kinds[i]->commit(closing->state[i], why);
    return r;
}

void exporters_abort(struct exporters *exporters)
{
    if (!exporters)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (exporters->state[i])
            kinds[i]->close(exporters->state[i]);
    free(exporters);
}
