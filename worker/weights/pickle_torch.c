/* pickle_torch.c: the allow-list, and what each name on it stands for. */
#include "worker/weights/pickle_torch.h"

#include <errno.h>
#include <string.h>

enum global {
    GLOBAL_DICT,
    GLOBAL_STORAGE,
    GLOBAL_TENSOR,    /* (storage, offset, shape, stride, ...) */
    GLOBAL_PARAMETER, /* (tensor, ...) */
};

/* Everything that a file may name. */
static const struct {
    const char *module, *name;
    enum global global;
    enum dtype dtype; /* of a storage */
} globals[] = {
    { "collections", "OrderedDict", GLOBAL_DICT, 0 },
    { "torch", "FloatStorage", GLOBAL_STORAGE, DTYPE_F32 },
    { "torch", "HalfStorage", GLOBAL_STORAGE, DTYPE_F16 },
    { "torch", "BFloat16Storage", GLOBAL_STORAGE, DTYPE_BF16 },
    { "torch", "DoubleStorage", GLOBAL_STORAGE, DTYPE_F64 },
    { "torch", "LongStorage", GLOBAL_STORAGE, DTYPE_I64 },
    { "torch._utils", "_rebuild_tensor", GLOBAL_TENSOR, 0 },
    { "torch._utils", "_rebuild_tensor_v2", GLOBAL_TENSOR, 0 },
    { "torch._utils", "_rebuild_parameter", GLOBAL_PARAMETER, 0 },
    { "torch.nn.parameter", "Parameter", GLOBAL_PARAMETER, 0 },
};

static bool begins(const char *text, const char *start)
{
    return !strncmp(text, start, strlen(start));
}

static int refuse_global(const struct pickle *pickle, const char *module, const char *name, struct why *why)
{
    bool is_model = begins(module, "torchvision.") || begins(module, "torch.nn.") || begins(module, "timm.") ||
                    begins(module, "__torch__") || begins(module, "torch.jit");
    return because(why, -EINVAL, "%s: %s %.200s.%.200s; refused, nothing was run; " RESAVE, pickle->path,
                   is_model ? "holds a whole model, not only its weights: it wants to import" : "wants to import", module, name);
}

int torch_global(struct pickle *pickle, const char *module, const char *name, struct pickle_value **ret, struct why *why)
{
    for (size_t i = 0; i < ARRAY_SIZE(globals); i++) {
        if (strcmp(globals[i].module, module) || strcmp(globals[i].name, name))
            continue;
        *ret = pickle_new(pickle, PICKLE_GLOBAL);
        if (!*ret)
            return -ENOMEM;
        (*ret)->number = (int64_t)i;
        return 0;
    }
    return refuse_global(pickle, module, name, why);
}

static bool is(const struct pickle_value *value, enum pickle_kind kind)
{
    return value && value->kind == kind;
}

static bool is_natural(const struct pickle_value *value)
{
    return is(value, PICKLE_INT) && value->number >= 0;
}

static bool is_global(const struct pickle_value *value, enum global global)
{
    return is(value, PICKLE_GLOBAL) && globals[value->number].global == global;
}

static int odd(const struct pickle *pickle, const char *what, struct why *why)
{
    return because(why, -EINVAL, "%s: its pickle describes %s in a form that is not PyTorch's; is the file damaged?", pickle->path,
                   what);
}

/* ---- storages --------------------------------------------------------------------------------------------------------- */

int torch_storage(struct pickle *pickle, const struct pickle_value *id, struct pickle_value **ret, struct why *why)
{
    if (!is(id, PICKLE_TUPLE) || id->count < 5 || id->count > 6)
        return odd(pickle, "a storage", why);
    const struct pickle_value *tag = pickle_at(id, 0), *type = pickle_at(id, 1), *key = pickle_at(id, 2),
                              *count = pickle_at(id, 4), *view = pickle_at(id, 5);
    if (!is(tag, PICKLE_TEXT) || strcmp(tag->text, "storage") || !is_global(type, GLOBAL_STORAGE) || !is(key, PICKLE_TEXT) ||
        !is_natural(count))
        return odd(pickle, "a storage", why);
    if (view && view->kind != PICKLE_NONE)
        return because(why, -EINVAL, "%s: storage %.64s is a view of another, as only very old files have them; load it with PyTorch and "
                       RESAVE, pickle->path, key->text);
    struct pickle_storage *storage = arena_take(&pickle->arena, sizeof(*storage));
    *ret = pickle_new(pickle, PICKLE_STORAGE);
    if (!storage || !*ret)
        return -ENOMEM;
    *storage = (struct pickle_storage){ .key = key->text, .dtype = globals[type->number].dtype, .count = (uint64_t)count->number,
                                        .next = pickle->storages };
    pickle->storages = storage;
    pickle->storage_count++;
    (*ret)->storage = storage;
    return 0;
}

