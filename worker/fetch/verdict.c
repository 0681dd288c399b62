/* verdict.c: what the end of a transfer means: a row, another attempt, or that the store is down. */
#include "worker/fetch/getter.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/redact.h"
#include "worker/fetch/rounds.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

static bool is_s3(const struct get *get)
{
    return s3_uri_is(get->task->item->uri.data, get->task->item->uri.size);
}

static double random_one(struct getter *getter)
{
    return rand_r(&getter->random) / (RAND_MAX + 1.0);
}

/* ---- sentences ---- */

void verdict_fail(struct getter *getter, struct get *get, enum row_error error, const char *format, ...)
{
    const struct span *uri = &get->task->item->uri;
    struct bytes shown;
    char text[LIMIT_TEXT], reason[640];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof(reason), format, args);
    va_end(args);
    bytes_init(&shown, (size_t)2 * LIMIT_URI);
    bool known = uri_redact(&shown, uri->data, uri->size) == 0 && shown.size;
    snprintf(text, sizeof(text), "%.300s%s%s%s", known ? shown.data : "", known && shown.size > 300 ? "..." : "", known ? ": " : "", reason);
    bytes_done(&shown);
    getter_finish(getter, get, error, text);
}

enum row_error verdict_error(int r)
{
    switch (r) {
    case -ENOENT:
        return ROW_NOT_FOUND;
    case -EACCES:
    case -EPERM:
    case -ENOKEY:
    case -EKEYEXPIRED:
    case -EKEYREJECTED:
        return ROW_DENIED;
    case -ETIMEDOUT:
        return ROW_TIMEOUT;
    default:
        return ROW_FETCH;
    }
}

/* How what may pass is done again. */
static const char *way_on(const struct getter *getter)
{
    return getter->spec.alone ? "try again" : "`sleddog-coordinator retry` tries again";
}

static void fail_plain(struct getter *getter, struct get *get, const struct s3_error *error)
{
    switch (error->fault) {
    case S3_NOT_FOUND:
    case S3_NO_BUCKET:
        verdict_fail(getter, get, ROW_NOT_FOUND, "the server has no such file (status %ld); is the address right?", error->status);
        return;
    case S3_DENIED:
        verdict_fail(getter, get, ROW_DENIED, "the server refuses it (status %ld); plain addresses are fetched without credentials: has a signature in it ended?",
             error->status);
        return;
    case S3_CERTIFICATE:
        verdict_fail(getter, get, ROW_FETCH, "the server's certificate is not trusted (%s); if its authority is your own, name the file with its certificate in "
             "SSL_CERT_FILE%s", error->message, getter->spec.alone ? "" : " on the worker");
        return;
    case S3_TIMEOUT:
        verdict_fail(getter, get, ROW_TIMEOUT, "no answer in time: %s; %s", error->message, way_on(getter));
        return;
    default:
        break;
    }
    if (error->status && error->curl == CURLE_OK)
        verdict_fail(getter, get, ROW_FETCH, "the server answered with status %ld; %s", error->status, way_on(getter));
    else if (error->curl == CURLE_URL_MALFORMAT || error->curl == CURLE_UNSUPPORTED_PROTOCOL)
        verdict_fail(getter, get, error->status ? ROW_FETCH : ROW_UNSUPPORTED, "%s; write a blank as %%20, and only http:// and https:// are followed", error->message);
    else
        verdict_fail(getter, get, ROW_FETCH, "%s; %s", error->message, way_on(getter));
}

static void fail_refused(struct getter *getter, const struct transfer *transfer, const struct s3_error *error)
{
    struct get *get = transfer->get;
    if (!is_s3(get)) {
        fail_plain(getter, get, error);
        return;
    }
    struct why why;
    int r = s3_session_because(shared_session_get(getter->shared), &transfer->request, error, &why);
    getter_finish(getter, get, verdict_error(r), why.text);
}

static void succeeded(struct getter *getter, struct get *get)
{
    if (is_s3(get))
        s3_session_succeeded(shared_session_get(getter->shared), &get->attempt);
    else
        retry_succeeded(&get->origin->budget, &get->attempt.retry);
}

/* ---- a store that is down ---- */

static const char *reason_of(const struct s3_error *error)
{
    return error->message[0] ? error->message : "it is unavailable";
}

static void answered(struct getter *getter, struct origin *origin)
{
    if (origin->down_ns)
        log_info("%s answers again", origin->name);
    origin_answered(&getter->origins, origin);
}

static bool is_down(struct getter *getter, struct get *get, enum origin_trouble trouble, const struct s3_error *error)
{
    struct origin *origin = get->origin;
    bool before = origin->down_ns, given_up = origin->given_up;
    bool down = origin_failed(&getter->origins, get, trouble, clock_now_ns(), getter->spec.store_timeout_ns);
    if (down && !before)
        log_warning("%s does not answer: %s; it is waited for", origin->name, reason_of(error));
    if (origin->given_up && !given_up)
        log_warning("%s has not answered for longer than --store-timeout: given up", origin->name);
    return down;
}

static bool any(const struct get *get)
{
    (void)get;
    return true;
}

/* Everything that waits for an origin that was given up fails with it. */
static void give_up(struct getter *getter, struct origin *origin, const char *reason)
{
    for (struct get *get; (get = origin_take(&getter->origins, origin, any));)
        verdict_fail(getter, get, ROW_FETCH, "%s has not answered for %llu s (--store-timeout): %s; when it is back, %s",
             origin->name, (unsigned long long)((clock_now_ns() - origin->down_ns) / NS_PER_S), reason, way_on(getter));
}

