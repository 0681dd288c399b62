#include "coordinator/lister.h"

#include "tests/test.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

struct setting {
    struct mailbox box;
    struct store *store;
    struct lister *lister;
    struct spec spec;
    char *sources[1];
};

static struct why why;

static void open_store(struct setting *setting, const char *source, int batch)
{
    struct db *db;
    *setting = (struct setting){ .sources = { (char *)source } };
    setting->spec = (struct spec){ .sources = setting->sources, .source_count = 1, .batch = batch };
    CHECK_INT(mailbox_init(&setting->box), 0);
    CHECK_INT(db_create("job.db", &db, &why), 0);
    CHECK_INT(store_start(db, &setting->box, &setting->store, &why), 0);
}

static void start_behind(struct setting *setting, uint64_t images, uint64_t batches, const char *last_uri)
{
    struct lister_start from = { images, batches, last_uri };
    CHECK_INT(lister_start(&setting->spec, setting->store, &setting->box, &from, &setting->lister, &why), 0);
}

static void start(struct setting *setting)
{
    start_behind(setting, 0, 0, NULL);
}

/* Reads the mail until the lister has said that it is done. Returns its result. */
static int wait_for_lister(struct setting *setting)
{
    const struct why *reason;
    for (bool done = false; !done;) {
        struct pollfd wait = { .fd = setting->box.fd, .events = POLLIN };
        CHECK_INT(poll(&wait, 1, -1), 1);
        for (struct mail *mail = mailbox_take(&setting->box), *next; mail; mail = next) {
            next = mail->next;
            if (mail->kind == MAIL_LISTER)
                done = true;
            else
                store_request_free((struct store_request *)mail);
        }
    }
    int r = lister_result(setting->lister, &reason);
    why = *reason;
    return r;
}

static void stop(struct setting *setting)
{
    lister_stop(setting->lister);
    store_stop(setting->store);
    for (struct mail *mail = mailbox_take(&setting->box), *next; mail; mail = next) {
        next = mail->next;
        if (mail->kind == MAIL_STORE)
            store_request_free((struct store_request *)mail);
    }
    lister_free(setting->lister);
    mailbox_done(&setting->box);
}

struct found {
    uint64_t batches, images;
    int last_count;
};

/* The items must be sim:0, sim:1, ... without a gap. */
static int check_batch(void *arg, const struct db_batch *batch, struct why *reason)
{
    struct found *found = arg;
    struct rec_item *items;
    uint32_t count;
    struct arena arena;
    (void)reason;
    arena_init(&arena, 1 << 24);
    CHECK_INT(items_decode(batch->items, batch->items_size, &arena, &items, &count), 0);
    CHECK(batch->id == found->batches && batch->first == found->images && batch->count == count);
    for (uint32_t i = 0; i < count; i++) {
        char expected[32];
        snprintf(expected, sizeof(expected), "sim:%llu", (unsigned long long)found->images++);
        CHECK_STR(items[i].uri.data, expected);
        CHECK(items[i].base == 4 && !*items[i].etag);
    }
    found->batches++;
    found->last_count = (int)count;
    arena_done(&arena);
    return 0;
}

static struct found read_back(void)
{
    struct found found = { 0 };
    struct db *db;
    CHECK_INT(db_open("job.db", true, &db, &why), 0);
    CHECK_INT(db_walk(db, check_batch, &found, &why), 0);
    db_close(db);
    return found;
}

static bool is_listed(void)
{
    struct db *db;
    char *text = NULL;
    CHECK_INT(db_open("job.db", true, &db, &why), 0);
    bool listed = db_get(db, "listed", &text, &why) == 0;
    free(text);
    db_close(db);
    return listed;
}

TEST(sources_become_batches_of_the_wanted_size)
{
    struct setting setting;
    open_store(&setting, "sim:1003", 60);
    start(&setting);
    CHECK_INT(wait_for_lister(&setting), 0);
    stop(&setting);
    struct found found = read_back();
    CHECK(found.batches == 17 && found.images == 1003 && found.last_count == 1003 - 16 * 60);
    CHECK(is_listed());
}

