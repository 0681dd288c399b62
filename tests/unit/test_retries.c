#include "coordinator/retries.h"

#include "common/bytes.h"
#include "proto/messages.h"
#include "tests/test.h"

static struct why why;

/* Batch `id` of four images, named by their place; `errors` has an enum row_error each. */
static void add_batch(struct db *db, uint64_t id, const enum row_error errors[4])
{
    struct rec_item items[4];
    struct rec_row rows[4];
    struct rec_prediction prediction = { (uint32_t)id, 0.5f };
    char names[4][16];
    struct bytes item_bytes, row_bytes;
    uint32_t failed = 0;
    bytes_init(&item_bytes, 1 << 20);
    bytes_init(&row_bytes, 1 << 20);
    for (int i = 0; i < 4; i++) {
        int size = snprintf(names[i], sizeof(names[i]), "/%llu/%d", (unsigned long long)id, i);
        items[i] = (struct rec_item){ .uri = { names[i], (uint32_t)size }, .base = 1, .size = 100 + (uint64_t)i, .etag = "tag" };
        rows[i] = (struct rec_row){ .error = errors[i], .detail = errors[i] ? "old" : "" };
        if (!errors[i]) {
            rows[i].predictions = &prediction;
            rows[i].predictions_count = 1;
        }
        failed += errors[i] != ROW_OK;
    }
    CHECK(items_encode(items, 4, &item_bytes) == 0 && rows_encode(rows, 4, &row_bytes) == 0);
    struct db_batch batch = { .id = id, .first = id * 4, .count = 4, .items = item_bytes.data, .items_size = item_bytes.size };
    CHECK_INT(db_add_batch(db, &batch, &why), 0);
    CHECK_INT(db_add_result(db, id, row_bytes.data, row_bytes.size, 1, "node", failed, &why), 1);
    bytes_done(&item_bytes);
    bytes_done(&row_bytes);
}

static struct db *make_job(void)
{
    static const enum row_error errors[3][4] = {
        { ROW_NOT_FOUND, ROW_OK, ROW_DECODE, ROW_TIMEOUT }, { ROW_OK, ROW_OK, ROW_OK, ROW_UNSUPPORTED }, { ROW_OK, ROW_CRASH, ROW_DENIED, ROW_FETCH },
    };
    struct db *db;
    CHECK_INT(db_create("job.db", &db, &why), 0);
    for (uint64_t id = 0; id < 3; id++)
        add_batch(db, id, errors[id]);
    CHECK_INT(db_set(db, "listed", "yes", &why), 0);
    CHECK_INT(db_set(db, "exported", "somewhere", &why), 0);
    return db;
}

/* "/0/0 /0/3 " and so on for all that is to be sent out. */
static int append_names(void *arg, const struct db_batch *batch, struct why *reason)
{
    struct rec_item *items;
    uint32_t count;
    struct arena arena;
    (void)reason;
    arena_init(&arena, 1 << 20);
    CHECK_INT(items_decode(batch->items, batch->items_size, &arena, &items, &count), 0);
    CHECK_INT(count, batch->count);
    bytes_printf(arg, "%llu:", (unsigned long long)batch->id);
    for (uint32_t i = 0; i < count; i++) {
        CHECK(items[i].base == 1 && items[i].size >= 100 && !strcmp(items[i].etag, "tag"));
        bytes_printf(arg, " %s", items[i].uri.data);
    }
    bytes_append_char(arg, '\n');
    arena_done(&arena);
    return 0;
}

static void expect_pending(struct db *db, const char *expected)
{
    struct bytes text;
    bytes_init(&text, 1 << 20);
    bytes_append_text(&text, "");
    CHECK_INT(db_pending(db, 0, 100, append_names, &text, &why), 0);
    CHECK_STR(text.data, expected);
    bytes_done(&text);
}

/* A word a row: its error and detail, or "ok" and the index of its prediction. */
static int append_rows(void *arg, const struct db_batch *batch, struct why *reason)
{
    struct rec_row *rows;
    uint32_t count, failed = 0;
    struct arena arena;
    (void)reason;
    arena_init(&arena, 1 << 20);
    CHECK_INT(rows_decode(batch->rows, batch->rows_size, &arena, &rows, &count), 0);
    for (uint32_t i = 0; i < count; i++) {
        if (rows[i].error)
            bytes_printf(arg, "%s/%s ", row_error_name((enum row_error)rows[i].error), rows[i].detail);
        else
            bytes_printf(arg, "ok%u ", rows[i].predictions[0].index);
        failed += rows[i].error != ROW_OK;
    }
    CHECK_INT(batch->errors, failed);
    bytes_append_char(arg, '\n');
    arena_done(&arena);
    return 0;
}

