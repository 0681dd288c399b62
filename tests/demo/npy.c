#include "tests/demo/npy.h"

#include "common/cleanup.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define HEADER_MAX 4096 /* bytes of the dictionary; NumPy writes 118 */

/* Reads the dictionary's text; -EINVAL when this is no NumPy file of a version we know. */
static int read_header(FILE *file, char text[HEADER_MAX + 1])
{
    unsigned char start[12];
    if (fread(start, 10, 1, file) != 1 || memcmp(start, "\x93NUMPY", 6) || start[6] < 1 || start[6] > 2)
        return -EINVAL;
    size_t length = start[8] | (size_t)start[9] << 8;
    if (start[6] == 2) {
        if (fread(start + 10, 2, 1, file) != 1)
            return -EINVAL;
        length |= (size_t)start[10] << 16 | (size_t)start[11] << 24;
    }
    if (length > HEADER_MAX || fread(text, 1, length, file) != length)
        return -EINVAL;
    text[length] = '\0';
    return 0;
}

/* What stands after 'KEY': in the dictionary, or "". */
static const char *header_value(const char *text, const char *key)
{
    char quoted[32];
    snprintf(quoted, sizeof(quoted), "'%s':", key);
    const char *at = strstr(text, quoted);
    if (!at)
        return "";
    at += strlen(quoted);
    return at + strspn(at, " ");
}

static bool starts(const char *text, const char *with)
{
    return !strncmp(text, with, strlen(with));
}

/* The shape of a two-dimensional array of f32 in C order that fills exactly `bytes`. */
static int parse_header(const char *text, uint64_t bytes, struct npy *npy)
{
    unsigned long rows, columns;
    int end = 0;
    if (!starts(header_value(text, "descr"), "'<f4'") || !starts(header_value(text, "fortran_order"), "False"))
        return -EINVAL;
    if (sscanf(header_value(text, "shape"), "(%9lu, %9lu)%n", &rows, &columns, &end) != 2 || !end)
        return -EINVAL;
    if (bytes > NPY_FILE_MAX || !rows || !columns || rows > bytes || columns > bytes) /* %lu takes a minus, too */
        return -EINVAL;
    if ((uint64_t)rows * columns * sizeof(float) != bytes)
        return -EINVAL;
    npy->rows = rows;
    npy->columns = columns;
    return 0;
}

/* Bytes from here to the end of the file. */
static int64_t rest(FILE *file)
{
    off_t here = ftello(file);
    if (here < 0 || fseeko(file, 0, SEEK_END) < 0)
        return -1;
    off_t end = ftello(file);
    return fseeko(file, here, SEEK_SET) < 0 ? -1 : end - here;
}

int npy_read(const char *path, struct npy *ret, struct why *why)
{
    char text[HEADER_MAX + 1];
    struct npy npy = { 0 };
    CLEANUP(fclosep) FILE *file = fopen(path, "rb");
    if (!file)
        return because(why, -errno, "%s: cannot read it: %s", path, strerror(errno));
    int r = read_header(file, text);
    int64_t bytes = r < 0 ? -1 : rest(file);
    if (bytes < 0 || parse_header(text, (uint64_t)bytes, &npy) < 0)
        return because(why, -EINVAL, "%s: not a whole NumPy array of f32 in rows and columns; make it with --emit features",
                       path);
    npy.values = malloc((size_t)bytes);
    if (!npy.values)
        return because(why, -ENOMEM, "%s: not enough memory for %lld bytes", path, (long long)bytes);
    if (fread(npy.values, (size_t)bytes, 1, file) != 1) {
        npy_done(&npy);
        return because(why, -EIO, "%s: cannot read all of it", path);
    }
    *ret = npy;
    return 0;
}

void npy_done(struct npy *npy)
{
    free(npy->values);
    *npy = (struct npy){ 0 };
}
