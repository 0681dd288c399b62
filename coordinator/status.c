#include "coordinator/status.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/options.h"
#include "coordinator/coordinator.h"
#include "coordinator/jobdir.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <string.h>

/* ---- writing ---- */

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
    return json_pack("{ss ss ss ss sI sI so}", "name", node->name, "state", node_state_name(node->state), "device", node->device, "why_not",
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

/* ---- the command ---- */

static void print_nodes(const json_t *status)
{
    size_t i, j;
    json_t *node, *batch;
    printf("now       %.1f images/s, running for %.0f s\n", json_number_value(json_object_get(status, "images_per_second")),
           json_number_value(json_object_get(status, "seconds")));
    json_array_foreach(json_object_get(status, "nodes"), i, node) {
        printf("node      %s, %s: %lld images done, %lld held  %s\n", json_string_value(json_object_get(node, "name")),
               json_string_value(json_object_get(node, "state")), json_integer_value(json_object_get(node, "images_done")),
               json_integer_value(json_object_get(node, "images_held")), json_string_value(json_object_get(node, "why_not")));
        json_array_foreach(json_object_get(node, "outstanding"), j, batch)
            printf("            batch %lld, %lld images, attempt %lld, for %.1f s\n", json_integer_value(json_object_get(batch, "batch")),
                   json_integer_value(json_object_get(batch, "images")), json_integer_value(json_object_get(batch, "attempt")),
                   json_number_value(json_object_get(batch, "seconds")));
    }
}

static int print_status(const char *folder, struct why *why)
{
    CLEANUP(db_closep) struct db *db = NULL;
    CLEANUP(spec_freep) struct spec *spec = NULL;
    char path[PATH_MAX];
    struct db_counts counts = { 0 };
    char *listed = NULL;
    int r = jobdir_read(folder, &db, &spec, why);
    if (r == 0)
        r = db_count(db, &counts, why);
    if (r < 0)
        return r;
    bool complete_list = db_get(db, "listed", &listed, NULL) == 0, running = jobdir_is_running(folder);
    free(listed);
    bool complete = complete_list && counts.done_images == counts.images;
    printf("job       %s, of %s\n", spec->job, folder);
    CLEANUP(freep) char *hint = NULL;
    db_get(db, "hint", &hint, NULL);
    printf("state     %s%s\n", running ? "running" : complete ? "complete" : "stopped; go on with: ", running || complete || !hint ? "" : hint);
    printf("listed    %" PRIu64 " images in %" PRIu64 " batches%s\n", counts.images, counts.batches, complete_list ? "" : ", listing is not finished");
    printf("done      %" PRIu64 " images in %" PRIu64 " batches\n", counts.done_images, counts.done_batches);
    printf("failed    %" PRIu64 " of those\n", counts.errors);
    snprintf(path, sizeof(path), "%s/status.json", folder);
    json_t *status = running ? json_load_file(path, 0, NULL) : NULL;
    if (status)
        print_nodes(status);
    json_decref(status);
    return 0;
}

struct status_options {
    bool help;
};

static const struct option_row rows[] = {
    { 'h', "help", OPTION_FLAG, offsetof(struct status_options, help), NULL, "print this help", 0, 0, NULL },
    { 0 },
};

int command_status(int argc, char **argv)
{
    struct status_options options = { 0 };
    struct why why = { "" };
    int first, r = options_parse(rows, &options, argc, argv, &first, &why);
    if (r == 0 && options.help) {
        puts("sleddog-coordinator status JOBDIR: what is done, outstanding (who, since when), failed\n");
        options_print(rows, stdout);
        return 0;
    }
    if (r == 0 && first + 1 != argc)
        r = because(&why, -EINVAL, "status takes one job directory");
    if (r < 0) {
        log_error("%s; see sleddog-coordinator --help", why.text);
        return 2;
    }
    r = print_status(argv[first], &why);
    if (r < 0)
        log_error("%s", why.text);
    return r < 0;
}
