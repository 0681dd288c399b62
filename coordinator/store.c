#include "coordinator/store.h"

#include "common/thread.h"
#include "coordinator/retries.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>

#define BATCHES_IN_FRONT 256

struct store {
    struct db *db;
    struct mailbox requests, *answers;
    struct thread thread;
    sem_t room;
    uint64_t elapsed_ms, working_ms; /* of the last result in this transaction; 0: none */
    uint64_t skipped;    /* as it was told last; 0: not yet */
    atomic_bool stopping;
    int error;
    struct why why;
};

struct store_request *store_request_new(enum store_kind kind, size_t data_cap)
{
    struct store_request *request = calloc(1, sizeof(*request));
    if (!request)
        return NULL;
    request->kind = kind;
    bytes_init(&request->data, data_cap);
    bytes_init(&request->whole, data_cap);
    return request;
}

void store_request_free(struct store_request *request)
{
    if (!request)
        return;
    while (request->batches) {
        struct store_batch *batch = request->batches;
        request->batches = batch->next;
        free(batch);
    }
    bytes_done(&request->data);
    bytes_done(&request->whole);
    free(request);
}

struct loading {
    struct db *db;
    struct store_batch **last;
};

/* With its addresses as they are. */
static int keep_batch(void *arg, const struct db_batch *batch, struct why *why)
{
    struct loading *loading = arg;
    CLEANUP(freep) void *whole = NULL;
    size_t size = batch->items_size;
    int r = db_get_private(loading->db, (int64_t)batch->id, &whole, &size, why);
    if (r < 0 && r != -ENOENT)
        return r;
    struct store_batch *copy = malloc(sizeof(*copy) + size);
    if (!copy)
        return because(why, -ENOMEM, "out of memory");
    *copy = (struct store_batch){ .id = batch->id, .count = batch->count, .size = size };
    memcpy(copy->items, whole ? whole : batch->items, size);
    *loading->last = copy;
    loading->last = &copy->next;
    return 0;
}

static int set_number(struct store *store, const char *key, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRIu64, number);
    return db_set(store->db, key, text, &store->why);
}

static int set_skipped(struct store *store, uint64_t skipped)
{
    bool same = store->skipped == skipped;
    store->skipped = skipped;
    return same ? 0 : set_number(store, "skipped", skipped);
}

static int add_batch(struct store *store, const struct store_request *request)
{
    struct db_batch batch = { .id = request->id, .first = request->first, .count = request->count, .items = request->data.data,
                              .items_size = request->data.size, .source = request->source, .at = request->at };
    int r = request->whole.size ? db_keep_private(store->db, (int64_t)request->id, request->whole.data, request->whole.size, &store->why) : 0;
    if (r == 0)
        r = db_add_batch(store->db, &batch, &store->why);
    return r < 0 ? r : set_skipped(store, request->skipped);
}

static int set_facts(struct store *store, const struct bytes *pairs)
{
    int r = 0;
    for (const char *key = pairs->data, *end = key + pairs->size; key < end && r == 0;) {
        const char *value = key + strlen(key) + 1;
        r = db_set(store->db, key, value, &store->why);
        key = value + strlen(value) + 1;
    }
    return r;
}

static int set_elapsed(struct store *store)
{
    uint64_t elapsed_ms = store->elapsed_ms;
    store->elapsed_ms = 0;
    int r = set_number(store, "elapsed_ms", elapsed_ms);
    return r < 0 ? r : set_number(store, "working_ms", store->working_ms);
}

static int set_listed(struct store *store, uint64_t skipped)
{
    int r = set_skipped(store, skipped);
    return r < 0 ? r : db_set(store->db, "listed", "yes", &store->why);
}

/* Of a retry, or of a batch of the list. */
static int add_result(struct store *store, const struct store_request *request)
{
    int r = retries_take(store->db, request->id, request->data.data, request->data.size, &store->why);
    if (r == -ENOENT)
        r = db_add_result(store->db, request->id, request->data.data, request->data.size, request->attempt, request->node, request->errors,
                          &store->why);
    return r;
}

