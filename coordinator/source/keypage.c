#include "coordinator/source/keypage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void keypage_init(struct keypage *page)
{
    *page = (struct keypage){ 0 };
    bytes_init(&page->texts, SIZE_MAX / 2);
}

void keypage_done(struct keypage *page)
{
    free(page->entries);
    bytes_done(&page->texts);
    keypage_init(page);
}

static int make_room(struct keypage *page)
{
    if (page->count < page->capacity)
        return 0;
    size_t capacity = page->capacity ? 2 * page->capacity : 64;
    struct keypage_entry *entries = realloc(page->entries, capacity * sizeof(*entries));
    if (!entries)
        return -ENOMEM;
    page->entries = entries;
    page->capacity = capacity;
    return 0;
}

int keypage_add(struct keypage *page, const struct keypage_entry *entry, const char *key, const char *etag)
{
    int r = make_room(page);
    if (r < 0)
        return r;
    struct keypage_entry *added = &page->entries[page->count];
    *added = *entry;
    added->text = page->texts.size;
    bytes_append(&page->texts, key, entry->size);
    bytes_append_char(&page->texts, '\0');
    bytes_append(&page->texts, etag, strlen(etag) + 1);
    page->count += !bytes_error(&page->texts);
    return bytes_error(&page->texts);
}

int key_compare(const char *a, size_t a_size, const char *b, size_t b_size)
{
    int order = memcmp(a, b, a_size < b_size ? a_size : b_size);
    return order ? order : (a_size > b_size) - (a_size < b_size);
}

bool key_begins(const char *key, size_t size, const char *prefix, size_t prefix_size)
{
    return size >= prefix_size && !memcmp(key, prefix, prefix_size);
}

static int by_key(const void *a, const void *b, void *arg)
{
    const struct keypage *page = arg;
    const struct keypage_entry *one = a, *other = b;
    return key_compare(keypage_key(page, one), one->size, keypage_key(page, other), other->size);
}

static bool is_sorted(struct keypage *page)
{
    for (size_t i = 1; i < page->count; i++)
        if (by_key(&page->entries[i - 1], &page->entries[i], page) > 0)
            return false;
    return true;
}

void keypage_sort(struct keypage *page)
{
    if (!is_sorted(page))
        qsort_r(page->entries, page->count, sizeof(*page->entries), by_key, page);
}
