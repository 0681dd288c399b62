#include "coordinator/store.h"

#include "common/thread.h"
#include "tests/test.h"

#include <poll.h>

struct setting {
    struct mailbox box;
    struct store *store;
};

static struct why why;

static void start(struct setting *setting)
{
    struct db *db;
    CHECK_INT(mailbox_init(&setting->box), 0);
    CHECK_INT(db_create("job.db", &db, &why), 0);
    CHECK_INT(store_start(db, &setting->box, &setting->store, &why), 0);
}

static struct store_request *request(enum store_kind kind, uint64_t id)
{
    struct store_request *request = store_request_new(kind, 100);
    request->id = id;
    request->count = 10;
    request->limit = 1000;
    request->errors = 1;
    snprintf(request->node, sizeof(request->node), "node");
    bytes_append_text(&request->data, kind == STORE_RESULT ? "rows" : "items");
    return request;
}

/* The next `count` answers as a list, oldest first. */
static struct mail *answers(struct setting *setting, int count)
{
    struct mail *all = NULL, **last = &all;
    while (count > 0) {
        struct pollfd wait = { .fd = setting->box.fd, .events = POLLIN };
        CHECK_INT(poll(&wait, 1, -1), 1);
        *last = mailbox_take(&setting->box);
        for (; *last; last = &(*last)->next)
            count--;
    }
    CHECK_INT(count, 0);
    return all;
}

static void free_answers(struct mail *all)
{
    for (struct mail *next; all; all = next) {
        next = all->next;
        store_request_free((struct store_request *)all);
    }
}

/* Asks one thing, returns the answer. */
static struct store_request *ask(struct setting *setting, struct store_request *request)
{
    store_post(setting->store, request);
    struct store_request *answer = (struct store_request *)answers(setting, 1);
    CHECK(answer == request);
    return answer;
}

static int ask_r(struct setting *setting, struct store_request *request)
{
    int r = ask(setting, request)->r;
    store_request_free(request);
    return r;
}

TEST(an_answer_means_that_it_is_safe)
{
    struct setting setting;
    struct db_counts counts;
    struct db *reader;
    char *listed;
    start(&setting);
    CHECK_INT(db_open("job.db", true, &reader, &why), 0);
    CHECK_INT(ask_r(&setting, request(STORE_ADD_BATCH, 0)), 0);
    CHECK_INT(db_count(reader, &counts, &why), 0);
    CHECK(counts.batches == 1 && counts.images == 10);
    CHECK_INT(ask_r(&setting, request(STORE_RESULT, 0)), 1);
    CHECK_INT(ask_r(&setting, request(STORE_RESULT, 0)), 0);
    CHECK_INT(db_count(reader, &counts, &why), 0);
    CHECK(counts.done_batches == 1 && counts.errors == 1);
    CHECK_INT(db_get(reader, "listed", &listed, &why), -ENOENT);
    CHECK_INT(ask_r(&setting, request(STORE_LISTED, 0)), 0);
    CHECK_INT(db_get(reader, "listed", &listed, &why), 0);
    CHECK_STR(listed, "yes");
    free(listed);
    db_close(reader);
    store_stop(setting.store);
    mailbox_done(&setting.box);
}

TEST(a_load_brings_the_batches_without_a_result)
{
    struct setting setting;
    start(&setting);
    for (uint64_t id = 0; id < 5; id++)
        CHECK_INT(ask_r(&setting, request(STORE_ADD_BATCH, id)), 0);
    CHECK_INT(ask_r(&setting, request(STORE_RESULT, 1)), 1);
    struct store_request *answer = ask(&setting, request(STORE_LOAD, 0));
    uint64_t expected[] = { 0, 2, 3, 4 };
    struct store_batch *batch = answer->batches;
    for (int i = 0; i < 4; i++, batch = batch->next)
        CHECK(batch && batch->id == expected[i] && batch->count == 10 && batch->size == 5 && !memcmp(batch->items, "items", 5));
    CHECK(!batch);
    store_request_free(answer);
    store_stop(setting.store);
    mailbox_done(&setting.box);
}