static int serve(struct store *store, struct store_request *request)
{
    struct loading loading = { store->db, &request->batches };
    switch (request->kind) {
    case STORE_ADD_BATCH:
        return add_batch(store, request);
    case STORE_LISTED:
        return set_listed(store, request->skipped);
    case STORE_FACTS:
        return set_facts(store, &request->data);
    case STORE_LOAD:
        return db_pending(store->db, request->id, request->limit, keep_batch, &loading, &store->why);
    case STORE_RESULT:
        store->elapsed_ms = request->elapsed_ms;
        store->working_ms = request->working_ms;
        return add_result(store, request);
    }
    return -EINVAL;
}

/* One transaction for everything that is waiting. */
static void serve_all(struct store *store, struct mail *list)
{
    if (!store->error)
        store->error = db_begin(store->db, &store->why);
    for (struct mail *mail = list; mail; mail = mail->next) {
        struct store_request *request = (struct store_request *)mail;
        request->r = store->error ? store->error : serve(store, request);
        if (request->r < 0)
            store->error = request->r;
    }
    if (!store->error && store->elapsed_ms)
        store->error = set_elapsed(store);
    if (!store->error)
        store->error = db_commit(store->db, &store->why);
    for (struct mail *mail = list, *next; mail; mail = next) {
        struct store_request *request = (struct store_request *)mail;
        next = mail->next;
        if (store->error)
            request->r = store->error;
        if (request->kind == STORE_ADD_BATCH) {
            bytes_done(&request->data);
            bytes_done(&request->whole);
            sem_post(&store->room);
        }
        mailbox_post(store->answers, mail);
    }
}

static void run(void *arg)
{
    struct store *store = arg;
    struct pollfd wait = { .fd = store->requests.fd, .events = POLLIN };
    for (;;) {
        /* Asked before the box is emptied: what was posted before the stop is still done. */
        bool stopping = atomic_load(&store->stopping);
        struct mail *list = mailbox_take(&store->requests);
        if (list)
            serve_all(store, list);
        else if (stopping)
            return;
        else if (!atomic_load(&store->stopping)) /* else its wake-up may just have been taken */
            poll(&wait, 1, -1);
    }
}

int store_start(struct db *db, struct mailbox *answers, struct store **ret, struct why *why)
{
    struct store *store = calloc(1, sizeof(*store));
    int r = store ? mailbox_init(&store->requests) : -ENOMEM;
    if (r < 0) {
        free(store);
        db_close(db);
        return because(why, r, "the job store: %s", strerror(-r));
    }
    store->db = db;
    store->answers = answers;
    sem_init(&store->room, 0, BATCHES_IN_FRONT);
    r = thread_start(&store->thread, "store", run, store);
    if (r < 0) {
        store_stop(store);
        return because(why, r, "the job store: no thread: %s", strerror(-r));
    }
    *ret = store;
    return 0;
}

void store_stop(struct store *store)
{
    if (!store)
        return;
    atomic_store(&store->stopping, true);
    uint64_t one = 1;
    ssize_t woken = write(store->requests.fd, &one, sizeof(one));
    (void)woken;
    thread_join(&store->thread);
    for (struct mail *mail = mailbox_take(&store->requests), *next; mail; mail = next) {
        next = mail->next;
        store_request_free((struct store_request *)mail);
    }
    sem_destroy(&store->room);
    mailbox_done(&store->requests);
    db_close(store->db);
    free(store);
}

const struct why *store_why(const struct store *store)
{
    return &store->why;
}

void store_post(struct store *store, struct store_request *request)
{
    mailbox_post(&store->requests, &request->mail);
}

void store_post_batch(struct store *store, struct store_request *request)
{
    while (sem_wait(&store->room) < 0 && errno == EINTR)
        ;
    store_post(store, request);
}
