#include "worker/outlook.h"

#include "common/cache.h"
#include "common/log.h"
#include "worker/weights/weights.h"

static void run(void *arg)
{
    struct outlook *outlook = arg;
    struct why why;
    int r = cache_is_url(outlook->weights) ? cache_check_url(outlook->weights, &why) : weights_look(outlook->weights, &why);
    if (r < 0)
        log_warning("--weights: %s; as long as that is so, jobs that name no weights are refused, unless the engine is sim", why.text);
    atomic_store(&outlook->over, true);
}

void outlook_start(struct outlook *outlook, const char *weights)
{
    if (!*weights || !outlook_is_over(outlook))
        return;
    outlook_done(outlook);
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
