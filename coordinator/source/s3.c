/* s3.c: s3://bucket/..., as an object, a folder (what ends with a slash, or what is no object), or a pattern. */
#include "common/cleanup.h"
#include "common/s3/client.h"
#include "coordinator/source/keytree.h"
#include "coordinator/source/kind.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Pages that are asked for at a time. A page takes the store 20 to 200 ms, whatever its length. */
#define THREADS 16

#define SCHEME_SIZE 5 /* s3:// */

struct s3_source {
    struct source_context *context;
    struct s3_client *client[THREADS];
    atomic_bool closing;
    struct s3_uri uri;
    size_t folder_size;   /* of the key: up to which its folders are whole, and "base" of its items */
    struct pattern pattern;
    char *components;     /* what the pattern points into; NULL: no wildcard */
    bool begun, is_single, single_given;
    struct keytree *tree; /* NULL: a single object */
    uint64_t found;
    struct s3_item single;
    char *after;          /* the key to begin behind; NULL: at the beginning */
    char *folder;         /* the key, with a slash at its end if it had none */
    char address[LIMIT_URI];
    char arg[];           /* what uri points into */
};

static bool takes(const char *arg)
{
    return s3_uri_is(arg, strlen(arg));
}

static void close_s3(void *state)
{
    struct s3_source *source = state;
    atomic_store(&source->closing, true);
    keytree_close(source->tree);
    for (int i = 0; i < THREADS; i++)
        s3_client_close(source->client[i]);
    free(source->components);
    free(source->folder);
    free(source->after);
    free(source);
}

DEFINE_FREEP(close_s3, struct s3_source)

/* ---- opening: what the argument means ---- */

static int parse_pattern(struct s3_source *source, struct why *why)
{
    while (source->folder_size && source->uri.key[source->folder_size - 1] != '/')
        source->folder_size--;
    source->components = strndup(source->uri.key + source->folder_size, source->uri.key_size - source->folder_size);
    if (!source->components)
        return -ENOMEM;
    return pattern_parse(&source->pattern, source->components, true, source->arg, why);
}

static int parse(struct s3_source *source, struct why *why)
{
    int r = s3_uri_parse(source->arg, strlen(source->arg), &source->uri, why);
    if (r < 0)
        return r;
    size_t wildcard = pattern_wildcard_at(source->uri.key);
    source->folder_size = wildcard;
    return wildcard < source->uri.key_size ? parse_pattern(source, why) : 0;
}

static int open_s3(const char *arg, struct source_context *context, void **ret, struct why *why)
{
    CLEANUP(close_s3p) struct s3_source *source = calloc(1, sizeof(*source) + strlen(arg) + 1);
    if (!source)
        return -ENOMEM;
    strcpy(source->arg, arg);
    source->context = context;
    if (!context->s3)
        return because(why, -ENOTSUP, "%.500s: no object store is set up here", arg);
    int r = parse(source, why);
    if (r < 0)
        return r;
    *ret = take(source);
    return 0;
}

/* ---- asking the store ---- */

static bool stopped(void *arg)
{
    struct s3_source *source = arg;
    struct pollfd interrupt = { .fd = source->context->interrupt_fd, .events = POLLIN };
    return atomic_load(&source->closing) || poll(&interrupt, 1, 0) > 0;
}

static int client(struct s3_source *source, int thread, struct s3_client **ret, struct why *why)
{
    int r = source->client[thread] ? 0 : s3_client_open(source->context->s3, stopped, source, &source->client[thread], why);
    *ret = source->client[thread];
    return r;
}

static int list(void *arg, int thread, const struct keytree_page *page, s3_on_item *on_item, void *on_item_arg, char token[S3_TOKEN_MAX],
                struct why *why)
{
    struct s3_source *source = arg;
    struct s3_client *with;
    struct s3_page_call call = { .bucket = source->uri.bucket, .prefix = page->prefix, .prefix_size = page->prefix_size,
                                 .delimiter = page->delimiter ? "/" : NULL, .token = page->token, .start_after = page->start_after,
                                 .start_after_size = page->start_after_size };
    int r = client(source, thread, &with, why);
    return r < 0 ? r : s3_client_list(with, &call, on_item, on_item_arg, token, why);
}

/* Of all keys that begin with ours, ours is the first. */
static int is_it(void *arg, const struct s3_item *item)
{
    struct s3_source *source = arg;
    if (source->is_single || item->key_size != source->uri.key_size || memcmp(item->key, source->uri.key, item->key_size))
        return 0;
    source->is_single = true;
    source->single = *item;
    source->single.key = source->uri.key;
    return 0;
}

