/* test_torture_job.c: the state of a job, in memory and in its directory, with every single allocation refused; SQLite's too. */
#include "common/cleanup.h"
#include "coordinator/batch.h"
#include "coordinator/jobdir.h"
#include "coordinator/lister.h"
#include "coordinator/quarantine.h"
#include "coordinator/sockets.h"
#include "tests/test.h"
#include "tests/torture.h"
#include "tests/torture_db.h"
#include "tests/torture_spec.h"

#include <poll.h>

/* ---- the job's state ---- */

static struct store_batch *stored(uint64_t id)
{
    struct store_batch *batch = malloc(sizeof(*batch) + 1);
    if (batch)
        *batch = (struct store_batch){ .id = id, .count = 1 };
    return batch;
}

static int use_batches(struct why *why)
{
    static struct batches batches;
    int r = 0;
    batches_init(&batches);
    for (uint64_t id = 0; id < 5 && r == 0; id++) {
        struct store_batch *batch = stored(id);
        r = batch ? batches_add(&batches, batch) : -ENOMEM;
    }
    batches_done(&batches);
    return r < 0 ? because(why, r, "%s", strerror(-r)) : 0;
}

static struct store_batch *stored_items(uint32_t count)
{
    struct rec_item items[8];
    CLEANUP(bytes_done) struct bytes bytes;
    bytes_init(&bytes, 65536);
    for (uint32_t i = 0; i < count; i++)
        items[i] = (struct rec_item){ .uri = { "/image", 6 }, .etag = "" };
    if (items_encode(items, count, &bytes) < 0)
        return NULL;
    struct store_batch *batch = malloc(sizeof(*batch) + bytes.size);
    if (!batch)
        return NULL;
    *batch = (struct store_batch){ .id = 0, .count = count, .size = bytes.size };
    memcpy(batch->items, bytes.data, bytes.size);
    return batch;
}

static int answer_pieces(struct batches *batches)
{
    struct rec_row rows[8] = { { .error = ROW_DECODE, .detail = "no JPEG" } };
    int r = 0;
    for (int i = 1; i < 8; i++)
        rows[i] = rows[0];
    while (r == 0) {
        struct batch *piece = batches->alone.first ? batches->alone.first : batches->queue.first;
        batches_unqueue(batches, piece);
        r = quarantine_answer(batches, piece, rows);
    }
    return r < 0 ? r : 0;
}

/* A suspect that is not marked for want of memory is missed, and told by the next death. */
static int use_quarantine(struct why *why)
{
    struct batches batches;
    batches_init(&batches);
    struct store_batch *items = stored_items(8);
    int r = items ? batches_add(&batches, items) : -ENOMEM;
    struct batch *batch = r == 0 ? batches_pop(&batches) : NULL;
    if (r == 0)
        r = batch_suspect(batch, 3);
    if (r == 0)
        r = quarantine_split(&batches, batch);
    if (r == 0)
        r = answer_pieces(&batches);
    if (r == 0)
        CHECK_INT(batch->split->missing, 0);
    batches_done(&batches);
    return r < 0 ? because(why, r, "%s", strerror(-r)) : 0;
}

static int use_sockets(struct why *why)
{
    struct sockets sockets;
    int r = sockets_open(".", &sockets, why);
    if (r < 0)
        return r;
    sockets_close(&sockets);
    return 0;
}

static int keep_nothing(void *arg, const struct db_batch *batch, struct why *why)
{
    (void)why;
    *(int *)arg += batch->rows != NULL;
    return 0;
}

static int fill_db(struct db *db, struct why *why)
{
    static char big[20000]; /* over several pages */
    int with_rows = 0;
    CLEANUP(freep) char *text = NULL;
    struct db_counts counts;
    int r = db_begin(db, why);
    for (uint64_t id = 0; id < 3 && r == 0; id++) {
        struct db_batch batch = { .id = id, .first = id, .count = 1, .items = big, .items_size = sizeof(big) };
        r = db_add_batch(db, &batch, why);
    }
    if (r == 0)
        r = db_add_result(db, 1, big, sizeof(big), 1, "node", 0, why);
    r = r == 1 ? db_set(db, "key", "value", why) : r;
    if (r == 0)
        r = db_commit(db, why);
    if (r == 0)
        r = db_get(db, "key", &text, why);
    if (r == 0)
        r = db_count(db, &counts, why);
    if (r == 0)
        r = db_pending(db, 0, 10, keep_nothing, &with_rows, why);
    if (r == 0)
        r = db_walk(db, keep_nothing, &with_rows, why);
    if (r == 0) {
        CHECK_STR(text, "value");
        CHECK_INT(counts.batches, 3);
        CHECK_INT(with_rows, 1);
    }
    return r;
}