TEST(stopping_does_first_what_was_posted)
{
    enum { COUNT = 500 };
    struct setting setting;
    struct db_counts counts;
    struct db *db;
    int got = 0;
    start(&setting);
    for (uint64_t id = 0; id < COUNT; id++)
        store_post(setting.store, request(STORE_ADD_BATCH, id));
    store_stop(setting.store);
    store_stop(NULL);
    struct mail *all = mailbox_take(&setting.box);
    for (struct mail *mail = all; mail; mail = mail->next, got++) {
        CHECK_INT(((struct store_request *)mail)->r, 0);
        CHECK_INT(((struct store_request *)mail)->id, got);
    }
    CHECK_INT(got, COUNT);
    free_answers(all);
    CHECK_INT(db_open("job.db", true, &db, &why), 0);
    CHECK_INT(db_count(db, &counts, &why), 0);
    CHECK_INT(counts.batches, COUNT);
    db_close(db);
    mailbox_done(&setting.box);
}

TEST(the_first_error_breaks_it_for_good_and_nothing_of_it_is_kept)
{
    struct setting setting;
    struct db_counts counts;
    struct db *db;
    start(&setting);
    CHECK_INT(ask_r(&setting, request(STORE_ADD_BATCH, 0)), 0);
    CHECK_INT(ask_r(&setting, request(STORE_ADD_BATCH, 0)), -EEXIST);
    CHECK_CONTAINS(store_why(setting.store)->text, "job.db: ");
    struct why first = *store_why(setting.store);
    CHECK_INT(ask_r(&setting, request(STORE_ADD_BATCH, 1)), -EEXIST);
    CHECK_INT(ask_r(&setting, request(STORE_LOAD, 0)), -EEXIST);
    CHECK_STR(store_why(setting.store)->text, first.text);
    store_stop(setting.store);
    CHECK_INT(db_open("job.db", true, &db, &why), 0);
    CHECK_INT(db_count(db, &counts, &why), 0);
    CHECK_INT(counts.batches, 1);
    db_close(db);
    mailbox_done(&setting.box);
}

struct flood {
    struct thread thread;
    struct store *store;
    uint64_t count;
};

static void run_flood(void *arg)
{
    struct flood *flood = arg;
    for (uint64_t id = 0; id < flood->count; id++)
        store_post_batch(flood->store, request(STORE_ADD_BATCH, id));
}

TEST(a_lister_that_floods_is_held_back_and_gets_through)
{
    struct setting setting;
    struct flood flood = { .count = 3000 };
    start(&setting);
    flood.store = setting.store;
    CHECK_INT(thread_start(&flood.thread, "flood", run_flood, &flood), 0);
    for (int left = (int)flood.count; left > 0;) {
        struct pollfd wait = { .fd = setting.box.fd, .events = POLLIN };
        CHECK_INT(poll(&wait, 1, -1), 1);
        struct mail *all = mailbox_take(&setting.box);
        for (struct mail *mail = all; mail; mail = mail->next, left--) {
            CHECK_INT(((struct store_request *)mail)->r, 0);
            CHECK(!((struct store_request *)mail)->data.data); /* its memory went already */
        }
        free_answers(all);
    }
    thread_join(&flood.thread);
    store_stop(setting.store);
    mailbox_done(&setting.box);
}

TEST(a_store_that_is_stopped_at_any_moment_stops)
{
    /* A stop that comes while the store looks into its empty mailbox must not put it to sleep. */
    for (int i = 0; i < 300; i++) {
        struct setting setting;
        unlink("job.db");
        start(&setting);
        if (i % 2)
            store_post(setting.store, request(STORE_ADD_BATCH, 0));
        for (volatile int spin = 0; spin < i * 50; spin++)
            ;
        store_stop(setting.store);
        free_answers(mailbox_take(&setting.box));
        mailbox_done(&setting.box);
    }
}
