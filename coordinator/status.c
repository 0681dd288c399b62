#include "coordinator/status.h"

#include "common/clock.h"
#include "coordinator/coordinator.h"

#include <jansson.h>
#include <limits.h>

static json_t *outstanding(const struct node *node, uint64_t now)
{
    json_t *list = json_array();
    for (const struct batch_hold *hold = node->holds; hold; hold = hold->next) {
        const struct batch *batch = hold->batch;
        uint64_t id = batch->piece ? batch->piece->whole->id : batch->id;
        json_array_append_new(list, json_pack("{sI si si sf}", "batch", (json_int_t)id, "images", (int)batch->count, "attempt",
                                              (int)batch->attempt, "seconds", (double)(now - hold->sent_ns) / 1e9));
    }
    return list;
}

static json_t *describe_node(const struct node *node, uint64_t now)
{
    return json_pack("{ss ss ss ss sI sI so}", "name", node->name, "state", node_state_shown(node), "device", node->device, "why_not",
                     node->why_not, "images_done", (json_int_t)node->images_done, "images_held", (json_int_t)node->held, "outstanding",
                     outstanding(node, now));
}

void status_write(const char *path, const struct coordinator *c, double images_per_second)
{
    uint64_t now = clock_now_ns();
    char temporary[PATH_MAX + 8];
    json_t *nodes = json_array();
    for (const struct node *node = c->nodes; node; node = node->next)
        json_array_append_new(nodes, describe_node(node, now));
    json_t *status = json_pack("{sf sf sb so}", "images_per_second", images_per_second, "seconds", (double)(now - c->start_ns) / 1e9,
                               "listed", (int)c->listed, "nodes", nodes);
    snprintf(temporary, sizeof(temporary), "%s.new", path);
    if (status && json_dump_file(status, temporary, JSON_COMPACT) == 0)
        (void)!rename(temporary, path);
    json_decref(status);
}
