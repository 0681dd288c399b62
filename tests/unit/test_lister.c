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

/* As if an earlier run had listed so many, all of the first source. */
static void start_behind(struct setting *setting, uint64_t images, uint64_t batches, const char *uri)
{
    struct lister_place from = { .images = images, .batches = batches, .at = images, .uri = uri ? strdup(uri) : NULL };
    CHECK_INT(lister_start(&setting->spec, NULL, setting->store, &setting->box, &from, &setting->lister, &why), 0);
}

static void start(struct setting *setting)
{
    start_behind(setting, 0, 0, NULL);
}

/* Of each batch that was stored: what had been passed over up to it. */
static uint64_t skipped_at[16];

static void take_stored(struct store_request *request)
{
    if (request->kind == STORE_ADD_BATCH && request->id < 16)
        skipped_at[request->id] = request->skipped;
    store_request_free(request);
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
                take_stored((struct store_request *)mail);
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
            take_stored((struct store_request *)mail);
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

static void expect_nothing(const char *source, char **include, int include_count, char **exclude, int exclude_count, const char *sentence)
{
    struct setting setting;
    unlink("job.db");
    open_store(&setting, source, 10);
    setting.spec.include = include;
    setting.spec.include_count = include_count;
    setting.spec.exclude = exclude;
    setting.spec.exclude_count = exclude_count;
    start(&setting);
    CHECK_INT(wait_for_lister(&setting), -ENOENT);
    CHECK_STR(why.text, sentence);
    stop(&setting);
}

TEST(patterns_that_leave_nothing_are_named_with_how_many_files_there_were)
{
    char *wanted[] = { (char *)"*.xyz", (char *)"*.abc" }, *all[] = { (char *)"*" };
    CHECK_INT(test_shell(NULL, "mkdir -p photos/a empty && touch photos/1.jpg photos/a/2.jpg photos/a/3.png"), 0);
    expect_nothing("photos", wanted, 2, NULL, 0,
                   "no images: 3 files, and none matches --include '*.xyz' --include '*.abc'; a pattern is held against the path below the source");
    expect_nothing("photos/a", NULL, 0, all, 1, "no images: 2 files, and none is left by --exclude '*'; a pattern is held against the path below the source");
    expect_nothing("empty", wanted, 1, NULL, 0, "no images: nothing was found in empty; give a folder, list or prefix that has some");
}

TEST(sources_that_are_empty_are_named_the_first_of_many)
{
    static char *const sources[] = { (char *)"empty", (char *)"@list", (char *)"a", (char *)"b", (char *)"c", (char *)"d" };
    static const struct {
        int count;
        const char *sentence;
    } cases[] = {
        { 2, "no images: nothing was found in empty and @list; give " },
        { 4, "no images: nothing was found in empty, @list, a and b; give " },
        { 6, "no images: nothing was found in empty, @list, a, b and 2 more; give " },
    };
    CHECK_INT(test_shell(NULL, "mkdir empty a b c d"), 0);
    test_write_file("list", "\n", 1);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct setting setting;
        unlink("job.db");
        open_store(&setting, "empty", 10);
        setting.spec.sources = (char **)sources;
        setting.spec.source_count = cases[i].count;
        start(&setting);
        CHECK_INT(wait_for_lister(&setting), -ENOENT);
        CHECK_CONTAINS(why.text, cases[i].sentence);
        stop(&setting);
    }
}

TEST(a_sample_that_leaves_nothing_is_named)
{
    struct setting setting;
    test_write_file("photo.jpg", "x", 1);
    open_store(&setting, "photo.jpg", 10);
    setting.spec.sample = UINT32_MAX;
    start(&setting);
    CHECK_INT(wait_for_lister(&setting), -ENOENT);
    CHECK_STR(why.text, "no images: 1 file, and none is left by --sample 4294967295");
    stop(&setting);
}

/* Lists up to a limit, behind so many that an earlier run has. */
static struct found list_limited(int64_t limit, uint64_t before)
{
    struct setting setting;
    unlink("job.db");
    open_store(&setting, "sim:100", 10);
    if (before) {
        setting.spec.limit = (int64_t)before;
        start(&setting);
        CHECK_INT(wait_for_lister(&setting), 0);
        lister_stop(setting.lister);
        lister_free(setting.lister);
    }
    char last[32];
    snprintf(last, sizeof(last), "sim:%d", (int)before - 1);
    setting.spec.limit = limit;
    start_behind(&setting, before, before / 10, before ? last : NULL);
    CHECK_INT(wait_for_lister(&setting), 0);
    stop(&setting);
    CHECK(is_listed());
    return read_back();
}

