#include "coordinator/quarantine.h"

#include "common/cleanup.h"
#include "coordinator/node.h"
#include "tests/test.h"

#include <unistd.h>

/* A batch of `count` items "0", "1", ... that is not queued. */
static struct batch *add(struct batches *batches, uint64_t id, uint32_t count)
{
    struct rec_item items[64];
    char names[64][8];
    struct bytes bytes;
    bytes_init(&bytes, 65536);
    for (uint32_t i = 0; i < count; i++) {
        snprintf(names[i], sizeof(names[i]), "%u", i);
        items[i] = (struct rec_item){ .uri = { names[i], (uint32_t)strlen(names[i]) }, .base = 0, .etag = "" };
    }
    CHECK_INT(items_encode(items, count, &bytes), 0);
    struct store_batch *stored = malloc(sizeof(*stored) + bytes.size);
    *stored = (struct store_batch){ .id = id, .count = count, .size = bytes.size };
    memcpy(stored->items, bytes.data, bytes.size);
    bytes_done(&bytes);
    CHECK_INT(batches_add(batches, stored), 0);
    struct batch *batch = batches_find(batches, id);
    batches_unqueue(batches, batch);
    return batch;
}

/* The items' names, "0 2 3". */
static const char *names_of(const struct batch *batch)
{
    static char text[512];
    struct arena arena;
    struct rec_item *items;
    uint32_t count;
    arena_init(&arena, SIZE_MAX / 2);
    CHECK_INT(items_decode(batch->stored->items, batch->stored->size, &arena, &items, &count), 0);
    CHECK_INT(count, batch->count);
    *text = '\0';
    for (uint32_t i = 0; i < count; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? " " : "", items[i].uri.data);
    arena_done(&arena);
    return text;
}

/* Every row says its item's number. */
static int answer(struct batches *batches, struct batch *piece)
{
    struct rec_row rows[64];
    char details[64][16];
    for (uint32_t i = 0; i < piece->count; i++) {
        snprintf(details[i], sizeof(details[i]), "row %u", piece->piece->places[i]);
        rows[i] = (struct rec_row){ .error = ROW_FETCH, .detail = details[i] };
    }
    batches_unqueue(batches, piece);
    return quarantine_answer(batches, piece, rows);
}

static void check_rows(const struct batch *whole)
{
    for (uint32_t i = 0; i < whole->count; i++) {
        char detail[16];
        snprintf(detail, sizeof(detail), "row %u", i);
        CHECK_STR(whole->split->rows[i].detail, detail);
    }
}

TEST(suspects_become_pieces_of_one_and_the_rest_another)
{
    struct batches batches;
    struct node node = { 0 };
    batches_init(&batches);
    struct batch *batch = add(&batches, 7, 5);
    CHECK(!quarantine_wants(batch));
    CHECK(!quarantine_suspect(&batches, 7, 3, "decode", &node, true)); /* it was not alone */
    CHECK(!quarantine_suspect(&batches, 7, 1, "decode", &node, false));
    CHECK(quarantine_wants(batch));
    CHECK_INT(quarantine_split(&batches, batch), 0);
    CHECK(batch->state == BATCH_SPLIT && batches.queue.count == 1 && batches.alone.count == 2);
    struct batch *rest = batches.queue.first, *first = batches.alone.first, *second = first->next;
    CHECK_STR(names_of(rest), "0 2 4");
    CHECK_STR(names_of(first), "1");
    CHECK_STR(names_of(second), "3");
    CHECK(batch_is_alone(first) && batch_is_alone(second) && !batch_is_alone(rest));
    CHECK(first->id >= PIECE_ID && batches_find(&batches, first->id) == first);
    CHECK_INT(answer(&batches, second), 0);
    CHECK_INT(answer(&batches, rest), 0);
    CHECK_INT(answer(&batches, first), 1);
    check_rows(batch);
    CHECK(!batch->split->pieces && batches.alone.count == 0 && batches.queue.count == 0);
    batches_done(&batches);
}

TEST(the_rest_may_have_suspects_too_and_is_split_again)
{
    struct batches batches;
    struct node node = { 0 };
    batches_init(&batches);
    struct batch *batch = add(&batches, 0, 6);
    quarantine_suspect(&batches, 0, 0, "decode", &node, false);
    CHECK_INT(quarantine_split(&batches, batch), 0);
    struct batch *rest = batches_pop(&batches);
    uint64_t id = rest->id;
    quarantine_suspect(&batches, id, 2, "engine", &node, true);
    CHECK(quarantine_wants(rest));
    CHECK_INT(quarantine_split(&batches, rest), 0);
    CHECK(!batches_find(&batches, id));
    CHECK_STR(names_of(batches.queue.first), "1 2 4 5");
    CHECK_STR(names_of(batches.alone.first->next), "3");
    /* One who had the whole names its items by their place there: the piece that has it now is meant. */
    quarantine_suspect(&batches, 0, 5, "decode", &node, true);
    rest = batches_pop(&batches);
    CHECK(rest->suspects && rest->suspects[3] && quarantine_wants(rest));
    CHECK_INT(quarantine_split(&batches, rest), 0);
    while (batches.alone.first)
        CHECK_INT(answer(&batches, batches.alone.first), 0);
    CHECK_INT(answer(&batches, batches.queue.first), 1);
    check_rows(batch);
    batches_done(&batches);
}

