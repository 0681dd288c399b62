/* pickle_value.c: the values that a pickle makes. */
#include "worker/weights/pickle_torch.h"

#include <errno.h>
#include <string.h>

void pickle_init(struct pickle *pickle, const char *path)
{
    *pickle = (struct pickle){ .path = path };
    arena_init(&pickle->arena, PICKLE_MEMORY);
}

void pickle_done(struct pickle *pickle)
{
    arena_done(&pickle->arena);
}

const char *pickle_kind_name(enum pickle_kind kind)
{
    static const char *const names[] = {
        [PICKLE_NONE] = "None", [PICKLE_BOOL] = "a truth value", [PICKLE_INT] = "a number", [PICKLE_FLOAT] = "a number",
        [PICKLE_TEXT] = "a text", [PICKLE_TUPLE] = "a tuple", [PICKLE_LIST] = "a list", [PICKLE_DICT] = "a dictionary",
        [PICKLE_GLOBAL] = "a class", [PICKLE_STORAGE] = "a storage", [PICKLE_TENSOR] = "a tensor",
    };
    return names[kind];
}

struct pickle_value *pickle_new(struct pickle *pickle, enum pickle_kind kind)
{
    struct pickle_value *value = arena_take(&pickle->arena, sizeof(*value));
    if (value) {
        value->kind = kind;
        value->last = &value->first;
    }
    return value;
}

int pickle_add(struct pickle *pickle, struct pickle_value *to, const struct pickle_value *key, struct pickle_value *value)
{
    struct pickle_entry *entry = arena_take(&pickle->arena, sizeof(*entry));
    if (!entry)
        return -ENOMEM;
    *entry = (struct pickle_entry){ key, value, NULL };
    *to->last = entry;
    to->last = &entry->next;
    to->count++;
    return 0;
}

struct pickle_value *pickle_at(const struct pickle_value *tuple, size_t i)
{
    const struct pickle_entry *entry = tuple->first;
    while (entry && i--)
        entry = entry->next;
    return entry ? entry->value : NULL;
}

struct pickle_value *pickle_find(const struct pickle_value *dict, const char *key)
{
    if (dict->kind != PICKLE_DICT)
        return NULL;
    for (const struct pickle_entry *entry = dict->first; entry; entry = entry->next)
        if (entry->key->kind == PICKLE_TEXT && !strcmp(entry->key->text, key))
            return entry->value;
    return NULL;
}