/* ---- tensors ---------------------------------------------------------------------------------------------------------- */

static int read_sizes(const struct pickle_value *tuple, size_t *sizes)
{
    size_t i = 0;
    for (const struct pickle_entry *entry = tuple->first; entry; entry = entry->next) {
        if (!is_natural(entry->value))
            return -EINVAL;
        sizes[i++] = (size_t)entry->value->number;
    }
    return 0;
}

static int rebuild_tensor(struct pickle *pickle, const struct pickle_value *arguments, struct pickle_value **ret, struct why *why)
{
    const struct pickle_value *storage = pickle_at(arguments, 0), *offset = pickle_at(arguments, 1),
                              *shape = pickle_at(arguments, 2), *stride = pickle_at(arguments, 3);
    if (!is(storage, PICKLE_STORAGE) || !is_natural(offset) || !is(shape, PICKLE_TUPLE) || !is(stride, PICKLE_TUPLE) ||
        shape->count > TENSOR_DIMS_MAX || shape->count != stride->count)
        return odd(pickle, "a tensor", why);
    struct pickle_tensor *tensor = arena_take(&pickle->arena, sizeof(*tensor));
    *ret = pickle_new(pickle, PICKLE_TENSOR);
    if (!tensor || !*ret)
        return -ENOMEM;
    *tensor = (struct pickle_tensor){ .storage = storage->storage, .offset = (uint64_t)offset->number, .dims = (int)shape->count };
    if (read_sizes(shape, tensor->shape) < 0 || read_sizes(stride, tensor->stride) < 0)
        return odd(pickle, "the shape of a tensor", why);
    (*ret)->tensor = tensor;
    return 0;
}

/* An empty OrderedDict, or, from Python 2, one of a list of pairs. */
static int make_dict(struct pickle *pickle, const struct pickle_value *arguments, struct pickle_value **ret, struct why *why)
{
    const struct pickle_value *pairs = pickle_at(arguments, 0);
    if (arguments->count > 1 || (pairs && pairs->kind != PICKLE_LIST))
        return odd(pickle, "a dictionary", why);
    struct pickle_value *dict = *ret = pickle_new(pickle, PICKLE_DICT);
    if (!dict)
        return -ENOMEM;
    for (const struct pickle_entry *pair = pairs ? pairs->first : NULL; pair; pair = pair->next) {
        const struct pickle_value *value = pair->value;
        if ((value->kind != PICKLE_TUPLE && value->kind != PICKLE_LIST) || value->count != 2)
            return odd(pickle, "a dictionary", why);
        if (pickle_add(pickle, dict, pickle_at(value, 0), pickle_at(value, 1)) < 0)
            return -ENOMEM;
    }
    return 0;
}

int torch_reduce(struct pickle *pickle, const struct pickle_value *callable, const struct pickle_value *arguments,
                 struct pickle_value **ret, struct why *why)
{
    if (!is(callable, PICKLE_GLOBAL) || !is(arguments, PICKLE_TUPLE))
        return odd(pickle, "an object", why);
    switch (globals[callable->number].global) {
    case GLOBAL_DICT:
        return make_dict(pickle, arguments, ret, why);
    case GLOBAL_TENSOR:
        return rebuild_tensor(pickle, arguments, ret, why);
    case GLOBAL_PARAMETER:
        *ret = pickle_at(arguments, 0);
        return is(*ret, PICKLE_TENSOR) ? 0 : odd(pickle, "a parameter", why);
    case GLOBAL_STORAGE:
        break;
    }
    return odd(pickle, "a storage", why);
}