TEST(a_limit_ends_the_list_also_of_a_job_that_goes_on)
{
    CHECK_INT(list_limited(25, 0).images, 25);
    CHECK_INT(list_limited(10, 0).images, 10);
    CHECK_INT(list_limited(1000, 0).images, 100);
    CHECK_INT(list_limited(25, 20).images, 25);
    CHECK_INT(list_limited(20, 20).images, 20);
    CHECK_INT(list_limited(20, 20).batches, 2);
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
    CHECK_STR(why.text, "sim:205: has changed since this job began to list it: entry 100 was sim:100, now it is sim:99; put the old one back, or begin "
                        "a new job");
    stop(&setting);
}

TEST(a_list_that_became_shorter_under_an_interrupted_job_is_noticed)
{
    struct setting setting;
    open_store(&setting, "sim:50", 10);
    start_behind(&setting, 100, 10, "sim:99");
    CHECK_INT(wait_for_lister(&setting), -ESTALE);
    CHECK_CONTAINS(why.text, "entry 100 was sim:99, now it is not there");
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

/* ---- going on with a list of several sources, from every place where it could have been broken off ---- */

static int append_uris(void *arg, const struct db_batch *batch, struct why *reason)
{
    struct rec_item *items;
    uint32_t count;
    struct arena arena;
    (void)reason;
    arena_init(&arena, 1 << 24);
    CHECK_INT(items_decode(batch->items, batch->items_size, &arena, &items, &count), 0);
    for (uint32_t i = 0; i < count; i++)
        bytes_printf(arg, "%s\n", strrchr(items[i].uri.data, '/') ? strrchr(items[i].uri.data, '/') + 1 : items[i].uri.data);
    arena_done(&arena);
    return 0;
}

static char *list_of_job(void)
{
    struct db *db;
    struct bytes text;
    CHECK_INT(db_open("job.db", true, &db, &why), 0);
    bytes_init(&text, 1 << 20);
    CHECK_INT(db_walk(db, append_uris, &text, &why), 0);
    db_close(db);
    return bytes_take(&text);
}

static uint64_t batches_kept;

static int keep_first(void *arg, const struct db_batch *batch, struct why *reason)
{
    (void)reason;
    struct db *db = arg;
    if (batch->id == batches_kept)
        return -ECANCELED;
    CHECK_INT(db_add_batch(db, batch, &why), 0);
    return 0;
}

/* job.db with only the first `count` batches of full.db. */
static void cut(uint64_t count)
{
    struct db *full, *db;
    batches_kept = count;
    CHECK_INT(test_shell(NULL, "rm -f job.db job.db-wal job.db-shm"), 0);
    CHECK_INT(db_open("full.db", true, &full, &why), 0);
    CHECK_INT(db_create("job.db", &db, &why), 0);
    int r = db_walk(full, keep_first, db, &why);
    CHECK(r == 0 || r == -ECANCELED);
    db_close(db);
    db_close(full);
}

static void go_on(struct setting *setting, char **sources, int count)
{
    struct lister_place place;
    struct db *db;
    *setting = (struct setting){ .spec = { .sources = sources, .source_count = count, .batch = 3 } };
    CHECK_INT(mailbox_init(&setting->box), 0);
    CHECK_INT(db_open("job.db", false, &db, &why), 0);
    CHECK_INT(lister_place_read(db, &place, &why), 0);
    CHECK_INT(store_start(db, &setting->box, &setting->store, &why), 0);
    CHECK_INT(lister_start(&setting->spec, NULL, setting->store, &setting->box, &place, &setting->lister, &why), 0);
    CHECK(!place.uri);
}

static int list_behind(char **sources, int count)
{
    struct setting setting;
    go_on(&setting, sources, count);
    int r = wait_for_lister(&setting);
    stop(&setting);
    return r;
}

/* Folder, list, pattern over the same folder, the folder again: no source's items can be told by their names. */
static char *mixed[] = { (char *)"d", (char *)"@list", (char *)"d/*.jpg", (char *)"sim:4", (char *)"d" };

static void make_full(void)
{
    CHECK_INT(test_shell(NULL, "mkdir -p d/sub && touch d/1.jpg d/2.jpg d/3.txt d/sub/4.jpg && printf '%%s\n' d/2.jpg d/1.jpg d/2.jpg >list"), 0);
    struct db *db;
    CHECK_INT(db_create("job.db", &db, &why), 0);
    db_close(db);
    CHECK_INT(list_behind(mixed, 5), 0);
    CHECK_INT(rename("job.db", "full.db"), 0);
}

TEST(a_list_of_several_sources_goes_on_from_any_batch)
{
    make_full();
    cut(1000);
    char *full = list_of_job();
    CHECK_STR(full, "1.jpg\n2.jpg\n3.txt\n4.jpg\n" "2.jpg\n1.jpg\n2.jpg\n" "1.jpg\n2.jpg\n" "sim:0\nsim:1\nsim:2\nsim:3\n" "1.jpg\n2.jpg\n3.txt\n4.jpg\n");
    for (uint64_t batches = 0; batches <= 6; batches++) {
        cut(batches);
        CHECK_INT(list_behind(mixed, 5), 0);
        char *list = list_of_job();
        CHECK_STR(list, full);
        free(list);
    }
    free(full);
}

/* The first batch is 1.jpg, 2.jpg and 3.txt of the folder. */
TEST(a_folder_that_changed_under_an_interrupted_job_is_listed_on_behind_the_last_image)
{
    make_full();
    cut(1);
    CHECK_INT(test_shell(NULL, "rm d/2.jpg && touch d/0.jpg d/1b.jpg d/33.jpg d/sub/5.jpg"), 0);
    CHECK_INT(list_behind(mixed, 1), 0);
    char *list = list_of_job();
    CHECK_STR(list, "1.jpg\n2.jpg\n3.txt\n33.jpg\n4.jpg\n5.jpg\n");
    free(list);
    cut(1);
    CHECK_INT(test_shell(NULL, "rm -r d && mkdir d"), 0);
    CHECK_INT(list_behind(mixed, 1), 0); /* they become rows of kind not_found */
    CHECK(is_listed());
}

static uint64_t skipped_of_job(void)
{
    struct db *db;
    char *text = NULL;
    CHECK_INT(db_open("job.db", true, &db, &why), 0);
    uint64_t skipped = db_get(db, "skipped", &text, &why) == 0 ? strtoull(text, NULL, 10) : 0;
    free(text);
    db_close(db);
    return skipped;
}

/* As the store leaves it with the last of those batches. */
static void cut_with_count(uint64_t batches)
{
    struct db *db;
    char number[24];
    cut(batches);
    if (!batches)
        return;
    CHECK_INT(db_open("job.db", false, &db, &why), 0);
    snprintf(number, sizeof(number), "%llu", (unsigned long long)skipped_at[batches - 1]);
    CHECK_INT(db_set(db, "skipped", number, &why), 0);
    db_close(db);
}

TEST(what_is_passed_over_is_counted_once_wherever_a_list_was_broken_off)
{
    CHECK_INT(test_shell(NULL, "mkdir -p d/sub d/zzz && mkfifo d/0 d/2b.jpg d/sub/3 d/zz d/zzz/last"), 0);
    make_full();
    cut(1000);
    CHECK_INT(skipped_at[5], 10); /* of the last batch: one is behind the last image */
    CHECK(skipped_at[0] > 0 && skipped_at[0] < 10);
    uint64_t before[16];
    memcpy(before, skipped_at, sizeof(before));
    for (uint64_t batches = 0; batches <= 6; batches++) {
        memcpy(skipped_at, before, sizeof(before));
        cut_with_count(batches);
        CHECK_INT(list_behind(mixed, 5), 0);
        CHECK_INT(skipped_of_job(), 11);
    }
}

TEST(a_list_in_a_file_must_be_the_same_up_to_where_it_was_broken_off)
{
    make_full();
    cut(2); /* its last image is the second of the list, 1.jpg */
    CHECK_INT(test_shell(NULL, "printf '%%s\n' d/2.jpg d/9.jpg d/2.jpg >list"), 0);
    CHECK_INT(list_behind(mixed, 5), -ESTALE);
    CHECK_CONTAINS(why.text, "@list: has changed since this job began to list it: entry 2 was ");
    CHECK_CONTAINS(why.text, "9.jpg; put the old one back");
    CHECK_INT(test_shell(NULL, "printf '%%s\n' d/2.jpg >list"), 0);
    CHECK_INT(list_behind(mixed, 5), -ESTALE);
    CHECK_CONTAINS(why.text, "now it is not there");
    CHECK(!is_listed());
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
    test_write_file("list", "a\ngs://b/c\n", 11);
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
    struct lister_place from = { 0 };
    CHECK(lister_start(&setting.spec, NULL, setting.store, &setting.box, &from, &setting.lister, &why) < 0);
    CHECK_CONTAINS(why.text, "/nowhere/at/all");
    setting.lister = NULL;
    stop(&setting);
}
