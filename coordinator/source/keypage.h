/* keypage.h: what one page of a listing holds, sorted: keys and common prefixes.
 *
 * Threads:   one at a time. Ownership: keypage_done() frees the texts. Errors: -ENOMEM. */
#pragma once

#include "common/bytes.h"

#include <stdbool.h>

struct keypage_entry {
    uint64_t text;   /* where key, NUL, etag, NUL begin in `texts` */
    uint64_t bytes;  /* of the object */
    uint64_t states; /* of a prefix: what to enter it with (pattern.h) */
    uint32_t size;   /* of the key */
    bool is_prefix;
};

struct keypage {
    struct keypage_entry *entries;
    size_t count, capacity;
    struct bytes texts;
};

void keypage_init(struct keypage *page);
void keypage_done(struct keypage *page);

int keypage_add(struct keypage *page, const struct keypage_entry *entry, const char *key, const char *etag);

/* A store lists a page's keys and its prefixes each in order, but one after the other. */
void keypage_sort(struct keypage *page);

static inline const char *keypage_key(const struct keypage *page, const struct keypage_entry *entry)
{
    return page->texts.data + entry->text;
}

static inline const char *keypage_etag(const struct keypage *page, const struct keypage_entry *entry)
{
    return keypage_key(page, entry) + entry->size + 1;
}

/* Bytewise. */
int key_compare(const char *a, size_t a_size, const char *b, size_t b_size);
bool key_begins(const char *key, size_t size, const char *prefix, size_t prefix_size);
