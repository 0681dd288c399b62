#include "coordinator/lister.h"

#include "common/cleanup.h"
#include "common/counted.h"
#include "common/log.h"
#include "common/redact.h"
#include "common/thread.h"
#include "coordinator/shown.h"
#include "coordinator/source/source.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#define MAX_NAMED 4 /* sources in a sentence */

struct lister {
    struct mail mail;
    const struct spec *spec;
    struct store *store;
    struct mailbox *box;
    struct source *source;
    struct thread thread;
    atomic_bool stopping;
    uint64_t next_image, next_batch;
    uint64_t skipped_again; /* by this run, in front of the place where it goes on: counted before */
    struct lister_place from;
    int result;
    struct why why;
};

/* Items of the batch being made, encoded one by one would need a count in front: they are copied until the batch is full. */
struct gathering {
    struct rec_item *items;
    uint32_t count;
    uint32_t source; /* of the last item, and its number there */
    uint64_t at;
    uint64_t skipped; /* up to it */
    struct arena arena;
};

static uint64_t skipped_by_now(const struct lister *lister)
{
    return lister->from.skipped + source_skipped(lister->source, NULL) - lister->skipped_again;
}

static int keep_item(const struct lister *lister, struct gathering *batch, const struct rec_item *item)
{
    const struct source *source = lister->source;
    struct rec_item *copy = &batch->items[batch->count];
    *copy = *item;
    size_t etag_size = strlen(item->etag) + 1;
    char *text = arena_take(&batch->arena, item->uri.size + etag_size);
    if (!text)
        return -ENOMEM;
    memcpy(text, item->uri.data, item->uri.size);
    memcpy(text + item->uri.size, item->etag, etag_size);
    copy->uri.data = text;
    copy->etag = text + item->uri.size;
    batch->source = source_part(source);
    batch->at = source_part_items(source);
    batch->skipped = skipped_by_now(lister);
    batch->count++;
    return 0;
}

static int post_batch(struct lister *lister, struct gathering *batch)
{
    struct store_request *request = store_request_new(STORE_ADD_BATCH, SIZE_MAX / 2);
    if (!request)
        return -ENOMEM;
    request->id = lister->next_batch++;
    request->first = lister->next_image;
    request->count = batch->count;
    request->source = batch->source;
    request->at = batch->at;
    request->skipped = batch->skipped;
    int r = shown_encode(batch->items, batch->count, &request->data, &request->whole);
    if (r < 0) {
        store_request_free(request);
        return r;
    }
    lister->next_image += batch->count;
    store_post_batch(lister->store, request);
    batch->count = 0;
    arena_done(&batch->arena);
    return 0;
}

int lister_open_sources(const struct spec *spec, struct s3_session *s3, struct source **ret, struct why *why)
{
    struct source_options options = { .null_separated = spec->null_separated, .s3 = s3,
                                      .filter = { spec->include, spec->exclude, spec->include_count, spec->exclude_count, (uint32_t)spec->sample } };
    return source_open(spec->sources, spec->source_count, &options, ret, why);
}

/* ---- going on with a list ---- */

static const char *show(const char *uri, size_t size, char text[256])
{
    uri_show(text, 256, uri, size, "");
    return text;
}

static int has_changed(struct lister *lister, const struct rec_item *now)
{
    const struct lister_place *from = &lister->from;
    const char *source = from->source < (uint32_t)lister->spec->source_count ? lister->spec->sources[from->source] : "?";
    bool standard_input = !strcmp(source, "@-");
    char texts[3][256];
    return because(&lister->why, -ESTALE, "%.200s: has changed since this job began to list it: entry %" PRIu64 " was %.200s, now it is %.200s; %s, or begin a "
                   "new job", show(source, strlen(source), texts[0]), from->at, show(from->uri, strlen(from->uri), texts[1]),
                   now ? show(now->uri.data, now->uri.size, texts[2]) : "not there",
                   standard_input ? "give resume the same list on its standard input" : "put the old one back");
}

/* < 0, 0, > 0: the item stands before the last one listed, is it, stands behind it. Of that one we have only what may be shown; so a list with new
 * signatures is the same list. */