/* The get waits for its origin; its failures were not its own. One that was the probe goes behind the others: were it the only one that gets no answer,
 * they will show it. */
static void park(struct getter *getter, struct get *get, bool was_probe, const char *reason)
{
    struct origin *origin = get->origin;
    if (get->attempt.retry.held)
        succeeded(getter, get); /* what its attempts took from the budget goes back */
    get->attempt = (struct s3_try){ 0 };
    get->tired = 0;
    stage_count_retry(getter->spec.stage);
    origin_wait(&getter->origins, get, !was_probe);
    if (origin->given_up)
        give_up(getter, origin, reason);
}

/* ---- another attempt ---- */

static bool again(struct getter *getter, const struct transfer *transfer, const struct s3_error *error, uint64_t *ret_delay_ns)
{
    struct get *get = transfer->get;
    enum retry_kind kind = s3_error_retry(error);
    bool yes = is_s3(get) ? s3_session_again(shared_session_get(getter->shared), &get->attempt, &transfer->request, error, ret_delay_ns) :
                            retry_again(&get->origin->budget, &get->attempt.retry, kind, ROUND_ATTEMPTS, random_one(getter), ret_delay_ns);
    return yes || (kind != RETRY_NEVER && rounds_go_on(get, random_one(getter), ret_delay_ns));
}

/* Whether the failure says something about the store as a whole. */
static bool is_unavailable(const struct s3_error *error, enum origin_trouble *ret)
{
    bool refused = error->curl == CURLE_COULDNT_CONNECT || error->curl == CURLE_COULDNT_RESOLVE_HOST || error->curl == CURLE_COULDNT_RESOLVE_PROXY;
    *ret = refused ? ORIGIN_REFUSED : ORIGIN_UNAVAILABLE;
    return refused || error->fault == S3_THROTTLED || error->fault == S3_TIMEOUT || (error->fault == S3_CONNECTION && !error->status) ||
           error->status == 502 || error->status == 503 || error->status == 504;
}

/* A name that nobody knows and that never answered is a mistake in the address, not a store that is down. */
static bool is_unknown_host(const struct get *get, const struct s3_error *error)
{
    return error->curl == CURLE_COULDNT_RESOLVE_HOST && !get->origin->answered && !is_s3(get);
}

static void refused(struct getter *getter, struct transfer *transfer, const struct s3_error *error)
{
    struct get *get = transfer->get;
    enum origin_trouble trouble;
    uint64_t delay = 0;
    bool unavailable = is_unavailable(error, &trouble), was_probe = get->origin->probe == get;
    if (error->status && !unavailable)
        answered(getter, get->origin);
    if (unavailable && !is_unknown_host(get, error) && is_down(getter, get, trouble, error)) {
        park(getter, get, was_probe, reason_of(error));
        return;
    }
    if (!again(getter, transfer, error, &delay)) {
        fail_refused(getter, transfer, error);
        return;
    }
    stage_count_retry(getter->spec.stage);
    getter_again(getter, get, delay);
}

/* ---- the body ---- */

static void whole(struct getter *getter, struct transfer *transfer)
{
    struct get *get = transfer->get;
    struct task *task = get->task;
    struct origin *origin = get->origin;
    answered(getter, origin);
    pace_add(&origin->pace, clock_now_ns() - transfer->start_ns);
    if (!task->item->size)
        origin_learn_size(origin, transfer->size);
    succeeded(getter, get);
    task->data = transfer_take(transfer, &task->size);
    if (task->data)
        getter_finish(getter, get, ROW_OK, NULL);
    else
        verdict_fail(getter, get, ROW_FETCH, "the worker is out of memory");
}

void verdict_of_end(struct getter *getter, struct transfer *transfer, enum transfer_end end, const struct s3_error *error)
{
    static const struct s3_error stalled = { .fault = S3_TIMEOUT, .curl = CURLE_OPERATION_TIMEDOUT, .message = "the transfer stood still" };
    struct get *get = transfer->get;
    switch (end) {
    case TRANSFER_WHOLE:
        whole(getter, transfer);
        break;
    case TRANSFER_REFUSED:
        refused(getter, transfer, error);
        break;
    case TRANSFER_STALLED:
        refused(getter, transfer, &stalled);
        break;
    case TRANSFER_LARGER:
        answered(getter, get->origin);
        get->room = transfer->wanted;
        origin_wait(&getter->origins, get, true);
        break;
    case TRANSFER_TOO_LARGE:
        verdict_fail(getter, get, ROW_TOO_LARGE, "the file has %zu bytes or more, and --memory-limit leaves %zu for one", transfer->wanted, getter->spec.file_bytes);
        break;
    case TRANSFER_CHANGED:
        verdict_fail(getter, get, ROW_FETCH, "the object has changed since it was listed; begin a new job to have it listed again");
        break;
    case TRANSFER_UNMEASURED:
        verdict_fail(getter, get, ROW_FETCH, "the server does not say how long the file is (neither Content-Length nor chunks), so that a part of it could not be told "
                     "from the whole; fetch it from a server that does");
        break;
    case TRANSFER_NO_MEMORY:
        verdict_fail(getter, get, ROW_FETCH, "the worker is out of memory");
        break;
    }
}
