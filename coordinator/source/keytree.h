/* keytree.h: the keys of an object store in bytewise order, listed by many requests at a time.
 *
 * The list is made of parts in key order: keys that have arrived, and branches (prefixes) that are still to be listed. A thread takes the first
 * free branch, lists one page of it, and puts what the page holds in front of the branch: keys, and new branches for the common prefixes.
 * The reader takes keys from the front, so it has the first page as soon as that is there, while the prefixes behind it are being listed. How
 * much waits is bounded: beyond it only the branch that the reader waits for goes on.
 *
 * A branch is listed with a delimiter, so that its prefixes become branches too, unless enough branches wait to keep all threads busy: then it is
 * listed flat, a thousand keys a page whatever their folders.
 *
 * Threads:   keytree_next() and keytree_close() by one; `list` is called by several at a time.
 * Ownership: a key lives until the next call.
 * Errors:    what `list` returns, with its sentence; -EBADMSG when a store lists its keys out of order. */
#pragma once

#include "common/s3/list.h"
#include "coordinator/source/pattern.h"

struct keytree;

struct keytree_page {
    const char *prefix;
    size_t prefix_size;
    bool delimiter;          /* fold what lies deeper into common prefixes */
    const char *token;       /* of the page before; NULL: the first */
    const char *start_after; /* first page only; NULL: from the beginning */
    size_t start_after_size;
};

struct keytree_options {
    /* One page. `thread`: 0..threads-1, each with one call at a time. `token`: where the next page begins; "": nowhere. */
    int (*list)(void *arg, int thread, const struct keytree_page *page, s3_on_item *on_item, void *on_item_arg, char token[S3_TOKEN_MAX],
                struct why *why);
    void *arg;
    int threads;
    const char *prefix;            /* of all keys wanted */
    size_t prefix_size;
    size_t folder_size;            /* how much of the prefix is whole folders, that is: ends with a slash, or 0 */
    const struct pattern *pattern; /* of what follows the folder; NULL: all */
    const char *after;             /* begin after this key; NULL: at the beginning */
    size_t after_size;
};

struct keytree_key {
    const char *key; /* followed by a NUL */
    size_t size;     /* of the key */
    uint64_t bytes;  /* of the object */
    const char *etag;
};

/* The options' prefix, pattern and arg must outlive the tree. */
int keytree_open(const struct keytree_options *options, struct keytree **ret, struct why *why);
int keytree_next(struct keytree *tree, struct keytree_key *ret, struct why *why); /* 1, 0 at the end */
void keytree_close(struct keytree *tree);                                         /* waits for calls of `list`; accepts NULL */