static int compare(const struct rec_item *item, const char *uri)
{
    struct bytes shown;
    bytes_init(&shown, (size_t)2 * LIMIT_URI);
    const char *now = uri_redact(&shown, item->uri.data, item->uri.size) == 0 && shown.size ? shown.data : item->uri.data;
    size_t size = strlen(uri), now_size = now == shown.data ? shown.size : item->uri.size, common = now_size < size ? now_size : size;
    int order = memcmp(now, uri, common);
    bytes_done(&shown);
    return order ? order : (now_size > size) - (now_size < size);
}

static void tell_difference(const struct lister *lister, uint64_t found)
{
    const struct lister_place *from = &lister->from;
    log_warning("%s: has changed since this job began to list it: %s up to %s then, %" PRIu64 " now; those listed then stay in the job, "
                "and the list goes on behind them", lister->spec->sources[from->source], COUNTED(from->at, "image", "images"), from->uri, found);
}

/* Leaves out what an earlier run listed. 1: `ret` is the first item behind it; 0: there is none; or negative errno. */
static int skip_listed(struct lister *lister, struct rec_item *ret)
{
    const struct lister_place *from = &lister->from;
    if (!from->uri)
        return source_next(lister->source, ret, &lister->why);
    source_begin_with(lister->source, from->source);
    int r = source_go_on(lister->source, from->uri, from->at, &lister->why);
    lister->skipped_again = source_skipped(lister->source, NULL);
    if (r)
        return r < 0 ? r : source_next(lister->source, ret, &lister->why);
    bool in_order = source_part_in_order(lister->source);
    uint64_t found = 0; /* up to the place */
    while ((r = source_next(lister->source, ret, &lister->why)) > 0 && source_part(lister->source) == from->source) {
        if (atomic_load_explicit(&lister->stopping, memory_order_relaxed))
            return -ECANCELED;
        if (in_order ? compare(ret, from->uri) > 0 : found == from->at)
            break;
        found++;
        lister->skipped_again = source_skipped(lister->source, NULL);
        if (!in_order && found == from->at && compare(ret, from->uri))
            return has_changed(lister, ret);
    }
    if (r < 0 || found == from->at)
        return r;
    if (!in_order)
        return has_changed(lister, NULL);
    tell_difference(lister, found);
    return r;
}

/* ---- listing ---- */

static void put_patterns(struct bytes *out, const char *option, char *const *patterns, int count)
{
    for (int i = 0; i < count; i++)
        bytes_printf(out, " %s '%s'", option, patterns[i]);
}

static int all_are_empty(const struct spec *spec, struct why *why)
{
    CLEANUP(bytes_done) struct bytes names;
    char text[256];
    int named = spec->source_count < MAX_NAMED ? spec->source_count : MAX_NAMED;
    bytes_init(&names, 65536);
    for (int i = 0; i < named; i++)
        bytes_printf(&names, "%s%.200s", i == 0 ? "" : i + 1 < spec->source_count ? ", " : " and ", show(spec->sources[i], strlen(spec->sources[i]), text));
    if (named < spec->source_count)
        bytes_printf(&names, " and %d more", spec->source_count - named);
    return because(why, -ENOENT, "no images: nothing was found in %s; give a folder, list or prefix that has some",
                   bytes_error(&names) ? "the sources" : names.data);
}

static int found_nothing(struct lister *lister)
{
    const struct spec *spec = lister->spec;
    uint64_t unwanted = source_unwanted(lister->source);
    if (!unwanted)
        return all_are_empty(spec, &lister->why);
    struct bytes patterns;
    bytes_init(&patterns, 1 << 20);
    put_patterns(&patterns, "--include", spec->include, spec->include_count);
    put_patterns(&patterns, "--exclude", spec->exclude, spec->exclude_count);
    if (spec->sample)
        bytes_printf(&patterns, " --sample %" PRId64, spec->sample);
    int r = because(&lister->why, -ENOENT, "no images: %s, and none %s%.300s%s", COUNTED(unwanted, "file", "files"),
                    spec->exclude_count || spec->sample ? "is left by" : "matches", bytes_error(&patterns) ? " --include" : patterns.data,
                    spec->include_count || spec->exclude_count ? "; a pattern is held against the path below the source" : "");
    bytes_done(&patterns);
    return r;
}

/* --limit: what the job has is enough. */
static bool is_full(const struct lister *lister, const struct gathering *batch)
{
    return lister->spec->limit && lister->next_image + batch->count >= (uint64_t)lister->spec->limit;
}