static void expect_rows(struct db *db, const char *expected)
{
    struct bytes text;
    bytes_init(&text, 1 << 20);
    CHECK_INT(db_walk(db, append_rows, &text, &why), 0);
    CHECK_STR(text.data, expected);
    bytes_done(&text);
}

/* Rows that say which they are; number `bad` failed again. */
static int take_rows(struct db *db, uint64_t id, uint32_t count, uint32_t bad)
{
    struct rec_prediction predictions[8];
    struct rec_row rows[8];
    struct bytes bytes;
    for (uint32_t i = 0; i < count; i++) {
        predictions[i] = (struct rec_prediction){ 100 * (uint32_t)id + i, 1 };
        rows[i] = i == bad ? (struct rec_row){ .error = ROW_FETCH, .detail = "new" }
                           : (struct rec_row){ .detail = "", .predictions = &predictions[i], .predictions_count = 1 };
    }
    bytes_init(&bytes, 1 << 20);
    CHECK_INT(rows_encode(rows, count, &bytes), 0);
    int r = retries_take(db, id, bytes.data, bytes.size, &why);
    bytes_done(&bytes);
    return r;
}

static void expect_counts(struct db *db, uint64_t done, uint64_t images, uint64_t errors)
{
    struct db_counts counts;
    CHECK_INT(db_count_work(db, &counts, &why), 0);
    CHECK_INT(counts.done_images, done);
    CHECK_INT(counts.images, images);
    CHECK_INT(counts.errors, errors);
}

TEST(failures_that_may_pass_run_again_and_take_their_places)
{
    struct db *db = make_job();
    CLEANUP(freep) char *exported = NULL;
    uint64_t images;
    expect_pending(db, "");
    expect_counts(db, 12, 12, 7 - 0);
    CHECK_INT(retries_plan(db, 2, &images, &why), 0);
    CHECK_INT(images, 5);
    expect_pending(db, "3: /0/0 /0/3\n4: /2/1 /2/2\n5: /2/3\n");
    expect_counts(db, 7, 12, 2);
    CHECK_INT(db_get(db, "exported", &exported, &why), 0);
    CHECK_STR(exported, "");
    CHECK_INT(db_verify(db, &why), 0); /* every entry has a row all the time */
    CHECK_INT(take_rows(db, 4, 2, 1), 1);
    expect_rows(db, "not_found/old ok0 decode/old timeout/old \nok1 ok1 ok1 unsupported/old \nok2 ok400 fetch/new fetch/old \n");
    expect_pending(db, "3: /0/0 /0/3\n5: /2/3\n");
    expect_counts(db, 9, 12, 3);
    CHECK_INT(take_rows(db, 3, 2, 9), 1);
    CHECK_INT(take_rows(db, 5, 1, 9), 1);
    expect_rows(db, "ok300 ok0 decode/old ok301 \nok1 ok1 ok1 unsupported/old \nok2 ok400 fetch/new ok500 \n");
    expect_counts(db, 12, 12, 3);
    expect_pending(db, "");
    CHECK_INT(db_verify(db, &why), 0);
    db_close(db);
}

TEST(images_that_run_again_are_counted_once_and_are_not_done_meanwhile)
{
    struct db *db = make_job();
    uint64_t images;
    CHECK_INT(retries_plan(db, 60, &images, &why), 0);
    expect_counts(db, 12 - 5, 12, 2);
    CHECK_INT(take_rows(db, 3, 5, 9), 1);
    expect_counts(db, 12, 12, 2);
    db_close(db);
}

TEST(a_second_result_of_a_retry_changes_nothing_and_a_batch_of_the_list_is_none)
{
    struct db *db = make_job();
    uint64_t images;
    CHECK_INT(retries_plan(db, 60, &images, &why), 0);
    CHECK_INT(take_rows(db, 3, 5, 9), 1);
    CHECK_INT(take_rows(db, 3, 5, 0), 0);
    expect_rows(db, "ok300 ok0 decode/old ok301 \nok1 ok1 ok1 unsupported/old \nok2 ok302 ok303 ok304 \n");
    CHECK_INT(take_rows(db, 2, 4, 9), -ENOENT);
    CHECK_INT(take_rows(db, 4, 1, 9), -ENOENT);
    db_close(db);
}

