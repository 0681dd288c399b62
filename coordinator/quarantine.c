#include "coordinator/quarantine.h"

#include "common/cleanup.h"
#include "common/counted.h"

#include <errno.h>
#include <string.h>

#define DEATHS_TOGETHER 3 /* that make a batch suspect as a whole */
#define DEATHS_ALONE    6 /* that convict without a name */
#define BLAMES          2 /* that convict */
#define BLAMES_AMIDST   3 /* where others died meanwhile: whatever killed those may have killed these */

void split_free(struct split *split)
{
    if (!split)
        return;
    arena_done(&split->arena);
    free(split->rows);
    free(split);
}

static int split_new(uint32_t count, struct split **ret)
{
    struct split *split = calloc(1, sizeof(*split));
    if (!split)
        return -ENOMEM;
    arena_init(&split->arena, SIZE_MAX / 2);
    split->missing = count;
    split->rows = calloc(count, sizeof(*split->rows));
    if (!split->rows) {
        split_free(split);
        return -ENOMEM;
    }
    *ret = split;
    return 0;
}

/* ---- splitting ---- */

bool quarantine_wants(const struct batch *batch)
{
    return !batch_is_alone(batch) && (batch->suspects || batch->deaths >= DEATHS_TOGETHER);
}

static int encode(uint64_t id, const struct rec_item *items, uint32_t count, struct store_batch **ret)
{
    CLEANUP(bytes_done) struct bytes bytes;
    bytes_init(&bytes, SIZE_MAX / 2);
    int r = items_encode(items, count, &bytes);
    if (r < 0)
        return r;
    struct store_batch *stored = malloc(sizeof(*stored) + bytes.size);
    if (!stored)
        return -ENOMEM;
    *stored = (struct store_batch){ .id = id, .count = count, .size = bytes.size };
    memcpy(stored->items, bytes.data, bytes.size);
    *ret = stored;
    return 0;
}

/* `places`: in the whole. */
static int add_piece(struct batches *batches, struct batch *whole, const struct rec_item *items, const uint32_t *places, uint32_t count, bool alone)
{
    struct store_batch *stored;
    struct batch *batch;
    int r = encode(batches->next_piece, items, count, &stored);
    if (r < 0)
        return r;
    struct piece *piece = calloc(1, sizeof(*piece) + count * sizeof(places[0]));
    if (!piece) {
        free(stored);
        return -ENOMEM;
    }
    piece->whole = whole;
    piece->alone = alone;
    memcpy(piece->places, places, count * sizeof(places[0]));
    r = batches_add_piece(batches, stored, piece, &batch);
    if (r < 0)
        return r;
    batches->next_piece++;
    piece->next = whole->split->pieces;
    whole->split->pieces = batch;
    batches_requeue(batches, batch);
    return 0;
}

static void remove_piece(struct batches *batches, struct batch *batch)
{
    struct batch **at = &batch->piece->whole->split->pieces;
    while (*at != batch)
        at = &(*at)->piece->next;
    *at = batch->piece->next;
    batches_remove(batches, batch);
}

static int cut(struct batches *batches, struct batch *batch, struct batch *whole, struct rec_item *items)
{
    CLEANUP(freep) uint32_t *rest = calloc(batch->count, sizeof(*rest));
    uint32_t left = 0;
    int r = rest ? 0 : -ENOMEM;
    for (uint32_t i = 0; i < batch->count && r == 0; i++) {
        uint32_t place = batch->piece ? batch->piece->places[i] : i;
        if (!batch->suspects || batch->suspects[i])
            r = add_piece(batches, whole, &items[i], &place, 1, true);
        else {
            items[left] = items[i];
            rest[left++] = place;
        }
    }
    return r == 0 && left ? add_piece(batches, whole, items, rest, left, false) : r;
}

