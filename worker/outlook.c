#include "worker/outlook.h"

#include "common/cache.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "worker/engines.h"
#include "worker/weights/weights.h"

#include <errno.h>
#include <string.h>

DEFINE_FREEP(s3_config_close, struct s3_config)

static void look_for_weights(const char *weights)
{
    struct why why;
    if (*weights && !cache_is_url(weights) && weights_look(weights, &why) < 0)
        log_warning("--weights: %s; as long as that is so, jobs that name no weights are refused, unless the engine is sim", why.text);
}

static void look_for_ranges(const struct tuning *tuning)
{
    if (tuning->ranges && access(tuning->ranges, R_OK) < 0)
        log_warning("--ranges: %s: %s; as long as that is so, jobs that would compute in int8 are refused", tuning->ranges, strerror(errno));
}

/* Who said nothing about stores may never use one. */
static void look_for_store(const struct s3_options *s3)
{
    CLEANUP(s3_config_closep) struct s3_config *config = NULL;
    struct why why;
    if ((s3->profile || s3->ca_bundle) && s3_config_open(s3, &config, &why) < 0)
        log_warning("%s; as long as that is so, nothing is read from s3://", why.text);
}

/* What --engine auto takes now may never do what else was asked for. */
static void look_for_gpu(const struct tuning *tuning)
{
    struct tuning on_cpu = *tuning;
    const struct engine_ops *ops;
    struct why why;
    on_cpu.engine = "onednn";
    if (strcmp(tuning->engine, "auto") || tuning_check(&on_cpu, &why) == 0)
        return;
    if (engines_find("auto", &ops, NULL) == 0 && !strcmp(ops->name, on_cpu.engine))
        log_warning("%s; as long as no GPU is found here, jobs are refused", why.text);
}

static void run(void *arg)
{
    struct outlook *outlook = arg;
    look_for_weights(outlook->weights);
    look_for_ranges(&outlook->tuning);
    look_for_store(&outlook->tuning.s3);
    look_for_gpu(&outlook->tuning);
    atomic_store(&outlook->over, true);
}

void outlook_start(struct outlook *outlook, const char *weights, const struct tuning *tuning)
{
    if (!outlook_is_over(outlook))
        return;
    outlook_done(outlook);
    outlook->tuning = *tuning;
    snprintf(outlook->weights, sizeof(outlook->weights), "%s", weights);
    atomic_store(&outlook->over, false);
    thread_start(&outlook->thread, "outlook", run, outlook); /* a warning less, if it cannot */
}

bool outlook_is_over(const struct outlook *outlook)
{
    return !outlook->thread.running || atomic_load(&outlook->over);
}

void outlook_done(struct outlook *outlook)
{
    thread_join(&outlook->thread);
}
