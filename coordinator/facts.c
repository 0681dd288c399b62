#include "coordinator/facts.h"

#include "common/clock.h"
#include "coordinator/shown.h"
#include "coordinator/summary.h"
#include "coordinator/value.h"

#include <errno.h>
#include <string.h>

#define MAX_FILES 8

static void node_facts(const struct node *node, struct node_facts *ret)
{
    *ret = (struct node_facts){
        .name = node->name, .version = node->version, .engine = node->engine, .device = node->device, .precision = node->precision,
        .fingerprint = node->fingerprint,
        .threads = node->threads, .engine_batch = node->engine_batch, .images = node->images_done, .batches = node->batches_done,
        .stages = node->stages, .stages_count = node->stage_count,
    };
}

static struct preset preset_of(const struct spec *spec)
{
    struct preset preset = { .name = spec->preset, .resize = spec->resize, .crop = spec->crop,
                             .interpolation = spec->interpolation, .exif_orient = spec->exif_orient };
    memcpy(preset.mean, spec->mean, sizeof(preset.mean));
    memcpy(preset.std, spec->std, sizeof(preset.std));
    return preset;
}

/* Nodes by what job.db has of them; this run's know more about themselves. */
struct gathering {
    const struct coordinator *c;
    struct arena arena; /* names */
    struct node_facts *nodes;
    uint32_t count;
};

/* What is known of a worker of an earlier run. */
static void worker_facts(const struct json_t *worker, struct node_facts *ret)
{
    ret->version = text_at(worker, "version");
    ret->engine = text_at(worker, "engine");
    ret->device = text_at(worker, "device");
    ret->precision = text_at(worker, "precision");
    ret->fingerprint = text_at(worker, "fingerprint");
    ret->threads = (uint32_t)count_at(worker, "threads");
    ret->engine_batch = (uint32_t)count_at(worker, "engine_batch");
}

/* Rows of a former release, and nodes without rows, have no number. */
static bool is_that(const struct node *node, const char *name, uint32_t record)
{
    return !strcmp(node->name, name) && (record == UINT32_MAX || (node->is_recorded && node->record == record));
}

static int gather_node(void *arg, const char *label, uint64_t images, uint64_t batches, struct why *why)
{
    struct gathering *all = arg;
    struct node_facts *nodes = realloc(all->nodes, (all->count + 1) * sizeof(*nodes));
    size_t name_size;
    uint32_t record;
    const struct json_t *worker = provenance_find(&all->c->provenance, label, &name_size, &record);
    char *name = arena_take(&all->arena, name_size + 1);
    if (nodes)
        all->nodes = nodes;
    if (!nodes || !name)
        return because(why, -ENOMEM, "out of memory");
    memcpy(name, label, name_size);
    name[name_size] = '\0';
    struct node_facts *facts = &nodes[all->count++];
    *facts = (struct node_facts){ .name = name, .version = "", .engine = "", .device = "", .precision = "", .fingerprint = "" };
    if (worker)
        worker_facts(worker, facts);
    for (const struct node *node = all->c->nodes; node; node = node->next)
        if (is_that(node, name, record))
            node_facts(node, facts);
    facts->images = images;
    facts->batches = batches;
    return 0;
}

static bool has_worked(const struct node *node)
{
    uint64_t items = 0;
    for (uint32_t i = 0; i < node->stage_count; i++)
        items += node->stages[i].items;
    return items != 0;
}

/* Also those whose work is in other nodes' batches: pieces, copies, retries. */
static int gather_nodes(struct gathering *all, struct db *db, struct why *why)
{
    int r = db_nodes(db, gather_node, all, why);
    for (const struct node *node = all->c->nodes; node && r == 0; node = node->next) {
        uint32_t i = 0;
        while (i < all->count && (strcmp(all->nodes[i].name, node->name) || strcmp(all->nodes[i].fingerprint, node->fingerprint)))
            i++;
        if (i == all->count && has_worked(node))
            r = gather_node(all, node->name, 0, 0, why);
    }
    return r;
}

int facts_summary(struct db *db, const char *job_dir, const struct spec *spec, const struct coordinator *c, const struct tally *tally,
                  struct json_t *evaluation, const struct bytes *files, struct json_t **ret, struct why *why)
{
    const char *paths[MAX_FILES];
    struct gathering all = { .c = c };
    arena_init(&all.arena, 64 << 20);
    struct preset preset = preset_of(spec);
    CLEANUP(freep) char *weights = shown_text(spec->weights);
    if (!weights)
        return because(why, -ENOMEM, "the summary: out of memory");
    uint32_t path_count = 0;
    for (const char *at = files->data; at && at < files->data + files->size && path_count < MAX_FILES; at += strlen(at) + 1)
        paths[path_count++] = at;
    uint64_t working_ms = coordinator_working_ms(c, c->last_commit_ns);
    int r = gather_nodes(&all, db, why);
    struct job_facts facts = {
        .version = SLEDDOG_VERSION, .job = spec->job, .directory = job_dir, .sources = (const char *const *)spec->sources,
        .sources_count = (uint32_t)spec->source_count, .skipped = c->skipped, .preset = &preset, .network = c->network,
        .weights_uri = { weights, (uint32_t)strlen(weights) }, .weights_sha256 = c->model_sha256, .classes = c->classes,
        .labels = *spec->labels ? spec->labels : NULL, .truth = *spec->truth ? spec->truth : NULL, .batch = (uint32_t)spec->batch,
        .top = (uint32_t)spec->top, .emit = spec->emit, .nodes = all.nodes, .nodes_count = all.count, .started_s = spec->created,
        .finished_s = clock_wall_s(), .elapsed_s = (double)coordinator_elapsed_ms(c, c->last_commit_ns) / 1e3,
        .working_s = (double)working_ms / 1e3, .run_working_s = (double)(working_ms - c->working_before_ms) / 1e3, .cpu_s = (double)clock_process_cpu_ns() / 1e9,
        .files = paths, .files_count = path_count, .per_image = spec->per_image && path_count ? spec->output : NULL, .evaluation = evaluation,
        .history = &c->history,
    };
    if (r == 0)
        r = summary_new(&facts, tally, ret);
    free(all.nodes);
    arena_done(&all.arena);
    return r;
}
