#include "common/bytes.h"

#include "common/cleanup.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bytes_init(struct bytes *b, size_t cap)
{
    *b = (struct bytes){ .cap = cap };
}

void bytes_done(struct bytes *b)
{
    free(b->data);
    *b = (struct bytes){ .cap = b->cap, .error = b->error };
}

void bytes_clear(struct bytes *b)
{
    b->size = 0;
    b->error = 0;
    if (b->data)
        b->data[0] = '\0';
}

int bytes_fail(struct bytes *b, int r)
{
    free(b->data);
    *b = (struct bytes){ .cap = b->cap, .error = r };
    return r;
}

char *bytes_room(struct bytes *b, size_t size)
{
    if (b->error)
        return NULL;
    if (size > b->cap - b->size) {
        bytes_fail(b, -EMSGSIZE);
        return NULL;
    }
    size_t need = b->size + size + 1;
    if (need > b->capacity) {
        size_t capacity = b->capacity * 2 > need ? b->capacity * 2 : need + 64;
        char *data = realloc(b->data, capacity);
        if (!data) {
            bytes_fail(b, -ENOMEM);
            return NULL;
        }
        b->data = data;
        b->capacity = capacity;
    }
    return b->data + b->size;
}

void bytes_grew(struct bytes *b, size_t size)
{
    b->size += size;
    b->data[b->size] = '\0';
}

int bytes_append(struct bytes *b, const void *data, size_t size)
{
    char *room = bytes_room(b, size);
    if (!room)
        return b->error;
    if (size)
        memcpy(room, data, size);
    bytes_grew(b, size);
    return 0;
}

int bytes_append_text(struct bytes *b, const char *text)
{
    return bytes_append(b, text, strlen(text));
}

int bytes_append_char(struct bytes *b, char c)
{
    return bytes_append(b, &c, 1);
}

int bytes_printf(struct bytes *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0)
        return bytes_fail(b, -EINVAL);
    char *room = bytes_room(b, (size_t)length);
    if (!room)
        return b->error;
    va_start(args, format);
    vsnprintf(room, (size_t)length + 1, format, args);
    va_end(args);
    bytes_grew(b, (size_t)length);
    return 0;
}

int bytes_append_file(struct bytes *b, const char *path, struct why *why)
{
    CLEANUP(fclosep) FILE *file = fopen(path, "re");
    if (!file)
        return because(why, -errno, "%s: %s", path, strerror(errno));
    char chunk[4096];
    size_t n;
    while (!bytes_error(b) && (n = fread(chunk, 1, sizeof(chunk), file)) > 0)
        bytes_append(b, chunk, n);
    if (ferror(file))
        return because(why, -EIO, "%s: cannot be read; is it a folder?", path);
    return bytes_error(b) == -ENOMEM ? because(why, -ENOMEM, "%s: out of memory", path) : bytes_error(b);
}

int bytes_error(const struct bytes *b)
{
    return b->error;
}

char *bytes_take(struct bytes *b)
{
    if (b->error || !bytes_room(b, 0))
        return NULL;
    bytes_grew(b, 0);
    char *data = b->data;
    *b = (struct bytes){ .cap = b->cap };
    return data;
}
