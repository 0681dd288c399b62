/* keytree against a plain search of the same keys, with a store of our own in memory. */
#include "coordinator/source/keytree.h"
#include "tests/test.h"

#include "common/cleanup.h"
#include "coordinator/source/keypage.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define THREADS 4

/* Sorted keys, and how they are given out. */
struct store {
    const char *const *keys;
    int count, page;
    bool prefixes_include_start; /* a common prefix that start-after lies in is listed, as some stores do */
    int fail_at;                 /* the call that fails; 0: none */
    int calls, most_at_once, at_once;
    pthread_mutex_t lock;
};

static int find_prefix(const struct keytree_page *page, const char *key)
{
    const char *slash = page->delimiter ? strchr(key + page->prefix_size, '/') : NULL;
    return slash ? (int)(slash + 1 - key) : 0;
}

/* The token is what was listed last: "K" and a key, or "P" and a common prefix. */
static bool is_before(const struct store *store, const struct keytree_page *page, const char *key, int prefix)
{
    if (page->token)
        return page->token[0] == 'P' ? strncmp(key, page->token + 1, strlen(page->token + 1)) <= 0 : strcmp(key, page->token + 1) <= 0;
    if (!page->start_after)
        return false;
    if (prefix && store->prefixes_include_start && !strncmp(key, page->start_after, (size_t)prefix))
        return false;
    return strcmp(key, page->start_after) <= 0;
}

/* The number of this call, from 1. */
static int enter(struct store *store)
{
    pthread_mutex_lock(&store->lock);
    int call = ++store->calls;
    if (++store->at_once > store->most_at_once)
        store->most_at_once = store->at_once;
    pthread_mutex_unlock(&store->lock);
    sched_yield();
    return call;
}

static int leave(struct store *store, int r)
{
    pthread_mutex_lock(&store->lock);
    store->at_once--;
    pthread_mutex_unlock(&store->lock);
    return r;
}

static int list(void *arg, int thread, const struct keytree_page *page, s3_on_item *on_item, void *on_item_arg, char token[S3_TOKEN_MAX],
                struct why *why)
{
    struct store *store = arg;
    char folded[S3_KEY_MAX + 1] = "";
    int given = 0, r = 0;
    (void)thread;
    if (enter(store) >= store->fail_at && store->fail_at)
        return leave(store, because(why, -EACCES, "the store says no"));
    *token = '\0';
    for (int i = 0; i < store->count && r == 0; i++) {
        const char *key = store->keys[i];
        int prefix = strncmp(key, page->prefix, page->prefix_size) ? 0 : find_prefix(page, key);
        if (strncmp(key, page->prefix, page->prefix_size) || is_before(store, page, key, prefix) ||
            (prefix && !strncmp(key, folded, (size_t)prefix) && strlen(folded) == (size_t)prefix))
            continue;
        if (given++ == store->page)
            return leave(store, 0);
        snprintf(folded, sizeof(folded), "%.*s", prefix, key);
        struct s3_item item = { .key = key, .key_size = prefix ? (size_t)prefix : strlen(key), .is_prefix = prefix, .size = 7, .etag = "e" };
        r = on_item(on_item_arg, &item);
        snprintf(token, S3_TOKEN_MAX, "%c%.*s", prefix ? 'P' : 'K', (int)item.key_size, key);
    }
    *token = '\0';
    return leave(store, r);
}

/* Reads a tree to its end; the keys, one a line. */
static char *read_tree(struct store *store, const char *prefix, const struct pattern *pattern, const char *after)
{
    const char *slash = strrchr(prefix, '/');
    struct keytree_options options = { .list = list, .arg = store, .threads = THREADS, .prefix = prefix, .prefix_size = strlen(prefix),
                                       .folder_size = slash ? (size_t)(slash + 1 - prefix) : 0, .pattern = pattern, .after = after,
                                       .after_size = after ? strlen(after) : 0 };
    struct keytree *tree;
    struct keytree_key key;
    struct why why = { "" };
    struct bytes text;
    bytes_init(&text, 1 << 20);
    bytes_append_text(&text, "");
    pthread_mutex_init(&store->lock, NULL);
    CHECK_INT(keytree_open(&options, &tree, &why), 0);
    int r;
    while ((r = keytree_next(tree, &key, &why)) > 0) {
        CHECK_INT(key.size, strlen(key.key));
        CHECK_INT(key.bytes, 7);
        CHECK_STR(key.etag, "e");
        bytes_printf(&text, "%s\n", key.key);
    }
    keytree_close(tree);
    if (r < 0)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    return bytes_take(&text);
}

