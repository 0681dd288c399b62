/* npy.c: features.npy or logits.npy, NumPy's format 1.0 (numpy.lib.format): magic, version, the length of a Python dict that is
 * padded with spaces so that the data begins at a multiple of 64, then the floats, little-endian, row by row. */
#include "coordinator/export/kind.h"
#include "coordinator/export/outfile.h"

#include "common/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_SIZE 128 /* bytes before the data; the longest dict here takes 80 of them */

struct npy {
    struct outfile *file;
    size_t row_size; /* bytes */
    char *missing;   /* a row of NaN */
};

static bool wanted(const struct export_options *options)
{
    return options->emit != ROW_TOPK;
}

static void close_npy(void *state)
{
    struct npy *npy = state;
    outfile_close(npy->file);
    free(npy->missing);
    free(npy);
}

DEFINE_FREEP(close_npy, struct npy)

static int put_header(struct npy *npy, const struct export_options *options, struct why *why)
{
    char header[HEADER_SIZE + 1];
    memcpy(header, "\x93NUMPY\x01\x00\x00\x00", 10);
    header[8] = HEADER_SIZE - 10;
    snprintf(header + 10, HEADER_SIZE - 9, "%-*s\n", HEADER_SIZE - 11, "");
    char dict[HEADER_SIZE];
    int size = snprintf(dict, sizeof(dict), "{'descr': '<f4', 'fortran_order': False, 'shape': (%llu, %u), }",
                        (unsigned long long)options->rows, options->values);
    memcpy(header + 10, dict, (size_t)size);
    return outfile_write(npy->file, header, HEADER_SIZE, why);
}

static int fill_missing(struct npy *npy)
{
    npy->missing = malloc(npy->row_size + 1);
    if (!npy->missing)
        return -ENOMEM;
    for (size_t i = 0; i < npy->row_size; i += 4)
        memcpy(npy->missing + i, "\x00\x00\xc0\x7f", 4); /* a quiet NaN */
    return 0;
}

static int open_npy(const struct export_options *options, void **ret, struct why *why)
{
    CLEANUP(close_npyp) struct npy *npy = calloc(1, sizeof(*npy));
    if (!npy)
        return -ENOMEM;
    npy->row_size = 4 * (size_t)options->values;
    int r = fill_missing(npy);
    if (r == 0)
        r = outfile_open(options->s3, options->directory, options->emit == ROW_FEATURES ? "features.npy" : "logits.npy", &npy->file, why);
    if (r == 0)
        r = put_header(npy, options, why);
    if (r < 0)
        return r;
    *ret = take(npy);
    return 0;
}

static int put_row(void *state, const struct export_row *row, struct why *why)
{
    struct npy *npy = state;
    if (row->row->error)
        return outfile_write(npy->file, npy->missing, npy->row_size, why);
    struct span values = row->row->values;
    if (values.size != npy->row_size)
        return because(why, -EBADMSG, "%.200s: the answer for %.400s has %u bytes of numbers and not %zu; the workers disagree "
                       "about the model", outfile_path(npy->file), row->item->uri.data, values.size, npy->row_size);
    return outfile_write(npy->file, values.data, values.size, why);
}

static int finish(void *state, struct why *why)
{
    return outfile_finish(((struct npy *)state)->file, why);
}

static int commit(void *state, struct why *why)
{
    return outfile_commit(((struct npy *)state)->file, why);
}

static const char *path(const void *state)
{
    return outfile_path(((const struct npy *)state)->file);
}

const struct export_kind export_npy = { wanted, open_npy, put_row, finish, commit, path, close_npy };
