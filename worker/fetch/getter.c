#include "worker/fetch/getter.h"

#include "common/cleanup.h"
#include "common/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

/* ---- ends ---- */

void getter_finish(struct getter *getter, struct get *get, enum row_error error, const char *detail)
{
    struct task *task = get->task;
    origins_leave(&getter->origins, get);
    if (error != ROW_ERRORS)
        stage_count_item(getter->spec.stage, error ? 0 : task->size, error != ROW_OK);
    getter->spec.done(getter->spec.arg, task, error, detail);
}

void getter_again(struct getter *getter, struct get *get, uint64_t delay_ns)
{
    if (get->origin->probe == get)
        get->origin->probe = NULL;
    get->due_ns = clock_now_ns() + delay_ns;
    get->next = getter->later;
    getter->later = get;
}

/* ---- transfers ---- */

static struct transfer *spare_transfer(struct getter *getter)
{
    struct transfer *transfer = getter->spare;
    if (transfer)
        getter->spare = transfer->next;
    else if (transfer_new(&getter->limits, getter->spec.budget, &transfer) < 0)
        return NULL;
    return transfer;
}

static void put_back(struct getter *getter, struct transfer *transfer)
{
    transfer_clear(transfer);
    transfer->next = getter->spare;
    getter->spare = transfer;
}

static void link_running(struct getter *getter, struct transfer *transfer)
{
    transfer->next = getter->running;
    transfer->at = &getter->running;
    if (transfer->next)
        transfer->next->at = &transfer->next;
    getter->running = transfer;
    getter->running_count++;
    transfer->get->running[transfer->place] = transfer;
}

/* Ends it on the wire; its bytes are still there. */
static void unlink_running(struct getter *getter, struct transfer *transfer)
{
    wire_remove(&getter->wire, transfer->curl);
    *transfer->at = transfer->next;
    if (transfer->next)
        transfer->next->at = transfer->at;
    getter->running_count--;
    transfer->get->running[transfer->place] = NULL;
}

void getter_drop(struct getter *getter, struct transfer *transfer)
{
    unlink_running(getter, transfer);
    put_back(getter, transfer);
}

void getter_conclude(struct getter *getter, struct transfer *transfer, enum transfer_end end, const struct s3_error *error)
{
    unlink_running(getter, transfer);
    struct transfer *other = transfer->get->running[!transfer->place];
    bool settled = end == TRANSFER_WHOLE || end == TRANSFER_TOO_LARGE || end == TRANSFER_CHANGED || end == TRANSFER_UNMEASURED ||
                   (end == TRANSFER_REFUSED && s3_error_retry(error) == RETRY_NEVER);
    if (other && settled)
        getter_drop(getter, other);
    if (!other || settled)
        verdict_of_end(getter, transfer, end, error);
    put_back(getter, transfer);
}

bool getter_start(struct getter *getter, struct get *get, int place, size_t room)
{
    struct transfer *transfer = spare_transfer(getter);
    struct why why = { "the worker is out of memory" };
    bool fresh = place || get->tired || get->attempt.retry.attempts;
    if (!transfer) {
        budget_give(getter->spec.budget, room);
        if (!place)
            verdict_fail(getter, get, ROW_FETCH, "%s", why.text);
        return false;
    }
    transfer->place = place;
    int r = transfer_prepare(transfer, get, room, fresh, shared_session_get(getter->shared), &getter->key, &why);
    if (r == 0)
        r = wire_begin(&getter->wire, transfer->curl);
    if (r < 0) {
        put_back(getter, transfer);
        if (!place)
            verdict_fail(getter, get, r == -EINVAL ? ROW_UNSUPPORTED : verdict_error(r), "%s", why.text);
        return false;
    }
    transfer->start_ns = transfer->looked_ns = clock_now_ns();
    link_running(getter, transfer);
    return true;
}

/* ---- whose turn it is ---- */

/* An S3 item before there are credentials: waits for them, or fails with their sentence. Whatever that is, this worker may read nothing. */
static bool has_session(struct getter *getter, struct get *get)
{
    struct why why;
    int r = 0;
    const struct span *uri = &get->task->item->uri;
    if (!s3_uri_is(uri->data, uri->size) || shared_session_get(getter->shared))
        return true;
    switch (shared_session_state(getter->shared, &r, &why)) {
    case SHARED_OPEN:
        return true;
    case SHARED_OPENING:
        getter_again(getter, get, GETTER_TICK_NS);
        return false;
    case SHARED_FAILED:
        break;
    }
    verdict_fail(getter, get, r == -ETIMEDOUT ? ROW_TIMEOUT : ROW_DENIED, "%s", why.text);
    return false;
}

static size_t room_for(const struct getter *getter, const struct get *get)
{
    size_t room = get->room ? get->room : get->task->item->size ? get->task->item->size : get->origin->room;
    return room < getter->spec.file_bytes ? room : getter->spec.file_bytes;
}

