#include "coordinator/source/keytree.h"

#include "common/cleanup.h"
#include "common/thread.h"
#include "coordinator/source/keychain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Keys and branches that may wait to be read: some 10 MB. A listing that is broken off has to ask again for the pages that were not read: these are at most
 * MOST_WAITING / KEYCHAIN_PAGE_WEIGHT, and those under way (docs/s3.md). */
#define MOST_WAITING 50000
#define MOST_THREADS 64

struct lister_thread {
    struct thread thread;
    struct keytree *tree;
    int number;
};

struct keytree {
    struct keytree_options options;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct keypart *first, *last; /* in key order */
    size_t waiting, branches;
    bool stopping;
    int error;
    struct why why;
    struct keypart *reading; /* out of the list: the reader's */
    size_t read;
    struct lister_thread threads[MOST_THREADS];
};

/* ---- the list; all with the lock held ---- */

static void unlink_part(struct keytree *tree, struct keypart *part)
{
    *(part->previous ? &part->previous->next : &tree->first) = part->next;
    *(part->next ? &part->next->previous : &tree->last) = part->previous;
    tree->waiting -= part->weight;
}

static void insert_before(struct keytree *tree, struct keychain *chain, struct keypart *part)
{
    tree->waiting += chain->weight;
    tree->branches += chain->branches;
    if (!chain->first)
        return;
    chain->first->previous = part->previous;
    *(part->previous ? &part->previous->next : &tree->first) = chain->first;
    chain->last->next = part;
    part->previous = chain->last;
    *chain = (struct keychain){ 0 };
}

/* The first branch that nobody lists. Beyond the bound only what the reader waits for: the very first branch, when no keys are left in front of it. */
static struct keypart *pick(struct keytree *tree)
{
    for (struct keypart *part = tree->first; part; part = part->next) {
        if (tree->waiting >= MOST_WAITING && part != tree->first)
            return NULL;
        if (part->branch && !part->busy)
            return part;
    }
    return NULL;
}

static void fail(struct keytree *tree, int r, const struct why *why)
{
    if (tree->error == 0) {
        tree->error = r;
        tree->why = *why;
    }
}

/* ---- the threads ---- */

/* A page of a branch becomes a chain. Called without the lock. */
static int list_page(struct keytree *tree, struct keybranch *branch, int thread, struct keychain *chain, bool *ret_more, struct why *why)
{
    CLEANUP(keypage_done) struct keypage page;
    keypage_init(&page);
    int r = keybranch_list(branch, &tree->options, thread, &page, ret_more, why);
    if (r == 0) {
        r = keychain_page(chain, branch, &page);
        if (r < 0)
            because(why, r, "listing: out of memory");
    }
    return r;
}

static void work_on(struct keytree *tree, struct keypart *part, int thread)
{
    struct keychain chain = { 0 };
    struct why why;
    bool more = false;
    part->busy = true;
    /* Enough branches wait for the threads: no need for those that this one would bring. */
    if (tree->branches >= 2 * (size_t)tree->options.threads)
        keybranch_flatten(part->branch);
    pthread_mutex_unlock(&tree->lock);
    int r = list_page(tree, part->branch, thread, &chain, &more, &why);
    pthread_mutex_lock(&tree->lock);
    part->busy = false;
    if (r < 0)
        fail(tree, r, &why);
    else
        insert_before(tree, &chain, part);
    keychain_free(&chain);
    if (r == 0 && !more) {
        unlink_part(tree, part);
        tree->branches--;
        keypart_free(part);
    }
    pthread_cond_broadcast(&tree->changed);
}

static void run(void *arg)
{
    struct lister_thread *self = arg;
    struct keytree *tree = self->tree;
    pthread_mutex_lock(&tree->lock);
    while (!tree->stopping && tree->error == 0) {
        struct keypart *part = pick(tree);
        if (part)
            work_on(tree, part, self->number);
        else
            pthread_cond_wait(&tree->changed, &tree->lock);
    }
    pthread_mutex_unlock(&tree->lock);
}

