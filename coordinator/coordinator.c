/* coordinator.c: the loop, and what the store and the signals say. */
#include "coordinator/coordinator.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/counted.h"
#include "common/log.h"
#include "common/program.h"
#include "common/signals.h"
#include "coordinator/lender.h"
#include "coordinator/local.h"
#include "coordinator/resolver.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#define TICK_NS (100 * NS_PER_MS)

/* ---- ending ---- */

void coordinator_fail(struct coordinator *c, int r, const char *format, ...)
{
    if (c->result < 0)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(c->why.text, sizeof(c->why.text), format, args);
    va_end(args);
    c->result = r;
    c->stopping = true;
    loop_stop(c->loop);
}

static bool is_complete(const struct coordinator *c)
{
    return c->listed && c->counts.done_images >= c->counts.images;
}

static void stop_if_complete(struct coordinator *c)
{
    if (!is_complete(c) || c->stopping)
        return;
    c->stopping = true;
    loop_stop(c->loop);
}

/* ---- sending ---- */

int coordinator_send(struct coordinator *c, struct node *node, struct message *message)
{
    message->from = c->incarnation;
    message->to = message->kind == MESSAGE_hello ? 0 : node->incarnation;
    return node->link ? link_send(node->link, NULL, message) : -ENOTCONN;
}

uint64_t coordinator_failed(const struct coordinator *c)
{
    return c->counts.errors - c->errors_before;
}

bool coordinator_too_bad(const struct coordinator *c)
{
    return c->plan->max_errors >= 0 && coordinator_failed(c) > (uint64_t)c->plan->max_errors;
}

/* Where most images fail, waiting for the end is of no use to anybody. */
static void stop_if_too_bad(struct coordinator *c)
{
    uint64_t failed = coordinator_failed(c);
    if (!coordinator_too_bad(c) || is_complete(c))
        return;
    coordinator_fail(c, -ECANCELED, "%s failed in this run, more than --max-errors %" PRId64 " allows; see %s status %s", COUNTED(failed, "image has", "images have"),
                     c->plan->max_errors, program_called(), c->plan->job_dir);
}

/* ---- answers of the store ---- */

static void take_loaded(struct coordinator *c, struct store_request *request)
{
    uint64_t next = request->first;
    uint32_t count = 0;
    c->load_asked = false;
    while (request->batches) {
        struct store_batch *stored = request->batches;
        request->batches = stored->next;
        next = stored->id + 1;
        count++;
        if (batches_add(&c->batches, stored) < 0)
            coordinator_fail(c, -ENOMEM, "out of memory");
    }
    c->load_next = count < request->limit && request->first > next ? request->first : next;
}

static void take_result(struct coordinator *c, struct store_request *request)
{
    struct batch *batch = batches_find(&c->batches, request->id);
    struct node *node = request->user;
    node->storing--;
    if (batch && request->r > 0) { /* 0: its rows were there already, and counted */
        c->counts.done_batches++;
        c->counts.done_images += batch->count;
        c->counts.errors += request->errors;
        node->images_done += batch->count;
        node->batches_done++;
        node_was_useful(node);
        if (!batch->split) { /* else its answers to pieces have said so, and there may have been none */
            node->starts = 1; /* it works: only deaths in a row count */
            node->deaths_alone = 0;
        }
        stop_if_too_bad(c);
    }
    if (batch)
        batches_remove(&c->batches, batch);
    c->last_commit_ns = clock_now_ns();
    coordinator_commit(c, node, request->id);
}

static void take_answer(struct coordinator *c, struct store_request *request)
{
    if (request->r < 0) {
        coordinator_fail(c, request->r, "%s", store_why(c->store)->text);
        return;
    }
    switch (request->kind) {
    case STORE_ADD_BATCH:
        c->counts.batches++;
        c->counts.images += request->count;
        break;
    case STORE_LISTED:
        c->listed = true;
        break;
    case STORE_FACTS:
        break;
    case STORE_LOAD:
        take_loaded(c, request);
        break;
    case STORE_RESULT:
        take_result(c, request);
        break;
    }
}

static void finish_listing(struct coordinator *c)
{
    const char *first;
    const struct why *why;
    int r = lister_result(c->lister, &why);
    c->skipped = lister_skipped(c->lister, &first);
    c->bad_list = r == -EINVAL || r == -ENAMETOOLONG;
    if (r < 0)
        coordinator_fail(c, r, "%s", why->text);
    else if (c->skipped)
        log_warning("%s neither file nor folder and passed over%s%s", COUNTED(c->skipped, "entry is", "entries are"),
                    !first ? "" : c->skipped == 1 ? ": " : ", the first is ", first ? first : "");
}

