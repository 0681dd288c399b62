#include "worker/trail.h"

#include "common/log.h"
#include "worker/crash.h"

#include <limits.h>

static void open_file(struct trail *trail, const char *endpoint, const char *cache)
{
    char path[PATH_MAX];
    struct why why = { "" };
    int r = crumbs_path(endpoint, cache, path, sizeof(path), &why);
    if (r == 0)
        r = crumbs_open(path, &trail->crumbs, &trail->former, &why);
    if (r > 0)
        log_warning("%s", why.text);
    if (r < 0)
        log_warning("%s; if this process dies, nobody will know which images it was working on", why.text);
    if (r < 0 && crumbs_anonymous(&trail->crumbs, &why) < 0)
        log_warning("no crumbs: %s", why.text);
}

static void tell(const struct trail *trail)
{
    uint32_t count = trail->former.count;
    if (!count)
        return;
    const struct rec_suspect *first = &trail->former.list[0].record;
    log_warning("the process before this one died with %u image%s in its hands, the first is item %u of batch %llu (%s); their coordinator will hear of it",
                count, count == 1 ? "" : "s", first->item, (unsigned long long)first->batch, first->stage);
}

void trail_open(struct trail *trail, const char *endpoint, const char *cache)
{
    *trail = (struct trail){ .crumbs = NULL };
    open_file(trail, endpoint, cache);
    tell(trail);
    trail->named = calloc(trail->former.count + !trail->former.count, sizeof(*trail->named));
    if (!trail->named)
        suspects_done(&trail->former);
    crash_watch(trail->crumbs);
}

void trail_remove(struct trail *trail)
{
    crumbs_remove(trail->crumbs);
}

void trail_close(struct trail *trail)
{
    crash_ignore();
    crumbs_close(trail->crumbs);
    suspects_done(&trail->former);
    free(trail->named);
    *trail = (struct trail){ .crumbs = NULL };
}

uint32_t trail_suspects(struct trail *trail, uint64_t job, struct rec_suspect **ret)
{
    *ret = trail->named;
    return trail->named ? suspects_of(&trail->former, job, trail->named) : 0;
}

void trail_forget(struct trail *trail, uint64_t job)
{
    suspects_drop(&trail->former, job);
}
