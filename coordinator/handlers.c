/* handlers.c: what the coordinator does for each message of a worker. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/counted.h"
#include "common/log.h"
#include "coordinator/coordinator.h"
#include "coordinator/doubts.h"
#include "coordinator/hint.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define ASK_AGAIN_NS  (200 * NS_PER_MS)

/* ---- introductions ---- */

static bool is_called(const struct node *node)
{
    return node->state == NODE_CALLING || node->state == NODE_LOADING;
}

void coordinator_on_loading(struct coordinator *c, struct node *node, const struct message *message)
{
    (void)c;
    if (!is_called(node))
        return; /* late */
    node->incarnation = message->from;
    node->state = NODE_LOADING;
    node->left = node->turned_away = false;
}

/* By something that --precision decides: --recheck makes the difference between two in int8. */
static bool differ_in_precision(const char *a, const char *b)
{
    bool known = *a && strcmp(a, "none") && strcmp(b, "none"), both_int8 = !strncmp(a, "int8", 4) && !strncmp(b, "int8", 4);
    return known && !both_int8 && strcmp(a, b);
}

/* The first node of a job says what its numbers are; the others must say the same. */
static bool agrees(struct coordinator *c, const struct msg_welcome *welcome, char *text, size_t size)
{
    uint32_t labels = labels_count(c->plan->labels);
    bool topk = c->spec->emit != ROW_FEATURES;
    if (*c->spec->weights_sha256 && *welcome->model_sha256 && strcmp(c->spec->weights_sha256, welcome->model_sha256))
        snprintf(text, size, "it loaded other weights (sha256 %.12s...)", welcome->model_sha256);
    else if (*c->model_sha256 && strcmp(c->model_sha256, welcome->model_sha256))
        snprintf(text, size, "its own weights (sha256 %.12s...) are not those of the first worker (%.12s...); give --weights FILE to the run",
                 welcome->model_sha256, c->model_sha256);
    else if (topk && welcome->classes != labels)
        snprintf(text, size, "the model has %s, the labels have %s; give the model's own with --labels",
                 COUNTED(welcome->classes, "class", "classes"), COUNTED(labels, "name", "names"));
    else if (differ_in_precision(c->precision, welcome->precision) && !c->spec->mixed)
        snprintf(text, size, "it computes in %.20s, and the job in %.20s; --precision %.*s, given to the job, is asked of all, and --mixed takes both", welcome->precision,
                 c->precision, (int)strcspn(c->precision, "+"), c->precision);
    else if (*c->precision && strcmp(c->precision, welcome->precision) && strcmp(c->precision, "none") && !c->spec->mixed)
        snprintf(text, size, "it computes in %.20s, and the job in %.20s; --recheck N, given to the job, decides it for all workers without one of their own, and --mixed "
                 "takes both", welcome->precision, c->precision);
    else if (*c->fingerprint && strcmp(c->fingerprint, welcome->fingerprint) && !c->spec->mixed)
        snprintf(text, size, "its numbers may differ in the last digits: \"%.200s\", the job has \"%.200s\"; --mixed allows it",
                 welcome->fingerprint, c->fingerprint);
    else
        return true;
    return false;
}

/* They understand each other, but what one of them does better by now the other does not. Known by the name: a node that is back is not told again. */
static void compare_releases(const struct node *node, const char *version)
{
    if (strcmp(version, SLEDDOG_VERSION) && strcmp(version, node->version))
        log_warning("%s: is of release %s, this coordinator of %s; it takes part, but install the same one on all", node->name, version, SLEDDOG_VERSION);
}

static void put_fact(struct bytes *out, const char *key, const char *value)
{
    bytes_append(out, key, strlen(key) + 1);
    bytes_append(out, value, strlen(value) + 1);
}