TEST(a_list_that_fills_its_last_batch_has_no_empty_one)
{
    struct setting setting;
    open_store(&setting, "sim:120", 60);
    start(&setting);
    CHECK_INT(wait_for_lister(&setting), 0);
    stop(&setting);
    CHECK_INT(read_back().batches, 2);
}

TEST(nothing_to_list_is_told_and_never_counts_as_a_complete_list)
{
    struct setting setting;
    test_write_file("list", "\n", 1);
    open_store(&setting, "@list", 60);
    start(&setting);
    CHECK_INT(wait_for_lister(&setting), -ENOENT);
    CHECK_CONTAINS(why.text, "no images");
    stop(&setting);
    CHECK_INT(read_back().batches, 0);
    CHECK(!is_listed());
}

TEST(a_list_that_changed_under_an_interrupted_job_is_noticed)
{
    struct setting setting;
    open_store(&setting, "sim:205", 10);
    start_behind(&setting, 100, 10, "sim:100");
    CHECK_INT(wait_for_lister(&setting), -ESTALE);
    CHECK_CONTAINS(why.text, "have changed");
    stop(&setting);
}

TEST(a_list_that_became_shorter_under_an_interrupted_job_is_noticed)
{
    struct setting setting;
    open_store(&setting, "sim:50", 10);
    start_behind(&setting, 100, 10, "sim:99");
    CHECK_INT(wait_for_lister(&setting), -ESTALE);
    stop(&setting);
}

TEST(listing_goes_on_behind_what_the_store_has)
{
    struct setting setting;
    open_store(&setting, "sim:100", 10);
    start(&setting);
    CHECK_INT(wait_for_lister(&setting), 0);
    lister_stop(setting.lister);
    lister_free(setting.lister);
    setting.sources[0] = (char *)"sim:205";
    start_behind(&setting, 100, 10, "sim:99");
    CHECK_INT(wait_for_lister(&setting), 0);
    stop(&setting);
    struct found found = read_back();
    CHECK(found.batches == 21 && found.images == 205 && found.last_count == 5);
}

TEST(a_lister_may_be_stopped_in_the_middle)
{
    struct setting setting;
    open_store(&setting, "sim:100000000", 10);
    start(&setting);
    struct pollfd wait = { .fd = setting.box.fd, .events = POLLIN };
    CHECK_INT(poll(&wait, 1, -1), 1);
    stop(&setting);
    struct found found = read_back();
    CHECK(found.batches > 0 && found.images == found.batches * 10);
    CHECK(!is_listed());
}

TEST(a_lister_that_waits_for_a_silent_pipe_may_be_stopped)
{
    struct setting setting;
    CHECK_INT(mkfifo("pipe", 0600), 0);
    int fd = open("pipe", O_RDWR);
    open_store(&setting, "@pipe", 1);
    start(&setting);
    CHECK_INT(write(fd, "/a\n/b", 5), 5);
    struct pollfd wait = { .fd = setting.box.fd, .events = POLLIN };
    CHECK_INT(poll(&wait, 1, -1), 1); /* it has read the first entry */
    stop(&setting);
    CHECK(!is_listed());
    close(fd);
}

TEST(a_bad_entry_is_told_and_the_list_is_not_complete)
{
    struct setting setting;
    test_write_file("list", "a\ns3://b/c\n", 11);
    open_store(&setting, "@list", 60);
    start(&setting);
    CHECK(wait_for_lister(&setting) < 0);
    CHECK_CONTAINS(why.text, "line 2");
    stop(&setting);
    CHECK(!is_listed());
}

TEST(a_source_that_cannot_be_opened_is_told_at_once)
{
    struct setting setting;
    open_store(&setting, "/nowhere/at/all", 60);
    const struct lister_start from = { 0 };
    CHECK(lister_start(&setting.spec, setting.store, &setting.box, &from, &setting.lister, &why) < 0);
    CHECK_CONTAINS(why.text, "/nowhere/at/all");
    setting.lister = NULL;
    stop(&setting);
}
