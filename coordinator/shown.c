#include "coordinator/shown.h"

#include "common/cleanup.h"
#include "common/redact.h"

#include <errno.h>
#include <string.h>

int shown_item(const struct rec_item *item, struct arena *arena, struct rec_item *ret)
{
    CLEANUP(bytes_done) struct bytes shown;
    bytes_init(&shown, (size_t)2 * LIMIT_URI);
    *ret = *item;
    int r = uri_redact(&shown, item->uri.data, item->uri.size);
    if (r < 0 || (shown.size == item->uri.size && !memcmp(shown.data, item->uri.data, shown.size)))
        return r;
    const char *copy = arena_text(arena, shown.data), *slash = copy ? strrchr(copy, '/') : NULL;
    if (!copy)
        return -ENOMEM;
    ret->uri = (struct span){ copy, (uint32_t)shown.size };
    ret->base = slash ? (uint32_t)(slash + 1 - copy) : 0;
    return 0;
}

int shown_encode(const struct rec_item *items, uint32_t count, struct bytes *shown, struct bytes *whole)
{
    struct arena arena;
    CLEANUP(freep) struct rec_item *cut = calloc(count ? count : 1, sizeof(*cut));
    int r = cut ? 0 : -ENOMEM;
    bool any = false;
    arena_init(&arena, SIZE_MAX / 2);
    for (uint32_t i = 0; i < count && r == 0; i++) {
        r = shown_item(&items[i], &arena, &cut[i]);
        any |= r == 0 && cut[i].uri.data != items[i].uri.data;
    }
    if (r == 0)
        r = items_encode(cut, count, shown);
    if (r == 0 && any)
        r = items_encode(items, count, whole);
    arena_done(&arena);
    return r;
}

char *shown_text(const char *text)
{
    CLEANUP(bytes_done) struct bytes shown;
    bytes_init(&shown, SIZE_MAX / 2);
    return uri_redact(&shown, text, strlen(text)) == 0 ? strdup(shown.size ? shown.data : "") : NULL;
}

bool shown_is_private(const char *text)
{
    CLEANUP(freep) char *shown = shown_text(text);
    return !shown || strcmp(shown, text) != 0;
}
