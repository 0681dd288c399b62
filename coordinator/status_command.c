/* status_command.c: the command `status`: what job.db has, and what the process that runs the job wrote last. It only looks: it takes no lock, and can
 * neither disturb that process nor one that is about to begin. */
#include "coordinator/commands.h"

#include "common/cleanup.h"
#include "common/counted.h"
#include "common/json.h"
#include "common/log.h"
#include "common/options.h"
#include "common/usage.h"
#include "coordinator/exported.h"
#include "coordinator/hint.h"
#include "coordinator/job_state.h"
#include "coordinator/jobdir.h"
#include "coordinator/node.h"
#include "coordinator/tally.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <string.h>

struct status {
    const char *folder;
    struct spec *spec;
    bool running;
    bool exported;   /* its tables were written */
    bool unwritten;  /* that was tried, and failed */
    char who[400];   /* runs it */
    char *hint;      /* how to go on; NULL: no memory */
    struct job_state job;
    uint64_t failed[ROW_ERRORS];
    json_t *now;     /* status.json, NULL: not running */
};

static void status_done(struct status *status)
{
    spec_free(status->spec);
    free(status->hint);
    json_decref(status->now);
}

/* ---- looking ---- */

static int count_kinds(void *arg, const struct db_batch *batch, struct why *why)
{
    uint64_t *failed = arg;
    struct arena arena;
    struct rec_row *rows;
    uint32_t count = 0;
    arena_init(&arena, SIZE_MAX / 2);
    int r = rows_decode(batch->rows, batch->rows_size, &arena, &rows, &count);
    for (uint32_t i = 0; r == 0 && i < count; i++)
        if (rows[i].error && rows[i].error < ROW_ERRORS)
            failed[rows[i].error]++;
    arena_done(&arena);
    return r < 0 ? because(why, r, "job.db: the rows of batch %" PRIu64 " cannot be read: %s", batch->id, strerror(-r)) : 0;
}

static int look(const char *folder, struct status *ret, struct why *why)
{
    CLEANUP(db_closep) struct db *db = NULL;
    char path[PATH_MAX];
    ret->folder = folder;
    ret->running = jobdir_is_running(folder, ret->who, sizeof(ret->who));
    int r = jobdir_read(folder, &db, &ret->spec, why);
    if (r == 0)
        r = job_state_read(db, &ret->job, why);
    if (r == 0)
        r = db_walk_failed(db, count_kinds, ret->failed, why);
    if (r < 0)
        return r;
    ret->exported = exported_is_written(db, folder);
    ret->unwritten = exported_is_failed(db);
    CLEANUP(freep) char *whole = realpath(folder, NULL);
    ret->hint = hint_resume(db, whole ? whole : folder);
    snprintf(path, sizeof(path), "%s/status.json", folder);
    CLEANUP(fclosep) FILE *file = ret->running ? fopen(path, "re") : NULL;
    ret->now = file ? json_read_file(file, 0, NULL) : NULL;
    return 0;
}

static uint64_t all_failed(const struct status *status)
{
    uint64_t all = 0;
    for (int kind = 0; kind < ROW_ERRORS; kind++)
        all += status->failed[kind];
    return all;
}

/* ---- for people ---- */

#define IMAGES(n)  COUNTED(n, "image", "images")
#define BATCHES(n) COUNTED(n, "batch", "batches")

static void print_unwritten(const struct status *status)
{
    CLEANUP(freep) char *whole = realpath(status->folder, NULL), *elsewhere = hint_elsewhere(status->spec, whole ? whole : status->folder);
    printf("state     complete, but its tables could not be written to %s; write them elsewhere with: %s\n", status->spec->output,
           elsewhere ? elsewhere : "sleddog-coordinator export");
    printf("          or, once they can be, go on with: %s\n", status->hint ? status->hint : HINT_RESUME);
}

static void print_state(const struct status *status)
{
    if (status->running) {
        printf("state     running, by %s\n", status->who);
        return;
    }
    if (status->job.complete && status->exported) {
        puts("state     complete");
        return;
    }
    if (status->job.complete && status->unwritten) {
        print_unwritten(status);
        return;
    }
    printf("state     %s; go on with: %s\n", status->job.complete ? "complete, but its tables or its summary were not written" : "stopped",
           status->hint ? status->hint : HINT_RESUME);
}

