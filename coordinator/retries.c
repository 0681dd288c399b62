#include "coordinator/retries.h"

#include "common/bytes.h"
#include "coordinator/exported.h"
#include "coordinator/shown.h"
#include "coordinator/tally.h"
#include "proto/messages.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* ---- places: where a row belongs, as the database keeps it ---- */

struct place {
    uint64_t batch;
    uint32_t index;
};

#define PLACE_SIZE 12 /* both numbers, little-endian */

static int put_place(struct bytes *out, struct place place)
{
    unsigned char at[PLACE_SIZE];
    for (int i = 0; i < 8; i++)
        at[i] = (unsigned char)(place.batch >> (8 * i));
    for (int i = 0; i < 4; i++)
        at[8 + i] = (unsigned char)(place.index >> (8 * i));
    return bytes_append(out, at, sizeof(at));
}

static struct place get_place(const unsigned char *places, uint32_t i)
{
    const unsigned char *at = places + (size_t)i * PLACE_SIZE;
    struct place place = { 0 };
    for (int j = 0; j < 8; j++)
        place.batch |= (uint64_t)at[j] << (8 * j);
    for (int j = 0; j < 4; j++)
        place.index |= (uint32_t)at[8 + j] << (8 * j);
    return place;
}

/* ---- planning ---- */

struct plan {
    struct db *db;
    uint64_t next_id, images;
    uint32_t batch, count;
    struct rec_item *items; /* NULL: they are only counted */
    struct arena texts; /* of the items */
    struct bytes places;
};

static int out_of_memory(struct why *why)
{
    return because(why, -ENOMEM, "the retry: out of memory");
}

static int damaged(uint64_t batch, struct why *why)
{
    return because(why, -EBADMSG, "job.db: batch %" PRIu64 " is damaged; put a copy of the whole job folder back, or begin a new job", batch);
}

static int flush(struct plan *plan, struct why *why)
{
    struct bytes items, whole;
    bytes_init(&items, SIZE_MAX / 2);
    bytes_init(&whole, SIZE_MAX / 2);
    int r = shown_encode(plan->items, plan->count, &items, &whole);
    if (r == 0)
        r = bytes_error(&plan->places);
    struct db_retry retry = { .id = plan->next_id++, .count = plan->count, .items = items.data, .items_size = items.size,
                              .places = plan->places.data, .places_size = plan->places.size };
    r = r < 0 ? out_of_memory(why) : db_add_retry(plan->db, &retry, why);
    if (r == 0 && whole.size)
        r = db_keep_private(plan->db, (int64_t)retry.id, whole.data, whole.size, why);
    bytes_done(&items);
    bytes_done(&whole);
    bytes_clear(&plan->places);
    arena_done(&plan->texts);
    plan->images += plan->count;
    plan->count = 0;
    return r;
}

static int add_item(struct plan *plan, const struct rec_item *item, struct place place, struct why *why)
{
    if (!plan->items) {
        plan->images++;
        return 0;
    }
    struct rec_item *copy = &plan->items[plan->count];
    char *uri = arena_take(&plan->texts, (size_t)item->uri.size + 1), *etag = arena_take(&plan->texts, strlen(item->etag) + 1);
    if (!uri || !etag || put_place(&plan->places, place) < 0)
        return out_of_memory(why);
    *copy = *item;
    memcpy(uri, item->uri.data, item->uri.size);
    copy->uri.data = uri;
    copy->etag = strcpy(etag, item->etag);
    return ++plan->count == plan->batch ? flush(plan, why) : 0;
}

static int plan_rows(struct plan *plan, const struct db_batch *batch, struct arena *arena, struct why *why)
{
    struct rec_item *items;
    struct rec_row *rows;
    CLEANUP(freep) void *whole = NULL;
    size_t size = batch->items_size;
    uint32_t item_count = 0, row_count = 0;
    int r = plan->items ? db_get_private(plan->db, (int64_t)batch->id, &whole, &size, why) : -ENOENT;
    if (r < 0 && r != -ENOENT)
        return r;
    r = items_decode(whole ? whole : batch->items, size, arena, &items, &item_count);
    if (r == 0)
        r = rows_decode(batch->rows, batch->rows_size, arena, &rows, &row_count);
    if (r == -ENOMEM)
        return out_of_memory(why);
    if (r < 0 || item_count != row_count)
        return damaged(batch->id, why);
    for (uint32_t i = 0; i < item_count && r == 0; i++)
        if (rows[i].error && failure_retryable((enum row_error)rows[i].error))
            r = add_item(plan, &items[i], (struct place){ batch->id, i }, why);
    return r;
}