static int use_db(struct why *why)
{
    CLEANUP(db_closep) struct db *db = NULL;
    torture_db_remove();
    int r = db_create("job.db", &db, why);
    if (r == 0)
        r = fill_db(db, why);
    if (r < 0)
        return r;
    db_closep(&db);
    return db_open("job.db", true, &db, why);
}

/* Whenever a job.db is there afterwards, it is whole. */
static int use_new_jobdir(struct why *why)
{
    CLEANUP(spec_freep) struct spec *spec = NULL;
    CLEANUP(db_closep) struct db *db = NULL;
    struct jobdir dir = { .fd = -1 };
    unlink("job/job.db");
    int r = torture_spec(&spec, why);
    if (r == 0)
        r = jobdir_create("job", spec, &dir, &db, why);
    jobdir_close(&dir);
    return r;
}

static int use_old_jobdir(struct why *why)
{
    CLEANUP(spec_freep) struct spec *spec = NULL;
    CLEANUP(db_closep) struct db *db = NULL;
    struct jobdir dir = { .fd = -1 };
    int r = jobdir_open("job", &dir, &db, &spec, why);
    if (r == 0)
        CHECK_INT(spec->batch, 3);
    jobdir_close(&dir);
    return r;
}

/* Reads the answers until the lister is done; its own result, or the store's. */
static int answers(struct mailbox *box, struct store *store, const struct lister *lister, struct why *why)
{
    const struct why *reason;
    int r = 0;
    for (bool done = false; !done;) {
        struct pollfd wait = { .fd = box->fd, .events = POLLIN };
        CHECK_INT(poll(&wait, 1, -1), 1);
        for (struct mail *mail = mailbox_take(box), *next; mail; mail = next) {
            next = mail->next;
            if (mail->kind == MAIL_LISTER) {
                done = true;
                continue;
            }
            if (((struct store_request *)mail)->r < 0)
                r = because(why, ((struct store_request *)mail)->r, "%s", store_why(store)->text);
            store_request_free((struct store_request *)mail);
        }
    }
    int listed = lister_result(lister, &reason);
    return listed < 0 ? because(why, listed, "%s", reason->text) : r;
}

static void free_mail(struct mailbox *box)
{
    for (struct mail *mail = mailbox_take(box), *next; mail; mail = next) {
        next = mail->next;
        if (mail->kind == MAIL_STORE)
            store_request_free((struct store_request *)mail);
    }
}

static int list_into(struct store *store, struct mailbox *box, struct why *why)
{
    struct lister *lister;
    char *sources[] = { (char *)"sim:25" };
    struct spec spec = { .sources = sources, .source_count = 1, .batch = 10 };
    int r = lister_start(&spec, NULL, store, box, &(struct lister_place){ 0 }, &lister, why);
    if (r < 0)
        return r;
    r = answers(box, store, lister, why);
    lister_stop(lister);
    lister_free(lister);
    return r;
}

static int use_store(struct why *why)
{
    struct mailbox box;
    struct store *store;
    struct db *db;
    torture_db_remove();
    int r = mailbox_init(&box);
    if (r < 0)
        return because(why, r, "%s", strerror(-r));
    r = db_create("job.db", &db, why);
    if (r == 0)
        r = store_start(db, &box, &store, why);
    if (r == 0) {
        r = list_into(store, &box, why);
        struct store_request *load = r == 0 ? store_request_new(STORE_LOAD, 0) : NULL;
        if (load) {
            load->limit = 10;
            store_post(store, load);
        } else if (r == 0)
            r = because(why, -ENOMEM, "no request");
        store_stop(store);
    }
    free_mail(&box);
    mailbox_done(&box);
    return r;
}

TEST(the_state_of_a_job_survives_refused_memory)
{
    torture_db_begin();
    test_write_file("labels", "a\nb\n", 4);
    torture(use_batches);
    torture(use_quarantine);
    torture_lenient(use_sockets); /* a folder that cannot be read is not cleaned, until the next time */
    torture_lenient(use_db);
    torture_lenient(use_new_jobdir);
    torture_lenient(use_old_jobdir);
    torture_lenient(use_store);
}

/* ---- what addresses hide ---- */

static int use_private(struct why *why)
{
    CLEANUP(db_closep) struct db *db = NULL;
    CLEANUP(freep) void *data = NULL;
    size_t size;
    int r = db_open("job.db", false, &db, why);
    if (r == 0)
        r = db_begin(db, why);
    if (r == 0)
        r = db_keep_private(db, 5, "hush", 5, why);
    if (r == 0)
        r = db_commit(db, why);
    if (r == 0)
        r = db_get_private(db, 5, &data, &size, why);
    if (r == 0)
        CHECK(size == 5 && !strcmp(data, "hush"));
    return r == 0 ? db_remove_private(db, why) : r;
}

TEST(what_addresses_hide_survives_refused_memory)
{
    struct db *db;
    struct why why;
    torture_db_begin();
    CHECK_INT(db_create("job.db", &db, &why), 0);
    db_close(db);
    torture_lenient(use_private);
}