/* Before any row of it is stored, so that a resumed job cannot go on with other numbers. */
static void keep_facts(struct coordinator *c)
{
    struct store_request *request = store_request_new(STORE_FACTS, 65536);
    char number[24];
    if (request) {
        put_fact(&request->data, "fingerprint", c->fingerprint);
        put_fact(&request->data, "network", c->network);
        put_fact(&request->data, "precision", c->precision);
        put_fact(&request->data, "model_sha256", c->model_sha256);
        snprintf(number, sizeof(number), "%u", c->classes);
        put_fact(&request->data, "classes", number);
        snprintf(number, sizeof(number), "%u", c->values);
        put_fact(&request->data, "values", number);
    }
    if (!request || bytes_error(&request->data)) {
        store_request_free(request);
        coordinator_fail(c, -ENOMEM, "out of memory");
        return;
    }
    store_post(c->store, request);
}

/* The first worker: what this run was asked for works. */
static void keep_placement(struct coordinator *c)
{
    if (c->introduced)
        return;
    c->introduced = true;
    struct store_request *request = c->plan->placement ? store_request_new(STORE_FACTS, 1 << 17) : NULL;
    if (!request)
        return; /* not worth failing for */
    put_fact(&request->data, HINT_PLACEMENT, c->plan->placement);
    if (bytes_error(&request->data))
        store_request_free(request);
    else
        store_post(c->store, request);
}

/* Once a job: a resume knows already. */
static void tell_top(const struct spec *spec, uint32_t classes)
{
    if (spec->emit != ROW_FEATURES && (uint32_t)spec->top > classes)
        log_warning("--top %d: the model has %s, and a result carries no more", spec->top, COUNTED(classes, "class", "classes"));
}

static void remember(struct coordinator *c, struct node *node, const struct msg_welcome *welcome)
{
    snprintf(node->engine, sizeof(node->engine), "%s", welcome->engine);
    snprintf(node->device, sizeof(node->device), "%s", welcome->device);
    snprintf(node->precision, sizeof(node->precision), "%s", welcome->precision);
    snprintf(node->host, sizeof(node->host), "%s", welcome->host);
    snprintf(node->fingerprint, sizeof(node->fingerprint), "%s", welcome->fingerprint);
    snprintf(node->version, sizeof(node->version), "%s", welcome->version);
    node->threads = welcome->threads;
    node->engine_batch = welcome->engine_batch;
    node->is_recorded = false;
    if (*c->fingerprint)
        return;
    snprintf(c->fingerprint, sizeof(c->fingerprint), "%s", welcome->fingerprint);
    snprintf(c->network, sizeof(c->network), "%s", welcome->network);
    snprintf(c->precision, sizeof(c->precision), "%s", welcome->precision);
    snprintf(c->model_sha256, sizeof(c->model_sha256), "%s", welcome->model_sha256);
    c->classes = welcome->classes;
    c->values = welcome->values;
    tell_top(c->spec, c->classes);
    keep_facts(c);
}

void coordinator_on_welcome(struct coordinator *c, struct node *node, const struct message *message)
{
    const struct msg_welcome *welcome = &message->welcome;
    char text[LIMIT_TEXT];
    if (welcome->epoch != c->plan->epoch || welcome->call != node->call || !is_called(node))
        return; /* READY: the same welcome again, because hello was said twice before it came */
    if (!agrees(c, welcome, text, sizeof(text))) {
        node_refused(node, text);
        return;
    }
    node_judge(node, message);
    if (node->state == NODE_REFUSED || c->stopping)
        return;
    if (node->served && c->started)
        log_info("%s: is there again", node->name);
    if (node->served && node->served != message->from)
        node_restarted(node);
    node->incarnation = node->served = message->from;
    node->state = NODE_READY;
    node->left = node->turned_away = false;
    monitor_close(take(node->monitor));
    node->reads_nothing = false;
    doubts_forget(node);
    node->failures = node->still_ms = 0;
    if (node->lent_bytes)
        log_info("%s: has the model from here, %" PRIu64 " bytes of it were sent", node->name, node->lent_bytes);
    node->lent_bytes = 0;
    node->granted = node->sent = node->sent_batches = 0;
    compare_releases(node, welcome->version);
    remember(c, node, welcome);
    keep_placement(c);
    nodes_start_if_enough(c);
    log_debug("%s: ready, %s", node->name, node->device);
}