TEST(planning_again_takes_what_is_still_failed)
{
    struct db *db = make_job();
    uint64_t images;
    CHECK_INT(retries_plan(db, 2, &images, &why), 0);
    CHECK_INT(take_rows(db, 4, 2, 9), 1);
    CHECK_INT(retries_plan(db, 2, &images, &why), 0);
    CHECK_INT(images, 3);
    expect_pending(db, "3: /0/0 /0/3\n4: /2/3\n");
    CHECK_INT(take_rows(db, 3, 2, 9), 1);
    CHECK_INT(take_rows(db, 4, 1, 9), 1);
    CHECK_INT(retries_plan(db, 2, &images, &why), 0);
    CHECK_INT(images, 0);
    expect_counts(db, 12, 12, 2);
    db_close(db);
}

TEST(rows_that_do_not_fit_a_retry_are_refused)
{
    struct db *db = make_job();
    uint64_t images;
    CHECK_INT(retries_plan(db, 60, &images, &why), 0);
    CHECK_INT(db_begin(db, &why), 0);
    CHECK_INT(take_rows(db, 3, 4, 9), -EBADMSG);
    CHECK_CONTAINS(why.text, "batch 3 is damaged");
    db_close(db);
    CHECK_INT(db_open("job.db", false, &db, &why), 0);
    CHECK_INT(db_begin(db, &why), 0);
    CHECK_INT(take_rows(db, 3, 6, 9), -EBADMSG);
    CHECK_CONTAINS(why.text, "batch 3 is damaged");
    db_close(db);
}

TEST(a_retry_whose_places_are_in_no_batch_is_refused)
{
    struct db *db = make_job();
    uint64_t images;
    CHECK_INT(retries_plan(db, 60, &images, &why), 0);
    db_close(db);
    /* Place 4 of batch 0, which has 4. */
    CHECK_INT(test_shell(NULL, "sqlite3 job.db \"UPDATE retry SET places = x'000000000000000004000000' || substr(places, 13)\""), 0);
    CHECK_INT(db_open("job.db", false, &db, &why), 0);
    CHECK_INT(db_begin(db, &why), 0);
    CHECK_INT(take_rows(db, 3, 5, 9), -EBADMSG);
    CHECK_CONTAINS(why.text, "batch 0 is damaged");
    db_close(db);
}

/* What the addresses of batch 0 hide. */
static void hide_queries(struct db *db)
{
    struct rec_item items[4];
    char names[4][32];
    struct bytes bytes;
    bytes_init(&bytes, 1 << 20);
    for (int i = 0; i < 4; i++) {
        int size = snprintf(names[i], sizeof(names[i]), "http://h/0/%d?sig=hush", i);
        items[i] = (struct rec_item){ .uri = { names[i], (uint32_t)size }, .base = 1, .size = 100, .etag = "tag" };
    }
    CHECK_INT(items_encode(items, 4, &bytes), 0);
    CHECK_INT(db_begin(db, &why), 0);
    CHECK_INT(db_keep_private(db, 0, bytes.data, bytes.size, &why), 0);
    CHECK_INT(db_commit(db, &why), 0);
    bytes_done(&bytes);
}

/* The numbers of a retry are given out again. */
TEST(what_the_addresses_of_one_retry_hide_is_not_that_of_the_next)
{
    struct db *db = make_job();
    uint64_t images;
    void *whole;
    size_t size;
    hide_queries(db);
    CHECK_INT(retries_plan(db, 1, &images, &why), 0);
    CHECK_INT(db_get_private(db, 3, &whole, &size, &why), 0);
    CHECK(memmem(whole, size, "http://h/0/0?sig=hush", 21));
    free(whole);
    CHECK_INT(take_rows(db, 3, 1, 9), 1);
    CHECK_INT(take_rows(db, 4, 1, 9), 1);
    CHECK_INT(retries_plan(db, 1, &images, &why), 0);
    expect_pending(db, "3: /2/1\n4: /2/2\n5: /2/3\n");
    CHECK_INT(db_get_private(db, 3, &whole, &size, &why), -ENOENT);
    CHECK_INT(db_get_private(db, 0, &whole, &size, &why), 0); /* the list's own stays */
    free(whole);
    db_close(db);
}