/* ---- opening ---- */

/* The branches that the listing begins with: the root, and in front of it those that a key to go on after lies in, the innermost first. */
static int plant(struct keytree *tree)
{
    const struct keytree_options *options = &tree->options;
    struct keybranch *branch = keybranch_new(options->prefix, options->prefix_size, options->folder_size, options->pattern, PATTERN_START);
    if (!branch)
        return -ENOMEM;
    for (int r = 0; branch;) {
        struct keybranch *inside = NULL;
        if (options->after)
            r = keybranch_after(branch, options->after, options->after_size, &inside);
        struct keychain chain = { 0 };
        if (keychain_add(&chain, branch) < 0 || r < 0) {
            keybranch_free(inside);
            keychain_free(&chain);
            return -ENOMEM;
        }
        struct keypart *added = chain.first;
        added->next = tree->first;
        *(tree->first ? &tree->first->previous : &tree->last) = added;
        tree->first = added;
        tree->branches++;
        tree->waiting++;
        branch = inside;
    }
    return 0;
}

DEFINE_FREEP(keytree_close, struct keytree)

int keytree_open(const struct keytree_options *options, struct keytree **ret, struct why *why)
{
    CLEANUP(keytree_closep) struct keytree *tree = calloc(1, sizeof(*tree));
    if (!tree)
        return because(why, -ENOMEM, "listing: out of memory");
    tree->options = *options;
    if (tree->options.threads > MOST_THREADS)
        tree->options.threads = MOST_THREADS;
    pthread_mutex_init(&tree->lock, NULL);
    pthread_cond_init(&tree->changed, NULL);
    if (plant(tree) < 0)
        return because(why, -ENOMEM, "listing: out of memory");
    for (int i = 0; i < tree->options.threads; i++) {
        tree->threads[i].tree = tree;
        tree->threads[i].number = i;
        int r = thread_start(&tree->threads[i].thread, "list-s3", run, &tree->threads[i]);
        if (r < 0)
            return because(why, r, "listing: no thread: %s", strerror(-r));
    }
    *ret = take(tree);
    return 0;
}

void keytree_close(struct keytree *tree)
{
    if (!tree)
        return;
    pthread_mutex_lock(&tree->lock);
    tree->stopping = true;
    pthread_cond_broadcast(&tree->changed);
    pthread_mutex_unlock(&tree->lock);
    for (int i = 0; i < tree->options.threads; i++)
        thread_join(&tree->threads[i].thread);
    keychain_free(&(struct keychain){ .first = tree->first });
    keypart_free(tree->reading);
    pthread_cond_destroy(&tree->changed);
    pthread_mutex_destroy(&tree->lock);
    free(tree);
}

/* ---- reading ---- */

/* Takes the first part out of the list: 1, or 0 when nothing is left. */
static int next_part(struct keytree *tree, struct why *why)
{
    int r = 0;
    keypart_free(tree->reading);
    tree->reading = NULL;
    tree->read = 0;
    pthread_mutex_lock(&tree->lock);
    while (tree->error == 0 && tree->first && tree->first->branch)
        pthread_cond_wait(&tree->changed, &tree->lock);
    if (tree->error) {
        r = tree->error;
        *why = tree->why;
    } else if (tree->first) {
        tree->reading = tree->first;
        unlink_part(tree, tree->reading);
        pthread_cond_broadcast(&tree->changed);
        r = 1;
    }
    pthread_mutex_unlock(&tree->lock);
    return r;
}

int keytree_next(struct keytree *tree, struct keytree_key *ret, struct why *why)
{
    while (!tree->reading || tree->read == tree->reading->keys.count) {
        int r = next_part(tree, why);
        if (r <= 0)
            return r;
    }
    const struct keypage *keys = &tree->reading->keys;
    const struct keypage_entry *entry = &keys->entries[tree->read++];
    *ret = (struct keytree_key){ keypage_key(keys, entry), entry->size, entry->bytes, keypage_etag(keys, entry) };
    return 1;
}