static char *read_pattern(struct store *store, const char *prefix, const char *pattern_text, const char *after)
{
    char *text = strdup(pattern_text);
    struct pattern pattern;
    struct why why;
    CHECK_INT(pattern_parse(&pattern, text, true, pattern_text, &why), 0);
    char *got = read_tree(store, prefix, &pattern, after);
    free(text);
    return got;
}

static const char *const some_keys[] = { "a/1.jpg", "a/2.jpg", "a/b/3.jpg", "a/b/4.png", "a/b0", "a0/5.jpg", "b/", "b/.h/6.jpg",
                                         "b//x.jpg",
                                         "b/c/d/e/7.jpg", "c.jpg", "z/8.jpg" };
static const int some = sizeof(some_keys) / sizeof(*some_keys);

TEST(keys_come_in_bytewise_order_whatever_the_size_of_a_page)
{
    for (int page = 1; page < 14; page++) {
        struct store store = { .keys = some_keys, .count = some, .page = page };
        CLEANUP(freep) char *got = read_tree(&store, "", NULL, NULL);
        /* "b/" is a folder's marker, but ours has 7 bytes in it. */
        CHECK_STR(got, "a/1.jpg\na/2.jpg\na/b/3.jpg\na/b/4.png\na/b0\na0/5.jpg\nb/\nb/.h/6.jpg\nb//x.jpg\nb/c/d/e/7.jpg\nc.jpg\nz/8.jpg\n");
    }
}

TEST(a_pattern_wants_what_it_says_and_lists_nothing_else)
{
    struct store store = { .keys = some_keys, .count = some, .page = 2 };
    CLEANUP(freep) char *one = read_pattern(&store, "", "*/*.jpg", NULL);
    CHECK_STR(one, "a/1.jpg\na/2.jpg\na0/5.jpg\nz/8.jpg\n");
    CLEANUP(freep) char *deep = read_pattern(&store, "", "**/*.jpg", NULL);
    CHECK_STR(deep, "a/1.jpg\na/2.jpg\na/b/3.jpg\na0/5.jpg\nb//x.jpg\nb/c/d/e/7.jpg\nc.jpg\nz/8.jpg\n");
    CLEANUP(freep) char *below = read_pattern(&store, "b/", "*/*.jpg", NULL);
    CHECK_STR(below, "b//x.jpg\n"); /* a folder without a name is one, to a store */
    CLEANUP(freep) char *begun = read_pattern(&store, "a", "a*/[12].jpg", NULL);
    CHECK_STR(begun, "a/1.jpg\na/2.jpg\n");
}

TEST(going_on_after_any_key_gives_the_rest)
{
    for (int included = 0; included < 2; included++) {
        struct store store = { .keys = some_keys, .count = some, .page = 3, .prefixes_include_start = included };
        CLEANUP(freep) char *all = read_tree(&store, "", NULL, NULL);
        CLEANUP(freep) char *matched = read_pattern(&store, "", "**/*.jpg", NULL);
        for (int i = 0; i < some; i++) {
            char line[64];
            snprintf(line, sizeof(line), "%s\n", some_keys[i]);
            CLEANUP(freep) char *rest = read_tree(&store, "", NULL, some_keys[i]);
            CHECK_STR(rest, strstr(all, line) + strlen(line));
            CLEANUP(freep) char *rest_matched = read_pattern(&store, "", "**/*.jpg", some_keys[i]);
            if (strstr(matched, line))
                CHECK_STR(rest_matched, strstr(matched, line) + strlen(line));
        }
    }
}

