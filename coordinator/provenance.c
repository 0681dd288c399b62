#include "coordinator/provenance.h"

#include "common/cleanup.h"
#include "common/json.h"
#include "coordinator/node.h"
#include "coordinator/value.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#define KEY "worker %" PRIu32 /* in meta */

static int add(struct provenance *provenance, json_t *worker)
{
    json_t **more = worker ? realloc(provenance->worker, (provenance->count + 1) * sizeof(*more)) : NULL;
    if (!more) {
        json_decref(worker);
        return -ENOMEM;
    }
    provenance->worker = more;
    provenance->worker[provenance->count++] = worker;
    return 0;
}

int provenance_read(struct provenance *provenance, struct db *db, struct why *why)
{
    for (;;) {
        CLEANUP(freep) char *text = NULL;
        char key[32];
        snprintf(key, sizeof(key), KEY, provenance->count);
        int r = db_get(db, key, &text, why);
        if (r == -ENOENT)
            return 0;
        json_t *worker = r == 0 ? json_read(text, strlen(text), 0, NULL) : NULL;
        if (r == 0 && json_refused())
            r = because(why, -ENOMEM, "%s: out of memory", db_path(db));
        else if (r == 0 && !json_is_object(worker))
            r = because(why, -EBADMSG, "%s: what it has as %s is damaged; put a copy of the whole job folder back, or begin a new job", db_path(db), key);
        if (r < 0) {
            json_decref(worker);
            return r;
        }
        if (add(provenance, worker) < 0)
            return because(why, -ENOMEM, "%s: out of memory", db_path(db));
    }
}

void provenance_done(struct provenance *provenance)
{
    for (uint32_t i = 0; i < provenance->count; i++)
        json_decref(provenance->worker[i]);
    free(provenance->worker);
    *provenance = (struct provenance){ 0 };
}

static json_t *describe(const struct node *node)
{
    json_watch();
    return value_whole(json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name", value_text(node->name), "version", value_text(node->version),
                                 "engine", value_text(node->engine), "device", value_text(node->device), "precision", value_text(node->precision),
                                 "fingerprint", value_text(node->fingerprint), "threads", value_count(node->threads),
                                 "engine_batch", value_count(node->engine_batch)));
}

/* Before any row of it, in the order of the store's mailbox. */
static int keep(struct store *store, uint32_t number, const json_t *worker)
{
    CLEANUP(freep) char *text = json_write(worker, JSON_COMPACT);
    struct store_request *request = text && !json_refused() ? store_request_new(STORE_FACTS, 65536) : NULL;
    if (!request)
        return -ENOMEM;
    bytes_printf(&request->data, KEY, number);
    bytes_append_char(&request->data, '\0');
    bytes_append(&request->data, text, strlen(text) + 1);
    if (bytes_error(&request->data)) {
        store_request_free(request);
        return -ENOMEM;
    }
    store_post(store, request);
    return 0;
}

static uint32_t find(const struct provenance *provenance, const json_t *worker)
{
    uint32_t i = 0;
    while (i < provenance->count && !json_equal(provenance->worker[i], worker))
        i++;
    return i;
}

int provenance_label(struct provenance *provenance, struct store *store, struct node *node, char *ret, size_t ret_size)
{
    if (!node->is_recorded) {
        json_t *worker = describe(node);
        uint32_t number = worker ? find(provenance, worker) : 0;
        int r = worker ? 0 : -ENOMEM;
        if (r == 0 && number == provenance->count)
            r = keep(store, number, worker);
        if (r == 0 && number == provenance->count)
            r = add(provenance, json_incref(worker));
        json_decref(worker);
        if (r < 0)
            return r;
        node->record = number;
        node->is_recorded = true;
    }
    snprintf(ret, ret_size, "%s\t%" PRIu32, node->name, node->record);
    return 0;
}

const struct json_t *provenance_find(const struct provenance *provenance, const char *label, size_t *name_size, uint32_t *ret_number)
{
    const char *tab = strchr(label, '\t');
    *name_size = tab ? (size_t)(tab - label) : strlen(label);
    char *end = NULL;
    unsigned long number = tab ? strtoul(tab + 1, &end, 10) : UINT32_MAX;
    *ret_number = tab && end > tab + 1 && !*end && number < UINT32_MAX ? (uint32_t)number : UINT32_MAX;
    return *ret_number < provenance->count ? provenance->worker[*ret_number] : NULL;
}