TEST(three_unexplained_deaths_make_all_items_suspects)
{
    struct batches batches;
    batches_init(&batches);
    struct batch *batch = add(&batches, 0, 4);
    batch->deaths = 2;
    CHECK(!quarantine_wants(batch));
    batch->deaths = 3;
    CHECK(quarantine_wants(batch));
    CHECK_INT(quarantine_split(&batches, batch), 0);
    CHECK(batches.alone.count == 4 && batches.queue.count == 0);
    batches_done(&batches);
}

static struct batch *isolate_one(struct batches *batches)
{
    struct node node = { 0 };
    struct batch *batch = add(batches, 0, 2);
    quarantine_suspect(batches, 0, 1, "decode", &node, false);
    CHECK_INT(quarantine_split(batches, batch), 0);
    return batches->alone.first;
}

TEST(two_deaths_alone_convict_and_no_others)
{
    struct batches batches;
    struct node node = { 0 };
    char text[256];
    batches_init(&batches);
    struct batch *piece = isolate_one(&batches);
    CHECK(!quarantine_suspect(&batches, piece->id, 0, "decode", &node, false)); /* by one that had it not alone */
    CHECK(!quarantine_suspect(&batches, 0, 1, "decode", &node, true));          /* by one that had the whole */
    CHECK(!quarantine_suspect(&batches, piece->id, 9, "decode", &node, true));  /* nonsense */
    CHECK(!quarantine_suspect(&batches, 77, 0, "decode", &node, true));         /* done long ago */
    CHECK_INT(piece->piece->blames, 0);
    CHECK(!quarantine_suspect(&batches, piece->id, 0, "decode", &node, true));
    CHECK(piece->piece->killed == &node);
    CHECK(quarantine_suspect(&batches, piece->id, 0, "engine", &node, true) == piece);
    CHECK_INT(quarantine_verdict(piece, text, sizeof(text)), ROW_CRASH);
    CHECK_CONTAINS(text, "2 times");
    CHECK_CONTAINS(text, "at stage \"engine\"");
    CHECK(quarantine_blame(&batches, piece, SUSPECT_ENDLESS, &node));
    CHECK_INT(quarantine_verdict(piece, text, sizeof(text)), ROW_TIMEOUT);
    CHECK_CONTAINS(text, "never came back, 3 times");
    batches_done(&batches);
}

TEST(where_others_die_meanwhile_it_takes_a_third_death_alone)
{
    struct batches batches;
    struct node node = { 0 };
    batches_init(&batches);
    struct batch *piece = isolate_one(&batches);
    batches.deaths_amidst = 5; /* before: nothing to do with it */
    CHECK(!quarantine_suspect(&batches, piece->id, 0, "decode", &node, true));
    batches.deaths_amidst++;
    CHECK(!quarantine_suspect(&batches, piece->id, 0, "decode", &node, true));
    CHECK(quarantine_suspect(&batches, piece->id, 0, "decode", &node, true) == piece);
    batches_done(&batches);
}

TEST(a_suspect_that_nobody_names_is_given_up_some_time)
{
    struct batches batches;
    char text[256];
    batches_init(&batches);
    struct batch *piece = isolate_one(&batches);
    CHECK(!quarantine_wants(piece));
    piece->deaths = 5;
    CHECK(!quarantine_is_hopeless(piece) && !quarantine_wants(piece));
    piece->deaths = 6;
    CHECK(quarantine_is_hopeless(piece));
    CHECK_INT(quarantine_verdict(piece, text, sizeof(text)), ROW_CRASH);
    CHECK_STR(text, "6 workers died that had this image and no other");
    batches_done(&batches);
}

TEST(a_batch_that_is_safe_has_no_suspects)
{
    struct batches batches;
    struct node node = { 0 };
    batches_init(&batches);
    struct batch *batch = add(&batches, 0, 2);
    batch->state = BATCH_STORING;
    CHECK(!quarantine_suspect(&batches, 0, 1, "decode", &node, true));
    CHECK(!batch->suspects);
    batches_done(&batches);
}

TEST(items_that_cannot_be_read_back_are_an_error)
{
    struct batches batches;
    batches_init(&batches);
    struct batch *batch = add(&batches, 0, 3);
    batch->deaths = 3;
    batch->count = 4;
    CHECK_INT(quarantine_split(&batches, batch), -EBADMSG);
    batch->count = 3;
    batch->stored->size--;
    CHECK(quarantine_split(&batches, batch) < 0);
    batches_done(&batches);
}