static int plan_batch(void *arg, const struct db_batch *batch, struct why *why)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX / 2);
    int r = plan_rows(arg, batch, &arena, why);
    arena_done(&arena);
    return r;
}

static int plan_all(struct plan *plan, struct why *why)
{
    int r = db_forget_private(plan->db, plan->next_id, why);
    if (r == 0)
        r = db_begin(plan->db, why);
    if (r == 0)
        r = db_forget_retries(plan->db, why);
    if (r == 0)
        r = db_walk_failed(plan->db, plan_batch, plan, why);
    if (r == 0 && plan->count)
        r = flush(plan, why);
    if (r == 0 && plan->images)
        r = exported_forget(plan->db, why);
    return r < 0 ? r : db_commit(plan->db, why);
}

int retries_count(struct db *db, uint64_t *ret_images, struct why *why)
{
    struct plan plan = { .db = db };
    int r = db_walk_failed(db, plan_batch, &plan, why);
    *ret_images = plan.images;
    return r;
}

int retries_plan(struct db *db, uint32_t batch, uint64_t *ret_images, struct why *why)
{
    struct db_counts counts;
    struct plan plan = { .db = db, .batch = batch };
    int r = db_count(db, &counts, why);
    if (r < 0)
        return r;
    plan.next_id = counts.batches;
    plan.items = calloc(batch, sizeof(*plan.items));
    if (!plan.items)
        return out_of_memory(why);
    arena_init(&plan.texts, SIZE_MAX / 2);
    bytes_init(&plan.places, SIZE_MAX / 2);
    r = plan_all(&plan, why);
    arena_done(&plan.texts);
    bytes_done(&plan.places);
    free(plan.items);
    if (r == 0)
        *ret_images = plan.images;
    return r;
}

/* ---- rows that come back ---- */

/* What is to be put into the batches that it came from. */
struct taken {
    const unsigned char *places;
    const struct rec_row *rows;
    uint32_t count;
};

static uint32_t count_errors(const struct rec_row *rows, uint32_t count)
{
    uint32_t errors = 0;
    for (uint32_t i = 0; i < count; i++)
        errors += rows[i].error != ROW_OK;
    return errors;
}

/* The places from `from` on that are in one batch. `ret_next` is the first that is not. */
static int replace(struct db *db, const struct taken *taken, uint32_t from, uint32_t *ret_next, struct arena *arena, struct bytes *out, struct why *why)
{
    uint64_t batch = get_place(taken->places, from).batch;
    CLEANUP(freep) void *old = NULL;
    struct rec_row *rows;
    uint32_t count;
    size_t size;
    int r = db_get_rows(db, batch, &old, &size, why);
    if (r < 0)
        return r;
    r = rows_decode(old, size, arena, &rows, &count);
    if (r < 0)
        return r == -ENOMEM ? out_of_memory(why) : damaged(batch, why);
    for (*ret_next = from; *ret_next < taken->count; (*ret_next)++) {
        struct place place = get_place(taken->places, *ret_next);
        if (place.batch != batch)
            break;
        if (place.index >= count)
            return damaged(batch, why);
        rows[place.index] = taken->rows[*ret_next];
    }
    if (rows_encode(rows, count, out) < 0)
        return out_of_memory(why);
    return db_set_rows(db, batch, out->data, out->size, count_errors(rows, count), why);
}

static int replace_all(struct db *db, const struct taken *taken, struct why *why)
{
    int r = 0;
    for (uint32_t i = 0; i < taken->count && r == 0;) {
        struct arena arena;
        struct bytes out;
        arena_init(&arena, SIZE_MAX / 2);
        bytes_init(&out, SIZE_MAX / 2);
        r = replace(db, taken, i, &i, &arena, &out, why);
        bytes_done(&out);
        arena_done(&arena);
    }
    return r;
}

int retries_take(struct db *db, uint64_t id, const void *rows, size_t size, struct why *why)
{
    CLEANUP(freep) void *places = NULL;
    struct rec_row *decoded;
    struct taken taken;
    struct arena arena;
    size_t places_size;
    int r = db_get_retry(db, id, &places, &places_size, why);
    if (r < 0)
        return r;
    r = db_retry_done(db, id, why);
    if (r <= 0)
        return r;
    arena_init(&arena, SIZE_MAX / 2);
    r = rows_decode(rows, size, &arena, &decoded, &taken.count);
    if (r == 0 && taken.count != places_size / PLACE_SIZE)
        r = -EBADMSG;
    taken.places = places;
    taken.rows = decoded;
    r = r == -ENOMEM ? out_of_memory(why) : r < 0 ? damaged(id, why) : replace_all(db, &taken, why);
    arena_done(&arena);
    return r < 0 ? r : 1;
}
