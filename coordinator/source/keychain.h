/* keychain.h: parts of a key tree's list that are linked to each other: what one page of a branch becomes, in key order.
 *
 * Threads:   one at a time. Ownership: keychain_free() frees what is still in it. Errors: -ENOMEM. */
#pragma once

#include "coordinator/source/keybranch.h"

/* What a page counts as at least, however little it brought: it has to be asked for again if nobody reads it. */
#define KEYCHAIN_PAGE_WEIGHT 200

/* Keys that have arrived, or a branch. */
struct keypart {
    struct keypart *next, *previous;
    struct keybranch *branch; /* NULL: keys */
    bool busy;                /* a thread lists a page of it */
    size_t weight;            /* keys, or 1 for a branch; a page's last part has what the page lacks */
    struct keypage keys;
};

struct keychain {
    struct keypart *first, *last;
    size_t weight, branches;
};

/* Adds a part for a branch, or for keys (NULL). Takes the branch, also when it fails. */
int keychain_add(struct keychain *chain, struct keybranch *branch);

/* Adds what a page of `parent` brought: at least one part, without keys if there is nothing in it. */
int keychain_page(struct keychain *chain, const struct keybranch *parent, const struct keypage *page);

void keychain_free(struct keychain *chain);
void keypart_free(struct keypart *part); /* accepts NULL */