int quarantine_split(struct batches *batches, struct batch *batch)
{
    struct batch *whole = batch->piece ? batch->piece->whole : batch;
    struct rec_item *items;
    struct arena arena;
    uint32_t count;
    int r = whole->split ? 0 : split_new(whole->count, &whole->split);
    if (r < 0)
        return r;
    arena_init(&arena, SIZE_MAX / 2);
    r = items_decode(batch->stored->items, batch->stored->size, &arena, &items, &count);
    if (r == 0 && count != batch->count)
        r = -EBADMSG;
    if (r == 0)
        r = cut(batches, batch, whole, items);
    arena_done(&arena);
    if (r < 0)
        return r;
    if (batch->piece)
        remove_piece(batches, batch);
    else
        batch->state = BATCH_SPLIT;
    return 0;
}

/* ---- blame ---- */

/* The piece that has the item now, and its place there. */
static struct batch *find_piece(const struct split *split, uint32_t place, uint32_t *ret_item)
{
    for (struct batch *piece = split->pieces; piece; piece = piece->piece->next)
        for (uint32_t i = 0; i < piece->count; i++)
            if (piece->piece->places[i] == place) {
                *ret_item = i;
                return piece;
            }
    return NULL;
}

bool quarantine_blame(const struct batches *batches, struct batch *batch, const char *stage, const struct node *node)
{
    struct piece *piece = batch->piece;
    if (piece->blames++ == 0)
        piece->first_blame = batches->deaths_amidst;
    piece->killed = node;
    snprintf(piece->stage, sizeof(piece->stage), "%s", stage);
    return piece->blames >= (batches->deaths_amidst > piece->first_blame ? BLAMES_AMIDST : BLAMES);
}

struct batch *quarantine_suspect(struct batches *batches, uint64_t id, uint32_t item, const char *stage, const struct node *node, bool alone)
{
    struct batch *batch = batches_find(batches, id);
    if (!batch || item >= batch->count || batch->state == BATCH_STORING)
        return NULL;
    if (batch_is_alone(batch))
        return alone && quarantine_blame(batches, batch, stage, node) ? batch : NULL;
    if (batch->state == BATCH_SPLIT)
        batch = find_piece(batch->split, item, &item);
    if (batch && !batch_is_alone(batch))
        (void)batch_suspect(batch, item); /* out of memory: the next death will tell */
    return NULL;
}

bool quarantine_is_hopeless(const struct batch *piece)
{
    return piece->deaths >= DEATHS_ALONE;
}

enum row_error quarantine_verdict(const struct batch *piece, char *text, size_t size)
{
    const struct piece *own = piece->piece;
    if (own->blames && !strcmp(own->stage, SUSPECT_ENDLESS)) {
        snprintf(text, size, "its decoder never came back, %s with no other image there; --image-cpu-limit and --stall-timeout say how long is waited",
                 COUNTED(own->blames, "time", "times"));
        return ROW_TIMEOUT;
    }
    if (own->blames)
        snprintf(text, size, "ended its worker %s, or held it up, with no other image there; the last time at stage \"%s\"",
                 COUNTED(own->blames, "time", "times"), own->stage);
    else
        snprintf(text, size, "%s that had this image and no other", COUNTED(piece->deaths, "worker died", "workers died"));
    return ROW_CRASH;
}

/* ---- answers ---- */

int quarantine_answer(struct batches *batches, struct batch *piece, const struct rec_row *rows)
{
    CLEANUP(bytes_done) struct bytes bytes;
    struct split *split = piece->piece->whole->split;
    struct rec_row *copies;
    uint32_t count;
    bytes_init(&bytes, SIZE_MAX / 2);
    int r = rows_encode(rows, piece->count, &bytes);
    if (r == 0)
        r = rows_decode(bytes.data, bytes.size, &split->arena, &copies, &count);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < piece->count; i++)
        split->rows[piece->piece->places[i]] = copies[i];
    split->missing -= piece->count;
    remove_piece(batches, piece);
    return split->missing == 0;
}