static int list_all(struct lister *lister, struct gathering *batch)
{
    struct rec_item item;
    int r = is_full(lister, batch) ? 0 : skip_listed(lister, &item);
    for (; r > 0; r = is_full(lister, batch) ? 0 : source_next(lister->source, &item, &lister->why)) {
        if (atomic_load_explicit(&lister->stopping, memory_order_relaxed))
            return -ECANCELED;
        r = keep_item(lister, batch, &item);
        if (r == 0 && batch->count == (uint32_t)lister->spec->batch)
            r = post_batch(lister, batch);
        if (r < 0)
            return because(&lister->why, r, "listing: %s", strerror(-r));
    }
    if (r < 0)
        return r;
    if (!lister->next_image && !batch->count)
        return found_nothing(lister);
    r = batch->count ? post_batch(lister, batch) : 0;
    return r < 0 ? because(&lister->why, r, "listing: %s", strerror(-r)) : 0;
}

static void run(void *arg)
{
    struct lister *lister = arg;
    struct gathering batch = { .items = calloc((size_t)lister->spec->batch, sizeof(struct rec_item)) };
    arena_init(&batch.arena, SIZE_MAX / 2);
    lister->result = batch.items ? list_all(lister, &batch) : because(&lister->why, -ENOMEM, "listing: out of memory");
    arena_done(&batch.arena);
    free(batch.items);
    if (lister->result == 0) {
        struct store_request *request = store_request_new(STORE_LISTED, 0);
        if (request)
            request->skipped = skipped_by_now(lister);
        if (request)
            store_post(lister->store, request);
        else
            lister->result = because(&lister->why, -ENOMEM, "listing: out of memory");
    }
    mailbox_post(lister->box, &lister->mail);
}

static int keep_place(void *arg, const struct db_batch *batch, struct why *why)
{
    struct lister_place *place = arg;
    struct arena arena;
    struct rec_item *items;
    uint32_t count = 0;
    arena_init(&arena, SIZE_MAX / 2);
    int r = items_decode(batch->items, batch->items_size, &arena, &items, &count);
    if (r == 0 && count)
        place->uri = strdup(items[count - 1].uri.data);
    arena_done(&arena);
    if (r < 0 || !count)
        return because(why, r == -ENOMEM ? r : -EBADMSG, "job.db: batch %" PRIu64 " cannot be read", batch->id);
    place->images = batch->first + batch->count;
    place->batches = batch->id + 1;
    place->source = batch->source;
    place->at = batch->at;
    return place->uri ? 0 : because(why, -ENOMEM, "listing: out of memory");
}

int lister_place_read(struct db *db, struct lister_place *ret, struct why *why)
{
    *ret = (struct lister_place){ .skipped = db_get_number(db, "skipped") };
    return db_last(db, keep_place, ret, why);
}

void lister_place_done(struct lister_place *place)
{
    freep(&place->uri);
}

int lister_start(const struct spec *spec, struct s3_session *s3, struct store *store, struct mailbox *box, struct lister_place *from,
                 struct lister **ret, struct why *why)
{
    struct lister *lister = calloc(1, sizeof(*lister));
    if (!lister) {
        lister_place_done(from);
        return because(why, -ENOMEM, "listing: out of memory");
    }
    lister->from = *from;
    from->uri = NULL;
    lister->spec = spec;
    lister->store = store;
    lister->box = box;
    lister->mail.kind = MAIL_LISTER;
    lister->next_image = from->images;
    lister->next_batch = from->batches;
    int r = lister_open_sources(spec, s3, &lister->source, why);
    if (r == 0) {
        r = thread_start(&lister->thread, "list", run, lister);
        if (r < 0)
            because(why, r, "listing: no thread: %s", strerror(-r));
    }
    if (r < 0) {
        lister_free(lister);
        return r;
    }
    *ret = lister;
    return 0;
}

void lister_stop(struct lister *lister)
{
    if (!lister)
        return;
    atomic_store(&lister->stopping, true);
    if (lister->source)
        source_interrupt(lister->source);
    thread_join(&lister->thread);
}

void lister_free(struct lister *lister)
{
    if (!lister)
        return;
    lister_stop(lister);
    source_close(lister->source);
    lister_place_done(&lister->from);
    free(lister);
}

int lister_result(const struct lister *lister, const struct why **ret_why)
{
    *ret_why = &lister->why;
    return lister->result;
}

uint64_t lister_skipped(const struct lister *lister, const char **ret_first)
{
    *ret_first = NULL;
    source_skipped(lister->source, ret_first);
    return skipped_by_now(lister);
}
