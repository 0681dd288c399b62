/* jsonl.c: predictions.jsonl. */
#include "coordinator/export/kind.h"
#include "coordinator/export/outfile.h"
#include "coordinator/export/row_json.h"

#include "common/cleanup.h"

#include <errno.h>
#include <stdlib.h>

struct jsonl {
    struct outfile *file;
    struct row_json *json;
};

static bool wanted(const struct export_options *options)
{
    return options->formats & EXPORT_JSONL || options->emit != ROW_TOPK;
}

static void close_jsonl(void *state)
{
    struct jsonl *jsonl = state;
    outfile_close(jsonl->file);
    row_json_close(jsonl->json);
    free(jsonl);
}

DEFINE_FREEP(close_jsonl, struct jsonl)

static int open_jsonl(const struct export_options *options, void **ret, struct why *why)
{
    CLEANUP(close_jsonlp) struct jsonl *jsonl = calloc(1, sizeof(*jsonl));
    if (!jsonl)
        return -ENOMEM;
    int r = row_json_open(options->labels, &jsonl->json);
    if (r == 0)
        r = outfile_open(options->s3, options->directory, "predictions.jsonl", &jsonl->file, why);
    if (r < 0)
        return r;
    *ret = take(jsonl);
    return 0;
}

static int put_row(void *state, const struct export_row *row, struct why *why)
{
    struct jsonl *jsonl = state;
    struct bytes *out = outfile_buffer(jsonl->file);
    row_json_append(jsonl->json, row, out);
    bytes_append_char(out, '\n');
    return outfile_flow(jsonl->file, why);
}

static int finish(void *state, struct why *why)
{
    return outfile_finish(((struct jsonl *)state)->file, why);
}

static int commit(void *state, struct why *why)
{
    return outfile_commit(((struct jsonl *)state)->file, why);
}

static const char *path(const void *state)
{
    return outfile_path(((const struct jsonl *)state)->file);
}

const struct export_kind export_jsonl = { wanted, open_jsonl, put_row, finish, commit, path, close_jsonl };
