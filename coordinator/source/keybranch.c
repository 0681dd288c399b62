#include "coordinator/source/keybranch.h"

#include "common/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Greater than whatever follows a folder's name in a key. The store is not told: some give nothing behind a start-after that is inside a folder which
 * they fold. They may list that folder again, which is left out here. */
#define BEYOND "\xff\xff"

static char *copy(const char *text, size_t size)
{
    char *made = malloc(size + 1);
    if (!made)
        return NULL;
    memcpy(made, text, size);
    made[size] = '\0';
    return made;
}

struct keybranch *keybranch_new(const char *prefix, size_t size, size_t folder_size, const struct pattern *pattern, uint64_t states)
{
    struct keybranch *branch = calloc(1, sizeof(*branch));
    char *text = copy(prefix, size);
    if (!branch || !text) {
        free(branch);
        free(text);
        return NULL;
    }
    *branch = (struct keybranch){ .prefix = text, .prefix_size = size, .folder_size = folder_size, .states = states, .pattern = pattern };
    return branch;
}

void keybranch_free(struct keybranch *branch)
{
    if (!branch)
        return;
    free(branch->prefix);
    free(branch->floor);
    free(branch->token);
    free(branch->last_key);
    free(branch->last_prefix);
    free(branch);
}

void keybranch_flatten(struct keybranch *branch)
{
    bool begun = branch->token || branch->floor, deep = !branch->pattern || pattern_is_deep(branch->pattern, branch->states);
    branch->flat |= deep && !begun;
}

/* ---- what is wanted ---- */

/* The states after one component; all bits where there is no pattern. */
static uint64_t match(const struct keybranch *branch, const char *name, size_t size, uint64_t states)
{
    if (!branch->pattern)
        return ~0ull;
    char text[S3_KEY_MAX + 1];
    if (size > S3_KEY_MAX)
        return 0;
    memcpy(text, name, size);
    text[size] = '\0';
    return pattern_match(branch->pattern, text, states);
}

/* Walks through the components of what follows the folder. What a folder leads to, or PATTERN_ENTRY for a wanted key. */
static uint64_t judge(const struct keybranch *branch, const char *key, size_t size, bool is_prefix)
{
    uint64_t states = branch->states;
    const char *at = key + branch->folder_size, *end = key + size - is_prefix;
    for (const char *slash; states && (slash = memchr(at, '/', (size_t)(end - at))); at = slash + 1)
        states = match(branch, at, (size_t)(slash - at), states) & ~PATTERN_ENTRY;
    if (!states)
        return 0;
    states = match(branch, at, (size_t)(end - at), states);
    return is_prefix ? states & ~PATTERN_ENTRY : states & PATTERN_ENTRY;
}

/* ---- going on after a key ---- */

static int set_floor(struct keybranch *branch, const char *key, size_t size, const char *more)
{
    branch->floor = malloc(size + strlen(more) + 1);
    if (!branch->floor)
        return -ENOMEM;
    memcpy(branch->floor, key, size);
    strcpy(branch->floor + size, more);
    branch->floor_size = size + strlen(more);
    branch->start_size = size;
    return 0;
}

int keybranch_after(struct keybranch *branch, const char *key, size_t size, struct keybranch **ret_inside)
{
    *ret_inside = NULL;
    const char *slash = key_begins(key, size, branch->prefix, branch->prefix_size)
                            ? memchr(key + branch->folder_size, '/', size - branch->folder_size) : NULL;
    if (!slash)
        return set_floor(branch, key, size, "");
    size_t folder = (size_t)(slash + 1 - key);
    uint64_t states = judge(branch, key, folder, true);
    if (states) {
        *ret_inside = keybranch_new(key, folder, folder, branch->pattern, states);
        if (!*ret_inside)
            return -ENOMEM;
    }
    return set_floor(branch, key, folder, BEYOND);
}

/* ---- listing ---- */

struct listing {
    struct keybranch *branch;
    struct keypage *page;
    struct why *why;
};

static int keep_last(char **last, size_t *last_size, const struct s3_item *item)
{
    char *made = realloc(*last, item->key_size + 1);
    if (!made)
        return -ENOMEM;
    memcpy(made, item->key, item->key_size);
    *last = made;
    *last_size = item->key_size;
    return 0;
}

static int check_order(struct listing *listing, const struct s3_item *item)
{
    struct keybranch *branch = listing->branch;
    char **last = item->is_prefix ? &branch->last_prefix : &branch->last_key;
    size_t *last_size = item->is_prefix ? &branch->last_prefix_size : &branch->last_key_size;
    if (!key_begins(item->key, item->key_size, branch->prefix, branch->prefix_size))
        return because(listing->why, -EBADMSG, "the store lists %.*s, which was not asked for", (int)item->key_size, item->key);
    if (*last && key_compare(item->key, item->key_size, *last, *last_size) <= 0)
        return because(listing->why, -EBADMSG, "the store does not list its keys in order (%.*s after %.*s); Sleddog needs a bucket that does",
                       (int)item->key_size, item->key, (int)*last_size, *last);
    return keep_last(last, last_size, item);
}

/* What a store's web page makes for an empty folder. */
static bool is_marker(const struct s3_item *item)
{
    return !item->is_prefix && !item->size && item->key[item->key_size - 1] == '/';
}

static int take_item(void *arg, const struct s3_item *item)
{
    struct listing *listing = arg;
    struct keybranch *branch = listing->branch;
    int r = check_order(listing, item);
    if (r < 0 || is_marker(item))
        return r;
    if (branch->floor && key_compare(item->key, item->key_size, branch->floor, branch->floor_size) <= 0)
        return 0;
    uint64_t states = judge(branch, item->key, item->key_size, item->is_prefix);
    if (!states)
        return 0;
    struct keypage_entry entry = { .size = (uint32_t)item->key_size, .bytes = item->size, .states = states, .is_prefix = item->is_prefix };
    return keypage_add(listing->page, &entry, item->key, item->etag);
}

int keybranch_list(struct keybranch *branch, const struct keytree_options *options, int thread, struct keypage *page, bool *ret_more,
                   struct why *why)
{
    struct keytree_page asked = { .prefix = branch->prefix, .prefix_size = branch->prefix_size, .delimiter = !branch->flat, .token = branch->token };
    if (!branch->token && branch->floor) {
        asked.start_after = branch->floor;
        asked.start_after_size = branch->start_size;
    }
    struct listing listing = { branch, page, why };
    char token[S3_TOKEN_MAX] = "";
    int r = options->list(options->arg, thread, &asked, take_item, &listing, token, why);
    if (r < 0)
        return r == -ENOMEM ? because(why, r, "listing: out of memory") : r;
    *ret_more = *token;
    free(branch->token);
    branch->token = *token ? strdup(token) : NULL;
    if (*token && !branch->token)
        return because(why, -ENOMEM, "listing: out of memory");
    keypage_sort(page);
    return 0;
}