TEST(many_prefixes_are_listed_at_the_same_time_and_still_come_in_order)
{
    enum { PREFIXES = 200, EACH = 7 };
    static char texts[PREFIXES * EACH][24];
    static const char *keys[PREFIXES * EACH];
    for (int i = 0; i < PREFIXES * EACH; i++) {
        snprintf(texts[i], sizeof(texts[i]), "p%03d/x/%d", i / EACH, i % EACH);
        keys[i] = texts[i];
    }
    struct store store = { .keys = keys, .count = PREFIXES * EACH, .page = 50 };
    CLEANUP(freep) char *got = read_tree(&store, "", NULL, NULL);
    const char *at = got;
    for (int i = 0; i < PREFIXES * EACH; i++) {
        CHECK(!strncmp(at, keys[i], strlen(keys[i])) && at[strlen(keys[i])] == '\n');
        at += strlen(keys[i]) + 1;
    }
    CHECK_STR(at, "");
    CHECK(store.most_at_once > 1);
    CHECK(store.calls < PREFIXES + 60); /* listed flat: not a page for each folder in a prefix */
}

TEST(what_a_store_refuses_ends_the_reading_with_its_sentence)
{
    for (int at = 1; at < 6; at++) {
        struct store store = { .keys = some_keys, .count = some, .page = 2, .fail_at = at };
        pthread_mutex_init(&store.lock, NULL);
        struct keytree_options options = { .list = list, .arg = &store, .threads = THREADS, .prefix = "" };
        struct keytree *tree;
        struct keytree_key key;
        struct why why;
        int r;
        CHECK_INT(keytree_open(&options, &tree, &why), 0);
        while ((r = keytree_next(tree, &key, &why)) > 0)
            ;
        CHECK_INT(r, -EACCES);
        CHECK_STR(why.text, "the store says no");
        keytree_close(tree);
    }
}

TEST(a_tree_can_be_closed_before_its_end)
{
    struct store store = { .keys = some_keys, .count = some, .page = 1 };
    pthread_mutex_init(&store.lock, NULL);
    struct keytree_options options = { .list = list, .arg = &store, .threads = THREADS, .prefix = "" };
    struct keytree *tree;
    struct keytree_key key;
    struct why why;
    CHECK_INT(keytree_open(&options, &tree, &why), 0);
    CHECK_INT(keytree_next(tree, &key, &why), 1);
    CHECK_STR(key.key, "a/1.jpg");
    keytree_close(tree);
}

/* Page after page of one folder. */
#define ENDLESS_PAGE  1000
#define ENDLESS_PAGES 200

static int list_endlessly(void *arg, int thread, const struct keytree_page *page, s3_on_item *on_item, void *on_item_arg, char token[S3_TOKEN_MAX],
                          struct why *why)
{
    char key[32];
    int from = page->token ? atoi(page->token) : 0, r = 0;
    (void)thread, (void)why;
    for (int i = from; i < from + ENDLESS_PAGE && r == 0; i++) {
        snprintf(key, sizeof(key), "%09d", i);
        r = on_item(on_item_arg, &(struct s3_item){ .key = key, .key_size = 9, .size = 1 });
    }
    from += ENDLESS_PAGE;
    snprintf(token, S3_TOKEN_MAX, "%d", from);
    if (from == ENDLESS_PAGE * ENDLESS_PAGES)
        *token = '\0';
    atomic_fetch_add((atomic_int *)arg, 1);
    return r;
}

TEST(listing_waits_for_a_reader_that_is_slow)
{
    atomic_int pages = 0;
    struct keytree_options options = { .list = list_endlessly, .arg = &pages, .threads = THREADS, .prefix = "" };
    struct keytree *tree;
    struct keytree_key key;
    struct why why;
    int count = 1;
    CHECK_INT(keytree_open(&options, &tree, &why), 0);
    CHECK_INT(keytree_next(tree, &key, &why), 1);
    while (atomic_load(&pages) < 50)
        sched_yield();
    usleep(200000); /* for what should not happen */
    CHECK(atomic_load(&pages) <= 60);
    while (keytree_next(tree, &key, &why) > 0)
        count++;
    CHECK_INT(count, ENDLESS_PAGE * ENDLESS_PAGES);
    keytree_close(tree);
}

