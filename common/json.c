#include "common/json.h"

#include <jansson.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* In front of every block of jansson's. */
struct block {
    struct block *next, **link; /* in its reading; NULL: that is over */
};

#define HEADER ((sizeof(struct block) + _Alignof(max_align_t) - 1) / _Alignof(max_align_t) * _Alignof(max_align_t))

/* What a reading has taken so far, and where it is left when it gets no more. */
struct reading {
    struct block *taken;
    jmp_buf out;
};

static _Thread_local bool refused;
static _Thread_local struct reading *reading;

static void *watched_malloc(size_t size)
{
    struct block *block = size < SIZE_MAX - HEADER ? malloc(HEADER + size) : NULL;
    if (!block) {
        refused = true;
        if (reading)
            longjmp(reading->out, 1);
        return NULL;
    }
    *block = (struct block){ NULL, NULL };
    if (reading) {
        *block = (struct block){ reading->taken, &reading->taken };
        if (block->next)
            block->next->link = &block->next;
        reading->taken = block;
    }
    return (char *)block + HEADER;
}

static void watched_free(void *memory)
{
    struct block *block = memory ? (struct block *)((char *)memory - HEADER) : NULL;
    if (block && block->link) {
        *block->link = block->next;
        if (block->next)
            block->next->link = block->link;
    }
    free(block);
}

/* Before there is anything of jansson's. */
__attribute__((constructor)) static void install(void)
{
    json_set_alloc_funcs(watched_malloc, watched_free);
}

void json_watch(void)
{
    refused = false;
}

void json_refuse(void)
{
    refused = true;
}

bool json_refused(void)
{
    return refused;
}

/* ---- reading ---- */

/* What was taken is its caller's from now on, or nobody's. */
static void end_reading(struct reading *ended, bool drop)
{
    reading = NULL;
    for (struct block *block = ended->taken, *next; block; block = next) {
        next = block->next;
        *block = (struct block){ NULL, NULL };
        if (drop)
            free(block);
    }
}

static struct json_t *read_from(const char *text, size_t size, FILE *file, size_t flags, struct json_error_t *error)
{
    struct reading this = { .taken = NULL };
    json_watch();
    if (error)
        *error = (json_error_t){ .text = "out of memory" };
    if (setjmp(this.out)) {
        end_reading(&this, true);
        return NULL;
    }
    reading = &this;
    json_t *json = file ? json_loadf(file, flags, error) : json_loadb(text, size, flags, error);
    end_reading(&this, false);
    return json;
}

struct json_t *json_read(const char *text, size_t size, size_t flags, struct json_error_t *error)
{
    return read_from(text, size, NULL, flags, error);
}

struct json_t *json_read_file(FILE *file, size_t flags, struct json_error_t *error)
{
    return read_from(NULL, 0, file, flags, error);
}

char *json_write(const struct json_t *json, size_t flags)
{
    char *text = json_dumps(json, flags);
    return text ? memmove(text - HEADER, text, strlen(text) + 1) : NULL;
}
