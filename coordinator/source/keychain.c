#include "coordinator/source/keychain.h"

#include <errno.h>
#include <stdlib.h>

static struct keypart *keypart_new(struct keybranch *branch)
{
    struct keypart *part = calloc(1, sizeof(*part));
    if (!part)
        return NULL;
    part->branch = branch;
    part->weight = branch != NULL;
    keypage_init(&part->keys);
    return part;
}

void keypart_free(struct keypart *part)
{
    if (!part)
        return;
    keybranch_free(part->branch);
    keypage_done(&part->keys);
    free(part);
}

void keychain_free(struct keychain *chain)
{
    for (struct keypart *part = chain->first, *next; part; part = next) {
        next = part->next;
        keypart_free(part);
    }
    *chain = (struct keychain){ 0 };
}

int keychain_add(struct keychain *chain, struct keybranch *branch)
{
    struct keypart *part = keypart_new(branch);
    if (!part) {
        keybranch_free(branch);
        return -ENOMEM;
    }
    part->previous = chain->last;
    if (chain->last)
        chain->last->next = part;
    else
        chain->first = part;
    chain->last = part;
    chain->branches += branch != NULL;
    chain->weight += part->weight;
    return 0;
}

static int chain_key(struct keychain *chain, const struct keypage *page, const struct keypage_entry *entry)
{
    int r = chain->last && !chain->last->branch ? 0 : keychain_add(chain, NULL);
    if (r == 0)
        r = keypage_add(&chain->last->keys, entry, keypage_key(page, entry), keypage_etag(page, entry));
    if (r == 0) {
        chain->last->weight++;
        chain->weight++;
    }
    return r;
}

static int chain_prefix(struct keychain *chain, const struct keybranch *parent, const struct keypage *page, const struct keypage_entry *entry)
{
    struct keybranch *branch = keybranch_new(keypage_key(page, entry), entry->size, entry->size, parent->pattern, entry->states);
    return branch ? keychain_add(chain, branch) : -ENOMEM;
}

/* Also a page that brought nothing is there until the reader has come by. */
static int chain_weigh(struct keychain *chain)
{
    int r = chain->last ? 0 : keychain_add(chain, NULL);
    if (r == 0 && chain->weight < KEYCHAIN_PAGE_WEIGHT) {
        chain->last->weight += KEYCHAIN_PAGE_WEIGHT - chain->weight;
        chain->weight = KEYCHAIN_PAGE_WEIGHT;
    }
    return r;
}

int keychain_page(struct keychain *chain, const struct keybranch *parent, const struct keypage *page)
{
    int r = 0;
    for (size_t i = 0; i < page->count && r == 0; i++)
        r = page->entries[i].is_prefix ? chain_prefix(chain, parent, page, &page->entries[i]) : chain_key(chain, page, &page->entries[i]);
    return r < 0 ? r : chain_weigh(chain);
}