static int look_for_object(struct s3_source *source, struct why *why)
{
    char token[S3_TOKEN_MAX];
    struct s3_client *with;
    struct s3_page_call call = { .bucket = source->uri.bucket, .prefix = source->uri.key, .prefix_size = source->uri.key_size, .limit = 1 };
    int r = client(source, 0, &with, why);
    return r < 0 ? r : s3_client_list(with, &call, is_it, source, token, why);
}

/* ---- beginning ---- */

static bool is_folder(const struct s3_source *source)
{
    return !source->uri.key_size || source->uri.key[source->uri.key_size - 1] == '/';
}

static int begin_tree(struct s3_source *source, struct why *why)
{
    struct keytree_options options = { .list = list, .arg = source, .threads = THREADS };
    if (source->components) {
        options.pattern = &source->pattern;
        options.prefix = source->uri.key;
        options.prefix_size = pattern_wildcard_at(source->uri.key);
    } else {
        if (asprintf(&source->folder, "%s%s", source->uri.key, is_folder(source) ? "" : "/") < 0) {
            source->folder = NULL;
            return -ENOMEM;
        }
        options.prefix = source->folder;
        options.prefix_size = source->folder_size = strlen(source->folder);
    }
    options.folder_size = source->folder_size;
    options.after = source->after;
    options.after_size = source->after ? strlen(source->after) : 0;
    return keytree_open(&options, &source->tree, why);
}

static int begin(struct s3_source *source, struct why *why)
{
    source->begun = true;
    source->found = source->after != NULL;
    int r = source->components || !is_folder(source) ? look_for_object(source, why) : 0;
    return r < 0 || source->is_single ? r : begin_tree(source, why);
}

/* ---- items ---- */

static int give(struct s3_source *source, const char *key, size_t size, size_t base, uint64_t bytes, const char *etag, struct rec_item *ret,
                struct why *why)
{
    int length = snprintf(source->address, sizeof(source->address), "s3://%s/%.*s", source->uri.bucket, (int)size, key);
    if (length < 0 || (size_t)length >= sizeof(source->address))
        return because(why, -ENAMETOOLONG, "s3://%s: a key of %zu bytes is too long", source->uri.bucket, size);
    size_t bucket = SCHEME_SIZE + strlen(source->uri.bucket) + 1;
    *ret = (struct rec_item){ .uri = { source->address, (uint32_t)length }, .base = (uint32_t)(bucket + base), .size = bytes, .etag = etag };
    source->found++;
    return 1;
}

static int give_single(struct s3_source *source, struct rec_item *ret, struct why *why)
{
    if (source->single_given || source->after)
        return 0;
    source->single_given = true;
    const struct s3_item *single = &source->single;
    return give(source, single->key, single->key_size, path_name(single->key, single->key_size), single->size, single->etag, ret, why);
}

static int nothing_found(const struct s3_source *source, struct why *why)
{
    if (source->components)
        return because(why, -ENOENT, "%.500s: no object matches this pattern; look at its spelling, and end it with /** to have all that is below", source->arg);
    if (is_folder(source))
        return because(why, -ENOENT, "%.500s: no object has this prefix; look at its spelling", source->arg);
    return because(why, -ENOENT, "%.500s: neither an object nor a folder of objects; to have all whose names begin like this, add **", source->arg);
}

static int next(void *state, struct rec_item *ret, struct why *why)
{
    struct s3_source *source = state;
    struct keytree_key key;
    int r = source->begun ? 0 : begin(source, why);
    if (r < 0)
        return r;
    if (source->is_single)
        return give_single(source, ret, why);
    r = keytree_next(source->tree, &key, why);
    if (r > 0)
        return give(source, key.key, key.size, source->folder_size, key.bytes, key.etag, ret, why);
    return r < 0 || source->found ? r : nothing_found(source, why);
}

static int go_on(void *state, const char *uri, struct why *why)
{
    struct s3_source *source = state;
    size_t bucket = SCHEME_SIZE + strlen(source->uri.bucket) + 1;
    if (strlen(uri) < bucket || strncmp(uri, source->arg, bucket))
        return because(why, -EBADMSG, "%.500s: the job's list goes on behind %.500s, which is not in it", source->arg, uri);
    source->after = strdup(uri + bucket);
    return source->after ? 1 : because(why, -ENOMEM, "%.500s: out of memory", source->arg);
}

const struct source_kind source_s3 = { takes, open_s3, next, close_s3, go_on, true };