/* Folders of one key each, the first of which is not listed while `stuck`; every second one has nothing in it. */
#define FOLDERS 2000

struct folders {
    atomic_int pages;
    atomic_bool stuck;
};

static int list_folders(void *arg, int thread, const struct keytree_page *page, s3_on_item *on_item, void *on_item_arg, char token[S3_TOKEN_MAX],
                        struct why *why)
{
    struct folders *folders = arg;
    char key[32];
    int r = 0;
    (void)thread, (void)why;
    *token = '\0';
    atomic_fetch_add(&folders->pages, 1);
    for (int i = 0; !page->prefix_size && i < FOLDERS && r == 0; i++) {
        int size = snprintf(key, sizeof(key), "%04d/", i);
        r = on_item(on_item_arg, &(struct s3_item){ .key = key, .key_size = (size_t)size, .is_prefix = true });
    }
    if (!page->prefix_size)
        return r;
    int number = atoi(page->prefix), size = snprintf(key, sizeof(key), "%04d/x", number);
    while (number == 0 && atomic_load(&folders->stuck))
        sched_yield();
    return number % 2 ? 0 : on_item(on_item_arg, &(struct s3_item){ .key = key, .key_size = (size_t)size, .size = 1 });
}

TEST(pages_that_are_listed_ahead_are_few_however_little_they_bring)
{
    struct folders folders = { .stuck = true };
    struct keytree_options options = { .list = list_folders, .arg = &folders, .threads = THREADS, .prefix = "" };
    struct keytree *tree;
    struct keytree_key key;
    struct why why;
    int count = 0;
    CHECK_INT(keytree_open(&options, &tree, &why), 0);
    while (atomic_load(&folders.pages) < 200)
        sched_yield();
    usleep(200000); /* for what should not happen */
    CHECK(atomic_load(&folders.pages) <= 250 + THREADS);
    atomic_store(&folders.stuck, false);
    while (keytree_next(tree, &key, &why) > 0)
        CHECK_INT(atoi(key.key), 2 * count++);
    CHECK_INT(count, FOLDERS / 2);
    CHECK_INT(atomic_load(&folders.pages), FOLDERS + 1);
    keytree_close(tree);
}

static void expect_refused(struct keytree_options options, const char *said)
{
    struct keytree *tree;
    struct keytree_key key;
    struct why why;
    options.threads = THREADS;
    CHECK_INT(keytree_open(&options, &tree, &why), 0);
    CHECK_INT(keytree_next(tree, &key, &why), -EBADMSG);
    CHECK_CONTAINS(why.text, said);
    keytree_close(tree);
}

TEST(keys_out_of_order_are_refused)
{
    static const char *const keys[] = { "b", "a" };
    struct store store = { .keys = keys, .count = 2, .page = 5 };
    pthread_mutex_init(&store.lock, NULL);
    expect_refused((struct keytree_options){ .list = list, .arg = &store, .prefix = "" }, "in order (a after b)");
}

TEST(a_key_that_comes_twice_is_refused)
{
    static const char *const keys[] = { "a", "a" };
    struct store store = { .keys = keys, .count = 2, .page = 5 };
    pthread_mutex_init(&store.lock, NULL);
    expect_refused((struct keytree_options){ .list = list, .arg = &store, .prefix = "" }, "in order (a after a)");
}

/* Whatever it is asked for. */
static int list_something_else(void *arg, int thread, const struct keytree_page *page, s3_on_item *on_item, void *on_item_arg, char token[S3_TOKEN_MAX],
                               struct why *why)
{
    (void)arg, (void)thread, (void)page, (void)why;
    *token = '\0';
    return on_item(on_item_arg, &(struct s3_item){ .key = "x", .key_size = 1, .size = 1, .etag = "" });
}

TEST(keys_that_were_not_asked_for_are_refused)
{
    expect_refused((struct keytree_options){ .list = list_something_else, .prefix = "a/folder/", .prefix_size = 9, .folder_size = 9 },
                   "the store lists x, which was not asked for");
}
