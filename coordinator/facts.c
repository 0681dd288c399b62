#include "coordinator/facts.h"

#include "common/clock.h"
#include "coordinator/shown.h"
#include "coordinator/summary.h"
#include "coordinator/value.h"

#include <errno.h>
#include <string.h>

#define MAX_FILES 8

/* All but its rows, which job.db has counted. */
static void node_facts(const struct node *node, struct node_facts *ret)
{
    *ret = (struct node_facts){
        .name = node->name, .version = node->version, .engine = node->engine, .device = node->device, .precision = node->precision,
        .fingerprint = node->fingerprint,
        .threads = node->threads, .engine_batch = node->engine_batch, .images = ret->images, .batches = ret->batches,
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

/* Workers by what job.db has of them. This run's know more about themselves. */
struct gathering {
    const struct coordinator *c;
    struct arena arena; /* names */
    struct node_facts *nodes;
    uint32_t *records;  /* their numbers; UINT32_MAX: none */
    uint32_t count;
};

/* NULL: out of memory. */
static struct node_facts *add_facts(struct gathering *all, const char *name, size_t name_size, uint32_t record)
{
    struct node_facts *nodes = realloc(all->nodes, (all->count + 1) * sizeof(*nodes));
    all->nodes = nodes ? nodes : all->nodes;
    uint32_t *records = realloc(all->records, (all->count + 1) * sizeof(*records));
    all->records = records ? records : all->records;
    char *copy = arena_take(&all->arena, name_size + 1);
    if (!nodes || !records || !copy)
        return NULL;
    memcpy(copy, name, name_size);
    copy[name_size] = '\0';
    records[all->count] = record;
    nodes[all->count] = (struct node_facts){ .name = copy, .version = "", .engine = "", .device = "", .precision = "", .fingerprint = "" };
    return &nodes[all->count++];
}

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

static int gather_rows(void *arg, const char *label, uint64_t images, uint64_t batches, struct why *why)
{
    struct gathering *all = arg;
    size_t name_size;
    uint32_t record;
    const struct json_t *worker = provenance_find(&all->c->provenance, label, &name_size, &record);
    struct node_facts *facts = add_facts(all, label, name_size, record);
    if (!facts)
        return because(why, -ENOMEM, "out of memory");
    if (worker)
        worker_facts(worker, facts);
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

/* Whose rows it went on with: its own; else those of a worker like it, of which it gave some again; else those of its name of which nobody knows more. */
static struct node_facts *find_facts(const struct gathering *all, const struct node *node)
{
    struct node_facts *like = NULL, *unknown = NULL;
    for (uint32_t i = 0; i < all->count; i++) {
        struct node_facts *facts = &all->nodes[i];
        if (strcmp(facts->name, node->name))
            continue;
        if (node->is_recorded && all->records[i] == node->record)
            return facts;
        if (!*facts->fingerprint)
            unknown = facts;
        else if (!strcmp(facts->fingerprint, node->fingerprint))
            like = facts;
    }
    return like ? like : unknown;
}

/* Once for each node: what its stages counted is in one place. */
static int gather_work(struct gathering *all, const struct node *node, struct why *why)
{
    struct node_facts *facts = find_facts(all, node);
    if (!facts) /* its work is in other nodes' batches: pieces, copies */
        facts = add_facts(all, node->name, strlen(node->name), UINT32_MAX);
    if (!facts)
        return because(why, -ENOMEM, "out of memory");
    node_facts(node, facts);
    return 0;
}

static int gather_nodes(struct gathering *all, struct db *db, struct why *why)
{
    int r = db_nodes(db, gather_rows, all, why);
    for (const struct node *node = all->c->nodes; node && r == 0; node = node->next)
        if (has_worked(node))
            r = gather_work(all, node, why);
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
        .sources_count = (uint32_t)spec->source_count,
        .include = (const char *const *)spec->include, .include_count = (uint32_t)spec->include_count, .exclude = (const char *const *)spec->exclude,
        .exclude_count = (uint32_t)spec->exclude_count, .sample = (uint64_t)spec->sample, .limit = (uint64_t)spec->limit, .skipped = c->skipped, .preset = &preset, .network = c->network,
        .weights_uri = { weights, (uint32_t)strlen(weights) }, .weights_sha256 = c->model_sha256, .classes = c->classes,
        .labels = *spec->labels ? spec->labels : NULL, .truth = *spec->truth ? spec->truth : NULL,
        .truth_sha256 = *spec->truth_sha256 ? spec->truth_sha256 : NULL, .batch = (uint32_t)spec->batch,
        .top = (uint32_t)spec->top, .emit = spec->emit, .nodes = all.nodes, .nodes_count = all.count, .started_s = spec->created,
        .finished_s = clock_wall_s(), .elapsed_s = (double)coordinator_elapsed_ms(c, c->last_commit_ns) / 1e3,
        .working_s = (double)working_ms / 1e3, .run_working_s = (double)(working_ms - c->working_before_ms) / 1e3, .cpu_s = (double)clock_process_cpu_ns() / 1e9,
        .files = paths, .files_count = path_count, .per_image = spec->per_image && path_count ? spec->output : NULL, .evaluation = evaluation,
        .history = &c->history,
    };
    if (r == 0)
        r = summary_new(&facts, tally, ret);
    free(all.nodes);
    free(all.records);
    arena_done(&all.arena);
    return r;
}