/* It is asked again. */
static void not_now(struct node *node, const struct msg_refuse *refuse)
{
    bool new = strcmp(node->why_not, refuse->detail) != 0;
    node->left = false;
    node->turned_away = true;
    snprintf(node->why_not, sizeof(node->why_not), "%s", refuse->detail);
    node->state = NODE_CALLING;
    if (refuse->reason == REFUSE_BUSY) {
        if (new)
            log_info("%s: busy, %s; it is asked again", node->name, refuse->detail);
        return;
    }
    node_could_not_load(node, clock_now_ns());
    if (new)
        log_warning("%s: %s; it is asked again", node->name, refuse->detail);
}

void coordinator_on_refuse(struct coordinator *c, struct node *node, const struct message *message)
{
    (void)c;
    if (message->refuse.call != node->call || !is_called(node))
        return; /* late: it has taken the job since, or answers a connection that was given up */
    if (node->left && message->from == node->served)
        return; /* not quite gone yet */
    if (message->refuse.reason == REFUSE_BUSY || message->refuse.reason == REFUSE_FAILED) {
        not_now(node, &message->refuse);
        return;
    }
    node_refused(node, message->refuse.detail);
    if (message->refuse.reason == REFUSE_FENCED)
        coordinator_fail(c, -EBUSY, "%s: %s", node->name, message->refuse.detail);
}

void coordinator_on_status(struct coordinator *c, struct node *node, const struct message *message)
{
    (void)c;
    (void)node;
    (void)message; /* answers `check`, which has a loop of its own */
}

/* ---- work ---- */

void coordinator_on_credit(struct coordinator *c, struct node *node, const struct message *message)
{
    if (message->credit.epoch != c->plan->epoch || !node_serves(node))
        return;
    if (message->credit.images > node->granted)
        node->granted = message->credit.images;
    coordinator_dispatch(c);
    coordinator_copy(c, node);
}

void coordinator_on_returned(struct coordinator *c, struct node *node, const struct message *message)
{
    struct batch *batch = batches_find(&c->batches, message->returned.batch);
    if (message->returned.epoch != c->plan->epoch || !batch || !batch_hold_of(batch, node))
        return;
    if (batch_is_alone(batch))
        batch->piece->not_before_ns = clock_now_ns() + ASK_AGAIN_NS; /* something else is there: the piece must be alone */
    node_unhold(node, batch);
    if (!batch_holders(batch))
        batches_requeue(&c->batches, batch);
    coordinator_dispatch(c);
}

/* ---- signs of life ---- */

void coordinator_on_heartbeat(struct coordinator *c, struct node *node, const struct message *message)
{
    const struct msg_heartbeat *beat = &message->heartbeat;
    if (beat->epoch != c->plan->epoch) {
        if (node_serves(node) || node->state == NODE_LOADING)
            node_lost(node, "it knows nothing of this job any more");
        return;
    }
    if (node->state == NODE_LOADING && beat->images)
        node_lost(node, "its welcome was lost on the way"); /* it is ready and waits: introduce ourselves again */
    if (node->state == NODE_LOADING)
        node_keep_still(node, beat->stages, beat->stages_count);
    if (!node_serves(node) || message->from != node->incarnation)
        return;
    bool waited = node_waits_for_store(node);
    node_keep_stages(node, beat->stages, beat->stages_count);
    if (node_waits_for_store(node) != waited)
        log_warning(waited ? "%s: the store answers again" : "%s: a store does not answer there; it is waited for, as long as --store-timeout says", node->name);
    if (node_misses_batches(node, beat)) {
        node_lost(node, "batches were lost on the way");
        return;
    }
    if (beat->images > node->granted) {
        node->granted = beat->images;
        coordinator_dispatch(c);
    }
}

void coordinator_on_leaving(struct coordinator *c, struct node *node, const struct message *message)
{
    (void)c;
    if (node->state == NODE_GONE || node->state == NODE_REFUSED)
        return;
    node->leaving = true;
    snprintf(node->why_not, sizeof(node->why_not), "%.900s", message->leaving.detail);
    node_drain(node);
}