static void on_mail(void *arg)
{
    struct coordinator *c = arg;
    for (struct mail *mail = mailbox_take(&c->box), *next; mail; mail = next) {
        next = mail->next;
        if (mail->kind == MAIL_LISTER)
            finish_listing(c);
        else if (mail->kind == MAIL_LENT)
            model_send((struct lent *)mail);
        else if (mail->kind == MAIL_RESOLVED) {
            node_resolved((struct resolved *)mail);
            free(mail);
        } else {
            take_answer(c, (struct store_request *)mail);
            store_request_free((struct store_request *)mail);
        }
    }
    coordinator_dispatch(c);
    stop_if_complete(c);
}

/* ---- other events ---- */

static void interrupt(struct coordinator *c, const char *what)
{
    log_info("%s, stopping; once more stops at once", what);
    coordinator_fail(c, -EINTR, "%s", what);
}

/* A terminal that was closed says SIGHUP, too, often by way of a shell, which is a process like any other. */
static void on_signal(void *arg)
{
    struct coordinator *c = arg;
    for (int number; (number = signals_read());) {
        if (number == SIGCHLD)
            local_reap(c->local, c);
        else if (number == SIGHUP && c->plan->node_list)
            nodes_reload(c);
        else
            interrupt(c, number == SIGHUP ? "SIGHUP: the terminal was closed, or the node list was to be read again, and there is none" : "interrupted");
    }
}

static void take_point(struct coordinator *c, uint64_t now)
{
    struct history_point *point = history_begin(&c->history, now - c->start_ns, c->counts.done_images);
    for (const struct node *node = c->nodes; node; node = node->next)
        history_count(&c->history, point, node->stages, node->stage_count);
}

static void on_tick(void *arg)
{
    struct coordinator *c = arg;
    loop_timer_set(c->loop, &c->tick, clock_now_ns() + TICK_NS);
    nodes_tick(c);
    if (!c->stopping) {
        coordinator_dispatch(c);
        for (struct node *node = c->nodes; node; node = node->next)
            coordinator_copy(c, node);
    }
    progress_update(c->progress, c);
    uint64_t now = clock_now_ns();
    if (history_due(&c->history, now - c->start_ns))
        take_point(c, now);
}

/* ---- life ---- */

static void read_fact(struct db *db, const char *key, char *to, size_t size)
{
    CLEANUP(freep) char *text = NULL;
    if (db_get(db, key, &text, NULL) == 0)
        snprintf(to, size, "%s", text);
}

/* What earlier runs of this job found out. */
static void read_facts(struct coordinator *c, struct db *db)
{
    read_fact(db, "fingerprint", c->fingerprint, sizeof(c->fingerprint));
    read_fact(db, "network", c->network, sizeof(c->network));
    read_fact(db, "precision", c->precision, sizeof(c->precision));
    read_fact(db, "model_sha256", c->model_sha256, sizeof(c->model_sha256));
    c->classes = (uint32_t)db_get_number(db, "classes");
    c->values = (uint32_t)db_get_number(db, "values");
    c->elapsed_before_ms = db_get_number(db, "elapsed_ms");
    c->working_before_ms = db_get_number(db, "working_ms");
    if (!c->working_before_ms) /* as a job says that was begun when this was not kept */
        c->working_before_ms = c->elapsed_before_ms;
    c->skipped = db_get_number(db, "skipped");
}

static uint64_t ms_since(uint64_t then_ns, uint64_t now_ns)
{
    return now_ns > then_ns ? (now_ns - then_ns) / NS_PER_MS : 0;
}

uint64_t coordinator_elapsed_ms(const struct coordinator *c, uint64_t now_ns)
{
    return c->elapsed_before_ms + ms_since(c->start_ns, now_ns);
}

uint64_t coordinator_working_ms(const struct coordinator *c, uint64_t now_ns)
{
    return c->working_before_ms + (c->first_dispatch_ns ? ms_since(c->first_dispatch_ns, now_ns) : 0);
}

