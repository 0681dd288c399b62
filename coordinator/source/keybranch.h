/* keybranch.h: a prefix that is being listed, page by page, and what its pages hold that is wanted.
 *
 * Going on after a key: what is not beyond it is left out, and the folder that it lies in is a branch of its own (keybranch_inside()), which goes on
 * after the same key.
 *
 * Threads:   a branch belongs to one thread at a time.
 * Ownership: keybranch_free(); the pattern must outlive it.
 * Errors:    -ENOMEM; those of the listing. */
#pragma once

#include "coordinator/source/keypage.h"
#include "coordinator/source/keytree.h"

struct keybranch {
    char *prefix;
    size_t prefix_size, folder_size; /* as in keytree_options */
    uint64_t states;                 /* of the folder, in the pattern */
    const struct pattern *pattern;   /* NULL: all is wanted */
    bool flat;                       /* list without a delimiter */
    char *floor;                     /* keys and prefixes up to here are left out; NULL: none */
    size_t floor_size, start_size;   /* start_size: how much of the floor the store is told */
    char *token;                     /* of the next page; NULL: the first */
    char *last_key, *last_prefix;    /* that were listed; NULL: none yet */
    size_t last_key_size, last_prefix_size;
};

struct keybranch *keybranch_new(const char *prefix, size_t size, size_t folder_size, const struct pattern *pattern, uint64_t states);
void keybranch_free(struct keybranch *branch); /* accepts NULL */

/* Makes a new branch begin after a key. `ret_inside`: the branch of the folder in it that the key lies in, NULL if there is none or it is not wanted. */
int keybranch_after(struct keybranch *branch, const char *key, size_t size, struct keybranch **ret_inside);

/* Lists it without a delimiter from now on, if all depths are wanted and it has not begun. */
void keybranch_flatten(struct keybranch *branch);

/* Lists a page into `page`. `ret_more`: there is another one. */
int keybranch_list(struct keybranch *branch, const struct keytree_options *options, int thread, struct keypage *page, bool *ret_more,
                   struct why *why);
