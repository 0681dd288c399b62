#include "coordinator/lister.h"

#include "common/redact.h"
#include "common/thread.h"
#include "coordinator/source/source.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

struct lister {
    struct mail mail;
    const struct spec *spec;
    struct store *store;
    struct mailbox *box;
    struct source *source;
    struct thread thread;
    atomic_bool stopping;
    uint64_t skip, next_image, next_batch;
    char *last_uri; /* of the images to skip */
    int result;
    struct why why;
};

/* Items of the batch being made, encoded one by one would need a count in front: they are copied until the batch is full. */
struct gathering {
    struct rec_item *items;
    uint32_t count;
    struct arena arena;
};

static int keep_item(struct gathering *batch, const struct rec_item *item)
{
    struct rec_item *copy = &batch->items[batch->count];
    *copy = *item;
    char *uri = arena_take(&batch->arena, (size_t)item->uri.size + 1);
    if (!uri)
        return -ENOMEM;
    memcpy(uri, item->uri.data, item->uri.size);
    copy->uri.data = uri;
    copy->etag = arena_text(&batch->arena, item->etag);
    if (!copy->etag)
        return -ENOMEM;
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
    int r = items_encode(batch->items, batch->count, &request->data);
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

static int has_changed(struct lister *lister)
{
    struct bytes shown;
    bytes_init(&shown, 2 * LIMIT_URI);
    if (lister->last_uri)
        uri_redact(&shown, lister->last_uri, strlen(lister->last_uri));
    int r = because(&lister->why, -ESTALE, "the sources have changed since this job began to list them: %s is not where it was; begin a new job",
                    shown.size ? shown.data : "an image");
    bytes_done(&shown);
    return r;
}

static int skip_item(struct lister *lister, const struct rec_item *item)
{
    if (--lister->skip == 0 && lister->last_uri &&
        (strlen(lister->last_uri) != item->uri.size || memcmp(lister->last_uri, item->uri.data, item->uri.size)))
        return has_changed(lister);
    return 0;
}

static int list_all(struct lister *lister, struct gathering *batch)
{
    struct rec_item item;
    int r;
    while ((r = source_next(lister->source, &item, &lister->why)) > 0) {
        if (atomic_load_explicit(&lister->stopping, memory_order_relaxed))
            return -ECANCELED;
        if (lister->skip) {
            r = skip_item(lister, &item);
            if (r < 0)
                return r;
            continue;
        }
        r = keep_item(batch, &item);
        if (r == 0 && batch->count == (uint32_t)lister->spec->batch)
            r = post_batch(lister, batch);
        if (r < 0)
            return because(&lister->why, r, "listing: %s", strerror(-r));
    }
    if (r < 0)
        return r;
    if (lister->skip)
        return has_changed(lister);
    if (!lister->next_image && !batch->count)
        return because(&lister->why, -ENOENT, "no images: the sources are empty");
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
            store_post(lister->store, request);
        else
            lister->result = because(&lister->why, -ENOMEM, "listing: out of memory");
    }
    mailbox_post(lister->box, &lister->mail);
}

int lister_start(const struct spec *spec, struct store *store, struct mailbox *box, const struct lister_start *from, struct lister **ret,
                 struct why *why)
{
    struct lister *lister = calloc(1, sizeof(*lister));
    if (!lister)
        return because(why, -ENOMEM, "listing: out of memory");
    lister->spec = spec;
    lister->store = store;
    lister->box = box;
    lister->mail.kind = MAIL_LISTER;
    lister->skip = lister->next_image = from->images;
    lister->next_batch = from->batches;
    lister->last_uri = from->last_uri ? strdup(from->last_uri) : NULL;
    int r = source_open(spec->sources, spec->source_count, spec->null_separated, &lister->source, why);
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
    free(lister->last_uri);
    free(lister);
}

int lister_result(const struct lister *lister, const struct why **ret_why)
{
    *ret_why = &lister->why;
    return lister->result;
}

uint64_t lister_skipped(const struct lister *lister, const char **ret_first)
{
    return source_skipped(lister->source, ret_first);
}
