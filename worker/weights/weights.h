/* weights.h: the named tensors of a weights file, whatever its format.
 *
 * A file is recognised by its first bytes; one reader a format fills in the tensors (safetensors.c, pth_zip.c, pth_legacy.c). The data stay
 * where they are: in the mapped file, which nobody may change in the meantime.
 *
 * Threads:   constant once open; any thread may read.
 * Ownership: weights_open() makes it, weights_close() frees it with all tensors. Memory given to weights_from_memory()
 *            stays the caller's and must live as long.
 * Errors:    negative errno; -EINVAL for a file that is not what it should be, with its name in the sentence. */
#pragma once

#include "common/cleanup.h"
#include "common/sha256.h"
#include "common/why.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TENSOR_DIMS_MAX 8
#define TENSOR_NAME_MAX 1024          /* bytes with the NUL */
#define WEIGHTS_FILE_MAX (1ull << 30) /* bytes */
#define WEIGHTS_TENSORS_MAX 65536

enum dtype {
    DTYPE_F32,
    DTYPE_F16,
    DTYPE_BF16,
    DTYPE_F64,
    DTYPE_I64,
};

struct tensor {
    const char *name;
    enum dtype dtype;
    int dims;
    size_t shape[TENSOR_DIMS_MAX];
    size_t count;     /* numbers: the product of the shape */
    const void *data; /* little-endian, C order, packed, aligned to nothing */
};

struct weights {
    char *path;              /* as given */
    const char *format;      /* "safetensors", "pth (zip)", "pth (legacy)" */
    char sha256[SHA256_HEX]; /* of the whole file */
    struct tensor *tensors;  /* by name, in strcmp() order */
    size_t count;
    const uint8_t *bytes;    /* the file */
    size_t size;
    bool mapped;
};

int weights_open(const char *path, struct weights **ret, struct why *why);

/* Whether that would find a file: nothing of it is read. */
int weights_look(const char *path, struct why *why);

/* The same for a file that is in memory already; `name` stands for it in messages. */
int weights_from_memory(const char *name, const void *data, size_t size, struct weights **ret, struct why *why);

/* Accepts NULL. */
void weights_close(struct weights *weights);
DEFINE_FREEP(weights_close, struct weights)

/* NULL when there is none of this name. */
const struct tensor *weights_find(const struct weights *weights, const char *name);

/* The order of struct tensor in struct weights, for qsort() and bsearch(). */
int tensor_by_name(const void *a, const void *b);

const char *dtype_name(enum dtype dtype);
size_t dtype_size(enum dtype dtype); /* bytes */

/* All `count` numbers as f32; only for the float types. F64 is rounded, the others are exact. */
void tensor_to_f32(const struct tensor *tensor, float *out);
