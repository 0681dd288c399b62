#include "coordinator/refusals.h"

#include "common/counted.h"
#include "common/s3/uri.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define ENOUGH 500 /* images */

/* Denied, or missing where it was seen: in a bucket, or in a folder here that workers do not have. A web address that leads nowhere is that image's own
 * trouble, and so is a file of somebody's list. */
static bool is_refused(const struct run_plan *plan, const struct rec_item *item, const struct rec_row *row)
{
    bool is_local = item->uri.size && item->uri.data[0] == '/';
    if (is_local)
        return !spec_has_list(plan->spec) && !plan->local; /* workers here see what is listed here */
    return row->error == ROW_DENIED || s3_uri_is(item->uri.data, item->uri.size);
}

static bool has_error_in_each(const struct msg_result *result)
{
    uint32_t i = 0;
    while (i < result->rows_count && (result->rows[i].error == ROW_DENIED || result->rows[i].error == ROW_NOT_FOUND))
        i++;
    return i == result->rows_count;
}

static bool refuses_all(const struct run_plan *plan, const struct batch *batch, const struct msg_result *result)
{
    struct rec_item *items;
    struct arena arena;
    uint32_t count = 0, refused = 0;
    if (!has_error_in_each(result))
        return false;
    arena_init(&arena, SIZE_MAX / 2);
    if (items_decode(batch->stored->items, batch->stored->size, &arena, &items, &count) == 0 && count == result->rows_count)
        while (refused < count && is_refused(plan, &items[refused], &result->rows[refused]))
            refused++;
    arena_done(&arena);
    return count && refused == count;
}

/* Nothing but refused batches is with the nodes, and they take no more, or there are no more. */
static bool nothing_else_comes(const struct coordinator *c)
{
    for (const struct node *node = c->nodes; node; node = node->next)
        for (const struct batch_hold *hold = node->holds; hold; hold = hold->next)
            if (!hold->batch->refused)
                return false;
    return c->batches.queue.count || (c->listed && c->load_next >= c->counts.batches);
}

bool refusals_hold(struct coordinator *c, struct batch *batch, const struct msg_result *result)
{
    if (c->trusted || c->counts.done_batches || !refuses_all(c->plan, batch, result)) {
        c->trusted = true; /* the store gives something to somebody */
        return false;
    }
    if (!batch->refused)
        c->refused_images += batch->count;
    batch->refused = true;
    if (c->refused_images >= ENOUGH || nothing_else_comes(c))
        coordinator_fail(c, -EACCES, "%s%s refused (%s), so nothing was kept; the first of the last ones: %s",
                         c->refused_images == 1 ? "" : "all ", COUNTED(c->refused_images, "image asked for so far is", "images asked for so far are"), row_error_name(result->rows[0].error), result->rows[0].detail);
    return true;
}
