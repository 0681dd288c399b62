#include "coordinator/source/source.h"

#include "common/cleanup.h"
#include "common/log.h"
#include "common/s3/uri.h"
#include "coordinator/source/kind.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

/* In the order in which they are asked: a real file's name wins over reading it as a pattern. */
static const struct source_kind *const kinds[] = {
    &source_s3, &source_sim, &source_list, &source_url, &source_folder, &source_file, &source_glob,
};

struct part {
    const struct source_kind *kind;
    void *state; /* NULL: done */
    uint64_t items;
};

struct source {
    struct source_context context;
    struct filter filter;
    int count, at;
    struct part part[];
};

DEFINE_FREEP(source_close, struct source)

static void close_part(struct part *part)
{
    if (part->state)
        part->kind->close(part->state);
    part->state = NULL;
}

void source_close(struct source *source)
{
    if (!source)
        return;
    for (int i = 0; i < source->count; i++)
        close_part(&source->part[i]);
    closep(&source->context.interrupt_fd);
    free(source);
}

/* Other schemes are nobody's. */
static int refuse_scheme(const char *arg, struct why *why)
{
    struct rec_item item;
    return s3_uri_is(arg, strlen(arg)) ? 0 : source_remote(arg, &item, why);
}

static const struct source_kind *kind_of(const char *arg)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (kinds[i]->takes(arg))
            return kinds[i];
    return NULL;
}

static int open_part(struct source *source, const char *arg, struct part *part, struct why *why)
{
    int r = refuse_scheme(arg, why);
    if (r < 0)
        return r;
    errno = 0;
    part->kind = kind_of(arg);
    if (!part->kind)
        return because(why, !*arg ? -EINVAL : errno ? -errno : -ENOENT, "%.500s: %s; give a folder, a file, a pattern, s3://BUCKET/..., a URL, @LIST or sim:N", arg,
                       *arg ? strerror(errno ? errno : ENOENT) : "an empty SOURCE");
    r = part->kind->open(arg, &source->context, &part->state, why);
    return r == -ENOMEM ? because(why, r, "%.500s: out of memory", arg) : r;
}

int source_open(char *const *args, int count, const struct source_options *options, struct source **ret, struct why *why)
{
    if (count < 1)
        return because(why, -EINVAL, "no SOURCE; give a folder, a file, a pattern, s3://BUCKET/..., @LIST or sim:N");
    CLEANUP(source_closep) struct source *source = calloc(1, sizeof(*source) + (size_t)count * sizeof(struct part));
    if (!source)
        return because(why, -ENOMEM, "%.500s: out of memory", args[0]);
    source->context.interrupt_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (source->context.interrupt_fd < 0)
        return because(why, -errno, "reading sources: %s", strerror(errno));
    source->context.null_separated = options->null_separated;
    source->context.s3 = options->s3;
    source->filter = options->filter;
    source->context.filter = &source->filter;
    if (!getcwd(source->context.cwd, sizeof(source->context.cwd)))
        source->context.cwd[0] = '\0';
    source->count = count;
    for (int i = 0; i < count; i++) {
        int r = open_part(source, args[i], &source->part[i], why);
        if (r < 0)
            return r;
    }
    *ret = take(source);
    return 0;
}

static bool is_wanted(const struct source *source, const struct rec_item *item)
{
    return filter_wants(&source->filter, item->uri.data + item->base, item->uri.size - item->base);
}

int source_next(struct source *source, struct rec_item *ret, struct why *why)
{
    while (source->at < source->count) {
        struct part *part = &source->part[source->at];
        int r = part->kind->next(part->state, ret, why);
        bool wanted = r > 0 && is_wanted(source, ret);
        part->items += wanted;
        if (r < 0 || wanted)
            return r;
        if (r > 0) {
            source->context.unwanted++;
            continue;
        }
        close_part(part);
        source->at++;
    }
    return 0;
}

uint32_t source_part(const struct source *source)
{
    return (uint32_t)source->at;
}

uint64_t source_part_items(const struct source *source)
{
    return source->at < source->count ? source->part[source->at].items : 0;
}

bool source_part_in_order(const struct source *source)
{
    return source->at < source->count && source->part[source->at].kind->in_order;
}

void source_begin_with(struct source *source, uint32_t part)
{
    for (; source->at < source->count && (uint32_t)source->at < part; source->at++)
        close_part(&source->part[source->at]);
}

int source_go_on(struct source *source, const char *uri, uint64_t items, struct why *why)
{
    struct part *part = source->at < source->count ? &source->part[source->at] : NULL;
    if (!part || !part->kind->go_on)
        return 0;
    int r = part->kind->go_on(part->state, uri, why);
    if (r > 0)
        part->items = items;
    return r;
}

void source_interrupt(struct source *source)
{
    uint64_t one = 1;
    ssize_t written = write(source->context.interrupt_fd, &one, sizeof(one));
    (void)written;
}

void source_skip(struct source_context *context, const char *path)
{
    if (context->skipped++ == 0)
        strncpy(context->first_skipped, path, sizeof(context->first_skipped) - 1);
}

void source_leave_out(struct source_context *context, const char *folder)
{
    if (!context->told_job)
        log_info("%.600s: jobs have been run here; the files that they wrote are left out of the list", folder);
    context->told_job = true;
}

uint64_t source_skipped(const struct source *source, const char **ret_first)
{
    if (ret_first)
        *ret_first = source->context.skipped ? source->context.first_skipped : NULL;
    return source->context.skipped;
}

uint64_t source_unwanted(const struct source *source)
{
    return source->context.unwanted;
}

struct rec_item source_item(const char *path, size_t size, size_t base)
{
    return (struct rec_item){ .uri = { path, (uint32_t)size }, .base = (uint32_t)base, .etag = "" };
}
