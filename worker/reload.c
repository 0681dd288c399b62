#include "worker/reload.h"

#include "common/cleanup.h"
#include "common/daemon.h"
#include "common/log.h"
#include "worker/worker.h"

#include <errno.h>
#include <string.h>

DEFINE_FREEP(config_free, struct config)

static int take_weights(struct worker *worker, const char *weights, struct why *why)
{
    char *copy = strdup(weights);
    if (!copy)
        return because(why, -ENOMEM, "out of memory");
    free(worker->reload.weights);
    worker->reload.weights = copy;
    worker->options->weights = copy;
    return 0;
}

/* Which of the rows may change under way. */
static bool can_change(const char *name)
{
    static const char *const names[] = { "weights", "drain-timeout", "verbose" };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (!strcmp(name, names[i]))
            return true;
    return false;
}

static void name_differences(const struct worker_options *present, const struct worker_options *future)
{
    for (const struct option_row *row = present->rows; row->name; row++) {
        if (!options_differ(row, present, future))
            continue;
        if (can_change(row->name))
            log_info("%s has changed", row->name);
        else
            log_warning("%s is another in %s, which takes effect when the worker is started again", row->name, present->config);
    }
}

static int read_and_take(struct worker *worker, struct why *why)
{
    struct worker_options *present = worker->options, future;
    CLEANUP(config_freep) struct config *config = NULL;
    log_info("SIGHUP: %s is read again", present->config);
    int r = present->read_again(&future, &config, why);
    if (r < 0)
        return r;
    name_differences(present, &future);
    if (strcmp(present->weights, future.weights))
        r = take_weights(worker, future.weights, why);
    if (r < 0)
        return r;
    present->drain_timeout = future.drain_timeout;
    present->verbose = future.verbose;
    log_open("sleddog-worker", present->verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
    outlook_start(&worker->outlook, present->weights, &present->tuning);
    return 0;
}

void worker_reload(struct worker *worker)
{
    struct why why;
    bool has_keys = worker->options->authorized;
    daemon_reloading();
    if (!worker->options->config && !has_keys)
        log_warning("SIGHUP: there is neither a --config file nor an --authorized list to read again");
    if (worker->options->config && read_and_take(worker, &why) < 0)
        log_error("%s; everything stays as it was", why.text);
    if (has_keys)
        door_reload(&worker->door);
    daemon_ready();
}

void reload_done(struct reload *reload)
{
    free(reload->weights);
    reload->weights = NULL;
}
