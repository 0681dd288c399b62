/* pth_legacy.c: PyTorch's files before 1.6: pickles one after another, then raw numbers.
 *
 *     a magic number | 1001 | {"little_endian": True, ...} | the state_dict | [key, ...]      five pickles
 *     for each key, in the order of the list: i64 count, count numbers                         little-endian
 *
 * Still older ones are tar archives; they are told apart and refused.
 * Source: torch/serialization.py, _legacy_save() and _legacy_load(). */
#include "worker/weights/pth.h"

#include <errno.h>
#include <string.h>

#define PROTOCOL 1001

/* PROTO 2, LONG1 of ten bytes: 0x1950a86a20f9469cfc6c, STOP */
static const uint8_t magic[] = { 0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.' };

/* What is left of the file. */
struct rest {
    struct weights *weights;
    struct pickle pickle;
    const uint8_t *at, *end;
    struct why *why;
};

static int next_pickle(struct rest *rest, struct pickle_value **ret)
{
    size_t used;
    int r = pickle_load(&rest->pickle, rest->at, (size_t)(rest->end - rest->at), &used, ret, rest->why);
    if (r == 0)
        rest->at += used;
    return r;
}

static int read_preamble(struct rest *rest)
{
    struct pickle_value *protocol = NULL, *system = NULL;
    int r = next_pickle(rest, &protocol);
    if (r == 0)
        r = next_pickle(rest, &system);
    if (r < 0)
        return r;
    const struct pickle_value *little = pickle_find(system, "little_endian");
    if (protocol->kind != PICKLE_INT || protocol->number != PROTOCOL)
        return because(rest->why, -EINVAL, "%s: an unknown form of PyTorch's files; re-save the weights with a newer PyTorch",
                       rest->weights->path);
    if (!little || little->kind != PICKLE_BOOL || !little->number)
        return because(rest->why, -EINVAL, "%s: its numbers are not little-endian; re-save the weights on such a machine",
                       rest->weights->path);
    return 0;
}

/* ---- storages --------------------------------------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
    return strcmp((*(struct pickle_storage *const *)a)->key, (*(struct pickle_storage *const *)b)->key);
}

/* All mentions of storages, by key. */
static struct pickle_storage **sort_storages(const struct pickle *pickle)
{
    struct pickle_storage **sorted = calloc(pickle->storage_count + 1, sizeof(struct pickle_storage *));
    size_t i = 0;
    for (struct pickle_storage *storage = pickle->storages; sorted && storage; storage = storage->next)
        sorted[i++] = storage;
    if (sorted)
        qsort(sorted, i, sizeof(*sorted), by_key);
    return sorted;
}

static size_t find_first(struct pickle_storage *const *sorted, size_t count, const char *key)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(sorted[middle]->key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int truncated(const struct rest *rest, const char *key)
{
    return because(rest->why, -EINVAL, "%s: ends in the numbers of storage %.64s; download the file again", rest->weights->path, key);
}

/* The numbers of storage `key` come next. */
static int place_storage(struct rest *rest, struct pickle_storage **sorted, const char *key)
{
    size_t total = rest->pickle.storage_count, first = find_first(sorted, total, key);
    if (first == total || strcmp(sorted[first]->key, key))
        return because(rest->why, -EINVAL, "%s: storage %.64s belongs to no tensor; the file is damaged", rest->weights->path, key);
    if (rest->end - rest->at < 8)
        return truncated(rest, key);
    uint64_t count = 0, bytes;
    for (int i = 7; i >= 0; i--)
        count = count << 8 | rest->at[i];
    rest->at += 8;
    const uint8_t *data = rest->at;
    if (__builtin_mul_overflow(count, dtype_size(sorted[first]->dtype), &bytes) || bytes > (uint64_t)(rest->end - rest->at))
        return truncated(rest, key);
    rest->at += bytes;
    for (size_t i = first; i < total && !strcmp(sorted[i]->key, key); i++) {
        if (sorted[i]->data)
            return because(rest->why, -EINVAL, "%s: storage %.64s is there twice; the file is damaged", rest->weights->path, key);
        if (sorted[i]->count != count || sorted[i]->dtype != sorted[first]->dtype)
            return because(rest->why, -EINVAL, "%s: storage %.64s is described in two ways; the file is damaged", rest->weights->path,
                           key);
        sorted[i]->data = data;
    }
    return 0;
}

static int place_storages(struct rest *rest)
{
    struct pickle_value *keys = NULL;
    int r = next_pickle(rest, &keys);
    if (r < 0)
        return r;
    if (keys->kind != PICKLE_LIST)
        return because(rest->why, -EINVAL, "%s: has no list of storages; the file is damaged", rest->weights->path);
    CLEANUP(freep) struct pickle_storage **sorted = sort_storages(&rest->pickle);
    if (!sorted)
        return because(rest->why, -ENOMEM, "%s: no memory", rest->weights->path);
    for (const struct pickle_entry *entry = keys->first; entry && r == 0; entry = entry->next)
        r = entry->value->kind == PICKLE_TEXT ? place_storage(rest, sorted, entry->value->text)
                                              : because(rest->why, -EINVAL, "%s: its list of storages is damaged", rest->weights->path);
    return r;
}

static int read_rest(struct rest *rest)
{
    struct pickle_value *root = NULL;
    const struct pickle_value *dict = NULL;
    int r = read_preamble(rest);
    if (r == 0)
        r = next_pickle(rest, &root);
    if (r == 0)
        r = place_storages(rest);
    if (r == 0)
        r = pth_state_dict(rest->weights->path, root, &dict, rest->why);
    return r < 0 ? r : pth_tensors(rest->weights, dict, rest->why);
}

static bool recognise(const uint8_t *bytes, size_t size)
{
    return size > sizeof(magic) && !memcmp(bytes, magic, sizeof(magic));
}

static int pth_legacy_read(struct weights *weights, struct why *why)
{
    struct rest rest = { .weights = weights, .at = weights->bytes + sizeof(magic), .end = weights->bytes + weights->size, .why = why };
    pickle_init(&rest.pickle, weights->path);
    int r = read_rest(&rest);
    pickle_done(&rest.pickle);
    return r;
}

const struct weights_reader pth_legacy_reader = { "pth (legacy)", recognise, pth_legacy_read };

/* ---- older still ------------------------------------------------------------------------------------------------------ */

static bool recognise_tar(const uint8_t *bytes, size_t size)
{
    return size > 512 && !memcmp(bytes + 257, "ustar", 5);
}

static int refuse_tar(struct weights *weights, struct why *why)
{
    return because(why, -EINVAL, "%s: a tar archive, the form of PyTorch's files before 2017; load it with PyTorch and re-save it with "
                   "torch.save(model.state_dict(), ...)", weights->path);
}

const struct weights_reader pth_tar_reader = { "pth (tar)", recognise_tar, refuse_tar };
