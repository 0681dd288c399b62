#include "coordinator/export/image_path.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define COMPONENT_MAX 200
#define COMPONENT_CUT 180
#define WHOLE_MAX     3500
#define SUFFIX        ".json"

/* FNV-1a, 64 bits. */
static uint64_t hash_of(const char *data, size_t size)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)data[i]) * 0x100000001b3;
    return hash ? hash : 1;
}

/* Puts `hash` into a table that has room; false if it is there already. */
static bool put(uint64_t *table, size_t room, uint64_t hash)
{
    size_t at = hash * 0x9e3779b97f4a7c15 & (room - 1);
    for (; table[at]; at = (at + 1) & (room - 1))
        if (table[at] == hash)
            return false;
    table[at] = hash;
    return true;
}

static int grow(struct image_paths *paths)
{
    size_t room = paths->room ? paths->room * 2 : 1024;
    uint64_t *taken = calloc(room, sizeof(*taken));
    if (!taken)
        return -ENOMEM;
    for (size_t i = 0; i < paths->room; i++)
        if (paths->taken[i])
            put(taken, room, paths->taken[i]);
    free(paths->taken);
    paths->taken = taken;
    paths->room = room;
    return 0;
}

/* 1: it was free and is taken now; 0: it was taken. */
static int reserve(struct image_paths *paths, const char *path, size_t size)
{
    if (paths->count * 4 >= paths->room * 3) {
        int r = grow(paths);
        if (r < 0)
            return r;
    }
    bool fresh = put(paths->taken, paths->room, hash_of(path, size));
    paths->count += fresh;
    return fresh;
}

int image_paths_init(struct image_paths *paths)
{
    *paths = (struct image_paths){ 0 };
    int r = reserve(paths, "summary.json", strlen("summary.json"));
    return r < 0 ? r : 0;
}

void image_paths_done(struct image_paths *paths)
{
    free(paths->taken);
    *paths = (struct image_paths){ 0 };
}

static bool ends_in_json(const char *part, size_t size)
{
    size_t suffix = strlen(SUFFIX);
    return size >= suffix && !memcmp(part + size - suffix, SUFFIX, suffix);
}

static bool is_dots(const char *part, size_t size)
{
    return (size == 1 && part[0] == '.') || (size == 2 && part[0] == '.' && part[1] == '.');
}

static void put_component(struct bytes *out, const char *part, size_t size, bool folder)
{
    if (!size || is_dots(part, size))
        bytes_append_char(out, '_');
    if (size <= COMPONENT_MAX)
        bytes_append(out, part, size);
    else {
        size_t cut = COMPONENT_CUT;
        while (cut > COMPONENT_CUT - 3 && (part[cut] & 0xc0) == 0x80)
            cut--;
        bytes_append(out, part, cut);
        bytes_printf(out, "~%016llx", (unsigned long long)hash_of(part, size));
    }
    if (folder && ends_in_json(part, size))
        bytes_append_char(out, '_');
}

static void put_key(struct bytes *out, struct span key)
{
    const char *part = key.data, *end = key.data + key.size;
    for (;;) {
        const char *slash = memchr(part, '/', (size_t)(end - part));
        put_component(out, part, (size_t)((slash ? slash : end) - part), slash != NULL);
        if (!slash)
            break;
        bytes_append_char(out, '/');
        part = slash + 1;
    }
    if (out->size > WHOLE_MAX) {
        bytes_clear(out);
        bytes_printf(out, "_long/%016llx", (unsigned long long)hash_of(key.data, key.size));
    }
}

int image_path(struct image_paths *paths, struct span key, uint64_t row, struct bytes *out)
{
    bytes_clear(out);
    put_key(out, key);
    for (;;) {
        bytes_append_text(out, SUFFIX);
        if (bytes_error(out))
            return bytes_error(out);
        int r = reserve(paths, out->data, out->size);
        if (r)
            return r < 0 ? r : 0;
        out->size -= strlen(SUFFIX);
        bytes_printf(out, "~%llu", (unsigned long long)row);
    }
}