static void print_counts(const struct status *status)
{
    const struct db_counts *list = &status->job.list, *again = &status->job.again;
    printf("listed    %s in %s%s\n", IMAGES(list->images), BATCHES(list->batches), status->job.listed ? "" : ", listing is not finished");
    printf("done      %s in %s\n", IMAGES(list->done_images), BATCHES(list->done_batches));
    if (list->images > list->done_images)
        printf("to do     %s in %s\n", IMAGES(list->images - list->done_images), BATCHES(list->batches - list->done_batches));
    if (again->images)
        printf("retry     %s again, %" PRIu64 " done\n", COUNTED(again->images, "image that had failed runs", "images that had failed run"), again->done_images);
    printf("failed    %" PRIu64 " of those\n", all_failed(status));
    for (int kind = ROW_OK + 1; kind < ROW_ERRORS; kind++)
        if (status->failed[kind])
            printf("            %-12s %" PRIu64 "%s\n", row_error_name((enum row_error)kind), status->failed[kind],
                   failure_retryable((enum row_error)kind) ? ", may be retried" : "");
}

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static long long number_at(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static void print_nodes(const json_t *now)
{
    size_t i, j;
    json_t *node, *batch;
    printf("now       %.1f images/s, running for %.0f s\n", json_number_value(json_object_get(now, "images_per_second")),
           json_number_value(json_object_get(now, "seconds")));
    json_array_foreach(json_object_get(now, "nodes"), i, node) {
        const char *why_not = strcmp(text_at(node, "state"), node_state_name(NODE_READY)) ? text_at(node, "why_not") : "";
        printf("node      %s, %s: %s done, %lld held%s%s\n", text_at(node, "name"), text_at(node, "state"), IMAGES((uint64_t)number_at(node, "images_done")),
               number_at(node, "images_held"), *why_not ? "; " : "", why_not);
        json_array_foreach(json_object_get(node, "outstanding"), j, batch)
            printf("            batch %lld, %s, attempt %lld, for %.1f s\n", number_at(batch, "batch"), IMAGES((uint64_t)number_at(batch, "images")),
                   number_at(batch, "attempt"), json_number_value(json_object_get(batch, "seconds")));
    }
}

static void print_for_people(const struct status *status)
{
    printf("job       %s, of %s\n", status->spec->job, status->folder);
    print_state(status);
    print_counts(status);
    if (status->now)
        print_nodes(status->now);
}

/* ---- for programs ---- */

static json_t *counts_to_json(const struct db_counts *counts)
{
    return json_pack("{sI sI sI sI}", "images", (json_int_t)counts->images, "batches", (json_int_t)counts->batches, "done_images",
                     (json_int_t)counts->done_images, "done_batches", (json_int_t)counts->done_batches);
}

static json_t *kinds_to_json(const struct status *status)
{
    json_t *kinds = json_object();
    for (int kind = ROW_OK + 1; kind < ROW_ERRORS; kind++)
        if (status->failed[kind])
            json_object_set_new(kinds, row_error_name((enum row_error)kind), json_integer((json_int_t)status->failed[kind]));
    return kinds;
}

static int print_json(const struct status *status, struct why *why)
{
    json_t *all = json_pack("{ss ss sb so so sI so}", "job", status->spec->job, "state",
                            status->running ? "running" : status->job.complete ? "complete" : "stopped", "listed", (int)status->job.listed, "list",
                            counts_to_json(&status->job.list), "retry", counts_to_json(&status->job.again), "failed", (json_int_t)all_failed(status),
                            "failed_by_kind", kinds_to_json(status));
    if (status->now)
        json_object_set(all, "now", status->now);
    if (status->running)
        json_object_set_new(all, "process", json_string(status->who));
    char *text = all ? json_write(all, JSON_INDENT(1)) : NULL;
    json_decref(all);
    if (!text)
        return because(why, -ENOMEM, "the status: out of memory");
    puts(text);
    free(text);
    return 0;
}

/* ---- the command ---- */

struct status_options {
    bool json, help;
};

static const struct option_row rows[] = {
    { 0, "json", OPTION_FLAG, offsetof(struct status_options, json), NULL, "the same as JSON, for programs", 0, 0, NULL },
    { 'h', "help", OPTION_FLAG, offsetof(struct status_options, help), NULL, "print this help", 0, 0, NULL },
    { 0 },
};

static int print_status(const char *folder, bool json, struct why *why)
{
    CLEANUP(status_done) struct status status = { 0 };
    int r = look(folder, &status, why);
    if (r == 0 && json)
        r = print_json(&status, why);
    else if (r == 0)
        print_for_people(&status);
    return r;
}

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
    if (r < 0)
        return usage_error("status", &why);
    r = print_status(argv[first], options.json, &why);
    if (r < 0)
        log_error("%s", why.text);
    return r < 0;
}