static bool may_start(struct getter *getter, struct get *get)
{
    const struct rec_item *item = get->task->item;
    uint64_t size = item->size;
    if (atomic_load(&get->task->work->abandoned))
        getter_finish(getter, get, ROW_FETCH, "abandoned");
    else if (memchr(item->uri.data, '\0', item->uri.size))
        verdict_fail(getter, get, ROW_UNSUPPORTED, "an address with a NUL byte");
    else if (size > getter->spec.file_bytes)
        verdict_fail(getter, get, ROW_TOO_LARGE, "the file has %llu bytes, and --memory-limit leaves %zu for one", (unsigned long long)size,
                     getter->spec.file_bytes);
    else
        return has_session(getter, get);
    return false;
}

/* The next get, with room for it in `place`; NULL when there is none, or the budget lets it wait. */
static struct get *next_get(struct getter *getter)
{
    if (getter->asking)
        return budget_given(getter->spec.budget, &getter->place) ? take(getter->asking) : NULL;
    struct get *get;
    do
        get = origins_next(&getter->origins, clock_now_ns());
    while (get && !may_start(getter, get));
    if (!get)
        return NULL;
    if (budget_ask(getter->spec.budget, &getter->place, room_for(getter, get)))
        return get;
    getter->asking = get;
    return NULL;
}

static void start_more(struct getter *getter)
{
    struct get *get;
    while (getter->running_count < getter->spec.concurrency && (get = next_get(getter)))
        getter_start(getter, get, 0, getter->place.size);
}

/* ---- the loop ---- */

static bool is_abandoned(const struct get *get)
{
    return atomic_load(&get->task->work->abandoned);
}

static bool any(const struct get *get)
{
    (void)get;
    return true;
}

static void read_inbox(struct getter *getter)
{
    for (struct mail *mail = mailbox_take(&getter->inbox), *next; mail; mail = next) {
        next = mail->next;
        struct get *get = (struct get *)mail;
        const struct span *uri = &get->task->item->uri;
        if (origins_join(&getter->origins, get, uri->data, uri->size))
            origin_wait(&getter->origins, get, false);
        else
            getter_finish(getter, get, ROW_FETCH, "the worker is out of memory");
    }
}

static void end_transfers(struct getter *getter)
{
    CURLcode code;
    for (CURL *curl; (curl = wire_ended(&getter->wire, &code));) {
        struct transfer *transfer = NULL;
        struct s3_error error = { 0 };
        curl_easy_getinfo(curl, CURLINFO_PRIVATE, &transfer);
        enum transfer_end end = transfer_end(transfer, code, &error);
        getter_conclude(getter, transfer, end, &error);
    }
}

static int wait_ms(const struct getter *getter)
{
    bool idle = !getter->running && !getter->later && !getter->origins.waiting;
    return idle ? -1 : (int)(GETTER_TICK_NS / NS_PER_MS);
}

static void clear_wake(const struct getter *getter)
{
    uint64_t count;
    ssize_t n = read(getter->wake, &count, sizeof(count));
    (void)n;
}

static void run(void *arg)
{
    struct getter *getter = arg;
    getter->ticked_ns = clock_now_ns();
    while (!atomic_load(&getter->stopping)) {
        int r = wire_wait(&getter->wire, wait_ms(getter));
        clear_wake(getter);
        if (r < 0)
            getter_let_go(getter, any, ROW_FETCH, "the worker cannot watch its connections; are there too many? See --fetch-concurrency");
        end_transfers(getter);
        read_inbox(getter);
        if (atomic_exchange(&getter->poked, false))
            getter_let_go(getter, is_abandoned, ROW_FETCH, "abandoned");
        getter_tick(getter);
        start_more(getter);
    }
    read_inbox(getter);
    getter_let_go(getter, any, ROW_ERRORS, NULL);
    getter_account(getter, clock_now_ns());
}

static void wake(void *arg)
{
    const struct getter *getter = arg;
    uint64_t one = 1;
    ssize_t n = write(getter->wake, &one, sizeof(one));
    (void)n;
}

void getter_wake(struct getter *getter)
{
    wake(getter);
}

int getter_open(struct getter *getter)
{
    getter->random = (unsigned)clock_now_ns();
    getter->place = (struct budget_place){ .tell = wake, .arg = getter };
    getter->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (getter->wake < 0)
        return -errno;
    int r = mailbox_init(&getter->inbox);
    if (r == 0)
        r = wire_open(&getter->wire, getter->spec.concurrency + getter->spec.concurrency / 4 + 4);
    if (r == 0)
        r = wire_add_fd(&getter->wire, getter->wake);
    if (r == 0)
        r = wire_add_fd(&getter->wire, getter->inbox.fd);
    return r < 0 ? r : thread_start(&getter->thread, "get", run, getter);
}

void getter_close(struct getter *getter)
{
    if (!getter->wake)
        return;
    atomic_store(&getter->stopping, true);
    wake(getter);
    thread_join(&getter->thread);
    while (getter->spare) {
        struct transfer *transfer = getter->spare;
        getter->spare = transfer->next;
        transfer_free(transfer);
    }
    origins_done(&getter->origins);
    wire_close(&getter->wire);
    mailbox_done(&getter->inbox);
    closep(&getter->wake);
}
