/* pickle.h: reads the pickles inside PyTorch's files. It executes nothing: no name is ever looked up, imported or called.
 *
 * A pickle is a program for a stack machine. This machine knows the instructions that a state_dict needs, and ten names
 * (pickle_torch.c) that stand for plain data here: an OrderedDict is a dictionary, torch._utils._rebuild_tensor_v2 with its
 * arguments is a tensor. Any other instruction or name ends the reading.
 *
 * Threads:   a struct pickle belongs to one thread.
 * Ownership: pickle_init() and pickle_done() bracket its life; all values live in its arena, so in cyclic or shared form too.
 *            The bytes read are not referred to afterwards.
 * Errors:    -EINVAL with the file's name and the byte, -ENOMEM above the arena's cap.
 * Source:    CPython's Lib/pickletools.py (instructions), torch/serialization.py and torch/_utils.py (what they stand for). */
#pragma once

#include "common/arena.h"
#include "worker/weights/weights.h"

#define PICKLE_MEMORY (64u << 20) /* bytes that all values of a file may take; those of a ResNet-152 take 2 MB */

/* What mends nearly every file that is refused. */
#define RESAVE "re-save the weights with torch.save(model.state_dict(), ...)"

enum pickle_kind {
    PICKLE_NONE,
    PICKLE_BOOL,
    PICKLE_INT,
    PICKLE_FLOAT,
    PICKLE_TEXT,
    PICKLE_TUPLE,
    PICKLE_LIST,
    PICKLE_DICT,
    PICKLE_GLOBAL, /* a name of the allow-list, not yet applied to arguments */
    PICKLE_STORAGE,
    PICKLE_TENSOR,
};

/* Numbers that lie elsewhere in the file; who reads the file fills in `data`. */
struct pickle_storage {
    const char *key;
    enum dtype dtype;
    uint64_t count;      /* numbers */
    const uint8_t *data; /* NULL: not found yet */
    struct pickle_storage *next;
};

/* A view of a storage, in numbers. */
struct pickle_tensor {
    struct pickle_storage *storage;
    uint64_t offset;
    int dims;
    size_t shape[TENSOR_DIMS_MAX], stride[TENSOR_DIMS_MAX];
};

/* An entry of a tuple, a list (key NULL) or a dictionary, in the order of the file. */
struct pickle_entry {
    const struct pickle_value *key;
    struct pickle_value *value;
    struct pickle_entry *next;
};

struct pickle_value {
    enum pickle_kind kind;
    int64_t number;                     /* BOOL, INT; GLOBAL: which */
    const char *text;                   /* TEXT: UTF-8 without NUL */
    size_t count;                       /* TUPLE, LIST, DICT */
    struct pickle_entry *first, **last;
    struct pickle_storage *storage;     /* STORAGE */
    struct pickle_tensor *tensor;       /* TENSOR */
};

/* What the pickles of one file share. */
struct pickle {
    const char *path;
    struct arena arena;
    struct pickle_storage *storages; /* every mention; several may have one key */
    size_t storage_count;
};

void pickle_init(struct pickle *pickle, const char *path);
void pickle_done(struct pickle *pickle);

/* Reads the pickle that begins at `bytes`; `ret_used` is where it ended. */
int pickle_load(struct pickle *pickle, const uint8_t *bytes, size_t size, size_t *ret_used, struct pickle_value **ret,
                struct why *why);

/* The value of a text key, NULL when the dictionary has none. */
struct pickle_value *pickle_find(const struct pickle_value *dict, const char *key);

/* "a list", for sentences. */
const char *pickle_kind_name(enum pickle_kind kind);
