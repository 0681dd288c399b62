/* csv.c: predictions.csv, the first prediction of every row. */
#include "coordinator/export/json_text.h"
#include "coordinator/export/kind.h"
#include "coordinator/export/outfile.h"
#include "coordinator/export/row_json.h"

#include "common/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char header[] = "uri,name,truth,label,index,probability,match,error,detail\n";

struct csv {
    struct outfile *file;
    const struct labels *labels;
};

static bool wanted(const struct export_options *options)
{
    return options->formats & EXPORT_CSV;
}

static void close_csv(void *state)
{
    struct csv *csv = state;
    outfile_close(csv->file);
    free(csv);
}

DEFINE_FREEP(close_csv, struct csv)

static int open_csv(const struct export_options *options, void **ret, struct why *why)
{
    CLEANUP(close_csvp) struct csv *csv = calloc(1, sizeof(*csv));
    if (!csv)
        return -ENOMEM;
    csv->labels = options->labels;
    int r = outfile_open(options->s3, options->directory, "predictions.csv", &csv->file, why);
    if (r == 0)
        r = outfile_write(csv->file, header, sizeof(header) - 1, why);
    if (r < 0)
        return r;
    *ret = take(csv);
    return 0;
}

static void put_field(struct bytes *out, const char *data, size_t size)
{
    csv_field(out, data, size);
    bytes_append_char(out, ',');
}

/* label,index,probability, */
static void put_answer(const struct csv *csv, const struct rec_row *row, struct bytes *out)
{
    if (row->error || !row->predictions_count) {
        bytes_append_text(out, ",,,");
        return;
    }
    const struct rec_prediction *top = &row->predictions[0];
    const char *label = labels_name(csv->labels, top->index);
    put_field(out, label ? label : "", label ? strlen(label) : 0);
    json_text_unsigned(out, top->index);
    bytes_append_char(out, ',');
    json_text_number(out, top->probability);
    bytes_append_char(out, ',');
}

static int put_row(void *state, const struct export_row *row, struct why *why)
{
    struct csv *csv = state;
    struct bytes *out = outfile_buffer(csv->file);
    struct span uri = row->item->uri, name = row_name(uri);
    put_field(out, uri.data, uri.size);
    put_field(out, name.data, name.size);
    put_field(out, row->truth.data ? row->truth.data : "", row->truth.data ? row->truth.size : 0);
    put_answer(csv, row->row, out);
    bytes_append_text(out, row->match == MATCH_NONE ? "," : row->match == MATCH_TRUE ? "true," : "false,");
    const char *kind = row_error_name(row->row->error), *detail = row->row->error && row->row->detail ? row->row->detail : "";
    put_field(out, kind, strlen(kind));
    csv_field(out, detail, strlen(detail));
    bytes_append_char(out, '\n');
    return outfile_flow(csv->file, why);
}

static int finish(void *state, struct why *why)
{
    return outfile_finish(((struct csv *)state)->file, why);
}

static int commit(void *state, struct why *why)
{
    return outfile_commit(((struct csv *)state)->file, why);
}

static const char *path(const void *state)
{
    return outfile_path(((const struct csv *)state)->file);
}

const struct export_kind export_csv = { wanted, open_csv, put_row, finish, commit, path, close_csv };
