#include "coordinator/names.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 64

void names_init(struct names *names, uint32_t cap, size_t cap_bytes)
{
    *names = (struct names){ .cap = cap };
    arena_init(&names->arena, cap_bytes);
}

void names_done(struct names *names)
{
    free(names->text);
    free(names->slot);
    arena_done(&names->arena);
    names->text = NULL;
    names->slot = NULL;
}

/* FNV-1a, 32 bit (RFC 9923). */
static uint32_t hash(struct span text)
{
    uint32_t h = 2166136261u;
    for (uint32_t i = 0; i < text.size; i++)
        h = (h ^ (unsigned char)text.data[i]) * 16777619u;
    return h;
}

/* Where this text is, or would go. */
static uint32_t *find(const struct names *names, struct span text)
{
    for (uint32_t i = hash(text);; i++) {
        uint32_t *slot = &names->slot[i & (names->slots - 1)];
        if (!*slot)
            return slot;
        struct span other = names->text[*slot - 1];
        if (other.size == text.size && !memcmp(other.data, text.data, text.size))
            return slot;
    }
}

static int grow(struct names *names)
{
    uint32_t capacity = names->capacity ? 2 * names->capacity : FIRST_CAPACITY;
    struct span *text = realloc(names->text, capacity * sizeof(*text));
    if (!text)
        return -1;
    names->text = text;
    uint32_t *slot = calloc(2 * (size_t)capacity, sizeof(*slot));
    if (!slot)
        return -1;
    free(names->slot);
    names->slot = slot;
    names->slots = 2 * capacity;
    names->capacity = capacity;
    for (uint32_t i = 0; i < names->count; i++)
        *find(names, text[i]) = i + 1;
    return 0;
}

uint32_t names_number(struct names *names, struct span text)
{
    uint32_t *slot = names->slots ? find(names, text) : NULL;
    if (slot && *slot)
        return *slot - 1;
    if (names->count == names->cap || (names->count == names->capacity && grow(names) < 0))
        return NAMES_FULL;
    char *copy = arena_take(&names->arena, text.size + 1);
    if (!copy)
        return NAMES_FULL;
    memcpy(copy, text.data, text.size);
    names->text[names->count] = (struct span){ copy, text.size };
    *find(names, text) = ++names->count;
    return names->count - 1;
}