static int start(struct coordinator *c, struct db *db, struct why *why)
{
    CLEANUP(lister_place_done) struct lister_place place = { 0 };
    int r = db_count_work(db, &c->counts, why);
    if (r == 0)
        r = lister_place_read(db, &place, why);
    if (r == 0)
        r = provenance_read(&c->provenance, db, why);
    CLEANUP(freep) char *listed = NULL;
    c->listed = db_get(db, "listed", &listed, NULL) == 0;
    if (r == 0 && !c->listed)
        r = db_forget_private(db, place.batches, why);
    if (r < 0) {
        db_close(db);
        return r;
    }
    c->errors_before = c->counts.errors;
    read_facts(c, db);
    r = store_start(db, &c->box, &c->store, why);
    if (r == 0 && !c->listed)
        r = lister_start(c->spec, c->plan->s3, c->store, &c->box, &place, &c->lister, why);
    if (r == 0 && !is_complete(c))
        r = model_lend(c, why);
    if (r == 0 && !is_complete(c))
        r = nodes_open(c, why);
    if (r == 0)
        r = progress_new(c->plan->job_dir, &c->progress, why);
    return r;
}

static int start_loop(struct coordinator *c, struct why *why)
{
    int r = loop_add_fd(c->loop, c->box.fd, on_mail, c);
    if (r == 0)
        r = loop_add_fd(c->loop, signals_fd(), on_signal, c);
    if (r < 0)
        return because(why, r, "out of memory");
    c->tick = (struct loop_timer){ .due = on_tick, .arg = c };
    c->start_ns = c->enough_ns = clock_now_ns();
    loop_timer_set(c->loop, &c->tick, c->start_ns);
    return 0;
}

static int open_parts(struct coordinator *c, struct why *why)
{
    int r = mailbox_init(&c->box);
    if (r == 0)
        r = loop_new(&c->loop);
    if (r < 0)
        return because(why, r, "cannot start: %s", strerror(-r));
    return link_context_new(&c->context, why);
}

static void count_late_answer(struct coordinator *c, struct store_request *request)
{
    struct batch *batch = batches_find(&c->batches, request->id);
    if (request->kind == STORE_RESULT && request->r > 0 && batch) /* 0: was there already, and counted */
        c->counts.done_images += batch->count;
    store_request_free(request);
}

/* The lister first: it may be waiting for the store. What the store still had is committed, and counted. */
static void stop_parts(struct coordinator *c)
{
    progress_free(c->progress);
    c->progress = NULL;
    lister_stop(c->lister);
    store_stop(c->store);
    lender_stop(c->lender);
    resolver_close(take(c->resolver));
    for (struct mail *mail = c->box.last ? mailbox_take(&c->box) : NULL, *next; mail; mail = next) {
        next = mail->next;
        if (mail->kind == MAIL_STORE)
            count_late_answer(c, (struct store_request *)mail);
        else if (mail->kind == MAIL_LENT)
            lender_drop((struct lent *)mail);
        else if (mail->kind == MAIL_RESOLVED)
            free(mail);
    }
    lister_free(c->lister);
    c->lister = NULL;
    c->store = NULL;
    nodes_close(c);
    batches_done(&c->batches);
}

int coordinator_run(const struct run_plan *plan, struct db *db, struct coordinator **ret, struct why *why)
{
    struct coordinator *c = calloc(1, sizeof(*c));
    if (!c) {
        db_close(db);
        return because(why, -ENOMEM, "out of memory");
    }
    *ret = c;
    c->plan = plan;
    c->spec = plan->spec;
    c->incarnation = link_random_id();
    batches_init(&c->batches);
    int r = open_parts(c, why);
    if (r < 0)
        db_close(db);
    else
        r = start(c, db, why);
    if (r == 0)
        r = start_loop(c, why);
    if (r == 0) {
        stop_if_complete(c);
        if (!c->stopping)
            r = loop_run(c->loop);
        if (r < 0)
            because(why, r, "waiting for messages: %s", strerror(-r));
        take_point(c, c->last_commit_ns ? c->last_commit_ns : c->start_ns);
    }
    /* What follows can take long: standard input that never ends is one of the sources, a table of millions of rows is written. */
    signals_close();
    stop_parts(c);
    if (r == 0 && c->result < 0) {
        r = c->result;
        *why = c->why;
    }
    return r;
}

void coordinator_free(struct coordinator *c)
{
    if (!c)
        return;
    while (c->nodes) {
        struct node *node = c->nodes;
        c->nodes = node->next;
        link_free(node->link);
        free(node->lost);
        free(node);
    }
    link_context_free(c->context);
    lender_free(c->lender);
    provenance_done(&c->provenance);
    loop_free(c->loop);
    mailbox_done(&c->box);
    free(c);
}
