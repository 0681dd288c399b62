#include "worker/weights/pth.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

int pth_state_dict(const char *path, const struct pickle_value *root, const struct pickle_value **ret, struct why *why)
{
    static const char *const wrappers[] = { "state_dict", "model_state_dict", "model" };
    if (root->kind != PICKLE_DICT)
        return because(why, -EINVAL, "%s: holds %s, not a dictionary of tensors; " RESAVE, path, pickle_kind_name(root->kind));
    for (size_t i = 0; i < ARRAY_SIZE(wrappers); i++) {
        const struct pickle_value *inner = pickle_find(root, wrappers[i]);
        if (inner && inner->kind == PICKLE_DICT) {
            *ret = inner;
            return 0;
        }
    }
    *ret = root;
    return 0;
}

/* Whether every entry is a tensor with a name, and whether all names begin with "module.". */
static int check_entries(const char *path, const struct pickle_value *dict, bool *ret_parallel, struct why *why)
{
    *ret_parallel = dict->count > 0;
    if (dict->count > WEIGHTS_TENSORS_MAX)
        return because(why, -EINVAL, "%s: %zu tensors; at most %d are read", path, dict->count, WEIGHTS_TENSORS_MAX);
    for (const struct pickle_entry *entry = dict->first; entry; entry = entry->next) {
        if (entry->key->kind != PICKLE_TEXT)
            return because(why, -EINVAL, "%s: a tensor is called by %s, not by a name; " RESAVE, path,
                           pickle_kind_name(entry->key->kind));
        if (entry->value->kind != PICKLE_TENSOR)
            return because(why, -EINVAL, "%s: entry %s is %s, not a tensor; " RESAVE, path, entry->key->text,
                           pickle_kind_name(entry->value->kind));
        *ret_parallel = *ret_parallel && !strncmp(entry->key->text, "module.", 7);
    }
    return 0;
}

/* Dimensions of one element may have any stride, as in PyTorch. */
static bool is_contiguous(const struct pickle_tensor *from, size_t count)
{
    size_t expected = 1;
    for (int i = from->dims - 1; i >= 0 && count; i--) {
        if (from->shape[i] != 1 && from->stride[i] != expected)
            return false;
        expected *= from->shape[i];
    }
    return true;
}

static int place(const char *path, struct tensor *tensor, const struct pickle_tensor *from, struct why *why)
{
    const struct pickle_storage *storage = from->storage;
    tensor->dtype = storage->dtype;
    tensor->dims = from->dims;
    tensor->count = 1;
    for (int i = 0; i < from->dims; i++) {
        tensor->shape[i] = from->shape[i];
        if (__builtin_mul_overflow(tensor->count, from->shape[i], &tensor->count))
            return because(why, -EINVAL, "%s: tensor %s has an impossible shape; the file is damaged", path, tensor->name);
    }
    if (!is_contiguous(from, tensor->count))
        return because(why, -EINVAL, "%s: tensor %s is not contiguous (a transposed or channels_last view); save its .contiguous()", path,
                       tensor->name);
    if (from->offset > storage->count || tensor->count > storage->count - from->offset)
        return because(why, -EINVAL, "%s: tensor %s needs numbers %" PRIu64 " to %" PRIu64 " of storage %.64s, which has %" PRIu64
                       "; the file is damaged", path, tensor->name, from->offset, from->offset + tensor->count, storage->key,
                       storage->count);
    if (!storage->data)
        return because(why, -EINVAL, "%s: the numbers of tensor %s (storage %.64s) are missing; the file is damaged", path,
                       tensor->name, storage->key);
    tensor->data = storage->data + from->offset * dtype_size(tensor->dtype);
    return 0;
}

int pth_tensors(struct weights *weights, const struct pickle_value *dict, struct why *why)
{
    bool parallel;
    int r = check_entries(weights->path, dict, &parallel, why);
    if (r < 0)
        return r;
    weights->tensors = calloc(dict->count + 1, sizeof(weights->tensors[0]));
    if (!weights->tensors)
        return because(why, -ENOMEM, "%s: no memory for %zu tensors", weights->path, dict->count);
    for (const struct pickle_entry *entry = dict->first; entry && r == 0; entry = entry->next) {
        struct tensor *tensor = &weights->tensors[weights->count];
        tensor->name = strdup(entry->key->text + (parallel ? 7 : 0));
        if (!tensor->name)
            return because(why, -ENOMEM, "%s: no memory", weights->path);
        weights->count++;
        r = place(weights->path, tensor, entry->value->tensor, why);
    }
    return r;
}
