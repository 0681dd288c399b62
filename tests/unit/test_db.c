#include "coordinator/db.h"

#include "tests/test.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

static struct why why;

static struct db *create(const char *path)
{
    struct db *db;
    int r = db_create(path, &db, &why);
    if (r < 0)
        test_fail(__FILE__, __LINE__, "%d %s", r, why.text);
    return db;
}

/* Batches 0.. of ten images each. */
static void add_batches(struct db *db, uint64_t count)
{
    for (uint64_t id = 0; id < count; id++) {
        struct db_batch batch = { .id = id, .first = id * 10, .count = 10, .items = "items\0x", .items_size = 7 };
        CHECK_INT(db_add_batch(db, &batch, &why), 0);
    }
}

static void execute(const char *path, const char *sql)
{
    sqlite3 *handle;
    CHECK_INT(sqlite3_open(path, &handle), SQLITE_OK);
    CHECK_INT(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(handle);
}

static void check_refused(const char *path, int r, const char *part)
{
    struct db *db;
    CHECK_INT(db_open(path, false, &db, &why), r);
    CHECK_CONTAINS(why.text, path);
    CHECK_CONTAINS(why.text, part);
    CHECK_INT(db_open(path, true, &db, &why), r);
}

TEST(what_was_committed_is_there_after_opening_again)
{
    struct db *db = create("job.db");
    char *text;
    CHECK_INT(db_begin(db, &why), 0);
    CHECK_INT(db_set(db, "key", "old", &why), 0);
    CHECK_INT(db_set(db, "key", "new", &why), 0);
    add_batches(db, 3);
    CHECK_INT(db_commit(db, &why), 0);
    CHECK_INT(db_begin(db, &why), 0);
    CHECK_INT(db_set(db, "key", "never", &why), 0);
    db_close(db);
    CHECK_INT(db_open("job.db", false, &db, &why), 0);
    CHECK_INT(db_get(db, "key", &text, &why), 0);
    CHECK_STR(text, "new");
    free(text);
    CHECK_INT(db_get(db, "other", &text, &why), -ENOENT);
    CHECK_STR(why.text, "job.db: has no other");
    struct db_counts counts;
    CHECK_INT(db_count(db, &counts, &why), 0);
    CHECK(counts.batches == 3 && counts.images == 30 && !counts.done_batches && !counts.done_images && !counts.errors);
    db_close(db);
    db_close(NULL);
}

TEST(a_batch_has_one_result_the_first)
{
    struct db *db = create("job.db");
    add_batches(db, 2);
    CHECK_INT(db_add_result(db, 1, "first", 5, 1, "node", 4, &why), 1);
    CHECK_INT(db_add_result(db, 1, "second", 6, 2, "node", 0, &why), 0);
    struct db_counts counts;
    CHECK_INT(db_count(db, &counts, &why), 0);
    CHECK(counts.done_batches == 1 && counts.done_images == 10 && counts.errors == 4);
    db_close(db);
}

TEST(the_same_batch_twice_is_an_error)
{
    struct db *db = create("job.db");
    struct db_batch batch = { .items = "x", .items_size = 1 };
    add_batches(db, 1);
    CHECK_INT(db_add_batch(db, &batch, &why), -EEXIST);
    CHECK_CONTAINS(why.text, "job.db: ");
    db_close(db);
}

struct seen {
    uint64_t ids[16];
    int count, stop_at, with_rows;
};

static int see(void *arg, const struct db_batch *batch, struct why *reason)
{
    struct seen *seen = arg;
    (void)reason;
    CHECK(batch->count == 10 && batch->first == batch->id * 10 && batch->items_size == 7 && !memcmp(batch->items, "items\0x", 7));
    if (batch->rows) {
        CHECK(batch->rows_size == 4 && !memcmp(batch->rows, "rows", 4));
        seen->with_rows++;
    }
    seen->ids[seen->count++] = batch->id;
    return seen->count == seen->stop_at ? -ECANCELED : 1;
}

static int see_id(void *arg, const struct db_batch *batch, struct why *reason)
{
    struct seen *seen = arg;
    (void)reason;
    seen->ids[seen->count++] = batch->id;
    return 0;
}

TEST(pending_batches_come_in_order_from_a_place_and_not_too_many)
{
    struct db *db = create("job.db");
    struct seen seen = { 0 };
    add_batches(db, 8);
    CHECK_INT(db_add_result(db, 0, "rows", 4, 1, "n", 0, &why), 1);
    CHECK_INT(db_add_result(db, 3, "rows", 4, 1, "n", 0, &why), 1);
    CHECK_INT(db_pending(db, 0, 3, see, &seen, &why), 0);
    CHECK(seen.count == 3 && seen.ids[0] == 1 && seen.ids[1] == 2 && seen.ids[2] == 4);
    seen.count = 0;
    CHECK_INT(db_pending(db, 5, 100, see, &seen, &why), 0);
    CHECK(seen.count == 3 && seen.ids[0] == 5 && seen.ids[2] == 7);
    seen.count = 0;
    CHECK_INT(db_pending(db, 8, 100, see, &seen, &why), 0);
    CHECK_INT(seen.count + seen.with_rows, 0);
    db_close(db);
}

TEST(retries_come_behind_the_batches_from_a_place_too)
{
    struct db *db = create("job.db");
    struct seen seen = { 0 };
    add_batches(db, 2);
    CHECK_INT(db_add_result(db, 1, "rows", 4, 1, "n", 0, &why), 1);
    for (uint64_t id = 2; id < 6; id++) {
        struct db_retry retry = { .id = id, .count = 1, .items = "again", .items_size = 5, .places = "x", .places_size = 1 };
        CHECK_INT(db_add_retry(db, &retry, &why), 0);
    }
    CHECK_INT(db_retry_done(db, 3, &why), 1);
    CHECK_INT(db_pending(db, 0, 2, see_id, &seen, &why), 0);
    CHECK(seen.count == 2 && seen.ids[0] == 0 && seen.ids[1] == 2);
    seen.count = 0;
    CHECK_INT(db_pending(db, 3, 100, see_id, &seen, &why), 0);
    CHECK(seen.count == 2 && seen.ids[0] == 4 && seen.ids[1] == 5);
    db_close(db);
}

static int join_names(void *arg, const char *node, uint64_t images, uint64_t batches, struct why *reason)
{
    char *names = arg, one[64];
    (void)reason;
    snprintf(one, sizeof(one), "%s %d/%d, ", node, (int)images, (int)batches);
    strcat(names, one);
    return 0;
}

TEST(nodes_are_told_in_the_order_of_their_first_batch)
{
    struct db *db = create("job.db");
    char names[256] = "";
    add_batches(db, 4);
    CHECK_INT(db_add_result(db, 2, "rows", 4, 1, "alpha", 0, &why), 1);
    CHECK_INT(db_add_result(db, 3, "rows", 4, 1, "zulu", 0, &why), 1);
    CHECK_INT(db_add_result(db, 1, "rows", 4, 1, "mike", 0, &why), 1);
    CHECK_INT(db_add_result(db, 0, "rows", 4, 1, "zulu", 0, &why), 1);
    CHECK_INT(db_nodes(db, join_names, names, &why), 0);
    CHECK_STR(names, "zulu 20/2, mike 10/1, alpha 10/1, ");
    db_close(db);
}

static void keep_private(struct db *db, int64_t id, const char *text, int r)
{
    CHECK_INT(db_begin(db, &why), 0);
    CHECK_INT(db_keep_private(db, id, text, strlen(text), &why), r);
    CHECK_INT(db_commit(db, &why), 0);
}

TEST(what_is_private_is_kept_in_no_file_of_others_and_in_none_that_others_may_read)
{
    struct db *db = create("job.db");
    struct stat status;
    CHECK_INT(symlink("elsewhere", "private.db"), 0);
    test_write_file("elsewhere", "", 0);
    keep_private(db, 1, "hush", -ELOOP);
    CHECK_CONTAINS(why.text, "private.db: ");
    CHECK_INT(stat("elsewhere", &status), 0);
    CHECK_INT(status.st_size, 0);
    CHECK_INT(unlink("private.db"), 0);
    test_write_file("private.db", "", 0);
    CHECK_INT(chmod("private.db", 0666), 0);
    keep_private(db, 1, "hush", 0);
    CHECK_INT(stat("private.db", &status), 0);
    CHECK_INT(status.st_mode & 0777, 0600);
    db_close(db);
}

TEST(what_is_private_and_forgotten_is_not_in_the_file_any_more)
{
    struct db *db = create("job.db");
    void *data;
    size_t size;
    keep_private(db, 1, "a known one", 0);
    keep_private(db, 2, "hushhush 2", 0);
    keep_private(db, 3, "hushhush 3", 0);
    CHECK_INT(test_shell(NULL, "grep -aq hushhush private.db"), 0);
    CHECK_INT(db_forget_private(db, 2, &why), 0);
    CHECK_INT(db_get_private(db, 1, &data, &size, &why), 0);
    CHECK(size == 11 && !memcmp(data, "a known one", 11));
    free(data);
    CHECK_INT(db_get_private(db, 2, &data, &size, &why), -ENOENT);
    CHECK_INT(db_get_private(db, 3, &data, &size, &why), -ENOENT);
    CHECK_INT(test_shell(NULL, "cat private.db* | grep -aq hushhush"), 1);
    test_write_file("private.db-journal", "hushhush", 8);
    CHECK_INT(db_remove_private(db, &why), 0);
    CHECK(access("private.db", F_OK) < 0 && access("private.db-journal", F_OK) < 0);
    CHECK_INT(db_get_private(db, 1, &data, &size, &why), -ENOENT);
    db_close(db);
    CHECK_INT(db_open("job.db", false, &db, &why), 0);
    CHECK_INT(db_get_private(db, 1, &data, &size, &why), -ENOENT); /* and is not missed */
    db_close(db);
}

TEST(a_walk_shows_every_batch_with_its_rows_and_may_be_stopped)
{
    struct db *db = create("job.db");
    struct seen seen = { 0 };
    add_batches(db, 4);
    CHECK_INT(db_add_result(db, 2, "rows", 4, 1, "n", 0, &why), 1);
    CHECK_INT(db_walk(db, see, &seen, &why), 0);
    CHECK(seen.count == 4 && seen.ids[3] == 3 && seen.with_rows == 1);
    seen = (struct seen){ .stop_at = 2 };
    CHECK_INT(db_walk(db, see, &seen, &why), -ECANCELED);
    CHECK_INT(seen.count, 2);
    seen = (struct seen){ 0 };
    CHECK_INT(db_walk(db, see, &seen, &why), 0); /* the stopped one left nothing behind */
    CHECK_INT(seen.count, 4);
    db_close(db);
}

TEST(what_is_no_job_is_refused)
{
    char noise[20000];
    memset(noise, 'x', sizeof(noise));
    check_refused("missing.db", -ENOENT, "is this a job directory?");
    test_write_file("noise.db", noise, sizeof(noise));
    check_refused("noise.db", -EBADMSG, "this is not a job.db of sleddog");
    test_write_file("empty.db", "", 0);
    check_refused("empty.db", -EBADMSG, "not a job of sleddog");
    execute("other.db", "CREATE TABLE t(x)");
    check_refused("other.db", -EBADMSG, "not a job of sleddog");
    db_close(create("job.db"));
    execute("job.db", "PRAGMA user_version = 99");
    check_refused("job.db", -EBADMSG, "made by another release of sleddog (schema 99, this one reads 2)");
    execute("job.db", "PRAGMA user_version = 1");
    check_refused("job.db", -EBADMSG, "made by another release of sleddog (schema 1, this one reads 2)");
    CHECK_INT(mkdir("folder.db", 0777), 0);
    check_refused("folder.db", -EROFS, "folder.db: ");
    CHECK(access("folder.db-try", F_OK) < 0);
}

TEST(a_damaged_job_is_told_and_nothing_crashes)
{
    struct db *db = create("job.db");
    add_batches(db, 2000);
    db_close(db);
    int fd = open("job.db", O_WRONLY);
    char noise[4096];
    struct stat status;
    memset(noise, 0xa5, sizeof(noise));
    CHECK_INT(fstat(fd, &status), 0);
    for (off_t at = 8192; at + 4096 <= status.st_size; at += 8192)
        CHECK_INT(pwrite(fd, noise, sizeof(noise), at), sizeof(noise));
    close(fd);
    struct db_counts counts;
    int r = db_open("job.db", false, &db, &why);
    if (r == 0) {
        r = db_count(db, &counts, &why);
        db_close(db);
    }
    CHECK_INT(r, -EBADMSG);
    CHECK_CONTAINS(why.text, "job.db: ");
}

TEST(creating_over_a_file_or_where_nothing_can_be_is_refused)
{
    struct db *db;
    test_write_file("there", "", 0);
    CHECK_INT(db_create("there", &db, &why), -EEXIST);
    CHECK_INT(db_create("no/such/folder/job.db", &db, &why), -EROFS);
    CHECK_CONTAINS(why.text, "no/such/folder/job.db: ");
    CHECK_CONTAINS(why.text, "the job directory must be there and writable");
}

TEST(a_folder_that_may_not_be_written_is_told_with_what_to_do)
{
    struct db *db;
    CHECK_INT(mkdir("closed", 0555), 0);
    CHECK_INT(chmod(".", 0755), 0);
    if (geteuid() == 0 && seteuid(65534) < 0)
        test_skip("root writes everywhere, and this process may not become somebody else");
    int r = db_create("closed/job.db", &db, &why);
    (void)!seteuid(getuid());
    CHECK_INT(r, -EROFS);
    CHECK_CONTAINS(why.text, "must be there and writable");
}

TEST(two_handles_see_each_others_commits)
{
    struct db *writer = create("job.db"), *reader;
    struct db_counts counts;
    CHECK_INT(db_open("job.db", true, &reader, &why), 0);
    add_batches(writer, 5);
    CHECK_INT(db_count(reader, &counts, &why), 0);
    CHECK_INT(counts.batches, 5);
    CHECK(db_set(reader, "key", "value", &why) < 0);
    db_close(reader);
    db_close(writer);
}

static void verify_refuses(const char *sql, int r, const char *part)
{
    struct db *db;
    CHECK_INT(test_shell(NULL, "cp whole.db job.db"), 0);
    execute("job.db", sql);
    CHECK_INT(db_open("job.db", false, &db, &why), 0);
    CHECK_INT(db_verify(db, &why), r);
    CHECK_CONTAINS(why.text, "job.db: ");
    CHECK_CONTAINS(why.text, part);
    db_close(db);
}

TEST(rows_are_entries_or_it_is_told)
{
    struct db *db = create("whole.db");
    add_batches(db, 4);
    for (uint64_t id = 0; id < 4; id++)
        CHECK_INT(db_add_result(db, id, "rows", 4, 1, "n", 0, &why), 1);
    CHECK_INT(db_verify(db, &why), -EBUSY); /* the list may go on */
    CHECK_INT(db_set(db, "listed", "yes", &why), 0);
    CHECK_INT(db_verify(db, &why), 0);
    CHECK_INT(db_settle(db, &why), 0);
    db_close(db);
    verify_refuses("DELETE FROM result WHERE id = 2", -EBUSY, "batch 2 (image 20 and those behind it) has no rows; go on with it: sleddog-coordinator resume");
    verify_refuses("DELETE FROM batch WHERE id = 1", -EBADMSG, "batch 2 of the list is not in its place");
    verify_refuses("UPDATE batch SET count = 9 WHERE id = 1", -EBADMSG, "batch 2 of the list is not in its place");
    verify_refuses("INSERT INTO result VALUES(4, x'00', 1, 'n', 0)", -EBADMSG, "job.db: ");
}

TEST(a_file_that_was_removed_or_replaced_takes_no_more)
{
    struct db *db = create("job.db");
    CHECK_INT(rename("job.db", "moved.db"), 0);
    CHECK_INT(db_begin(db, &why), -ESTALE);
    CHECK_CONTAINS(why.text, "job.db: was removed or replaced while the job ran");
    test_write_file("job.db", "", 0);
    CHECK_INT(db_begin(db, &why), -ESTALE);
    CHECK_INT(rename("moved.db", "job.db"), 0);
    CHECK_INT(db_begin(db, &why), 0);
    CHECK_INT(db_commit(db, &why), 0);
    db_close(db);
}
