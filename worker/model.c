#include "worker/model.h"

#include "common/cache.h"
#include "common/cache_limit.h"
#include "common/clock.h"
#include "common/log.h"
#include "worker/locate.h"
#include "worker/weights/ranges.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#define LOOK_AGAIN_NS (100 * NS_PER_MS) /* whether another process has fetched it */

static int make_room(const struct model_wish *wish, uint64_t size, struct why *why)
{
    int removed = cache_make_room(wish->cache, wish->cache_limit, size, why);
    if (removed > 0)
        log_info("%d file%s left the cache to make room", removed, removed == 1 ? "" : "s");
    return removed < 0 ? removed : 0;
}

static bool is_file(const char *path, const char *sha256)
{
    char hex[SHA256_HEX];
    return access(path, F_OK) == 0 && sha256_file(path, hex, NULL) == 0 && !strcmp(hex, sha256);
}

/* ---- from the coordinator ---- */

/* Somebody else on this machine fetches it just now. */
static void wait_a_moment(void)
{
    struct timespec nap = { 0, LOOK_AGAIN_NS };
    nanosleep(&nap, NULL);
}

/* Whether the file is there, and is what its name says. One that is not goes. */
static bool is_there(const char *path, const char *sha256)
{
    if (access(path, F_OK) < 0)
        return false;
    if (is_file(path, sha256))
        return true;
    log_warning("%s: is damaged, its hash is not the one in its name; it is fetched again", path);
    unlink(path);
    return false;
}

/* Opens the part, or finds that another process has brought the whole: then 1. */
static int open_part(const char *path, const char *sha256, uint64_t size, struct courier *courier, struct cache_part *part, struct why *why)
{
    bool told = false;
    for (;;) {
        if (is_there(path, sha256))
            return 1;
        int r = cache_part_open(path, size, part, why);
        if (r != -EAGAIN)
            return r;
        if (courier_is_cancelled(courier))
            return because(why, -ECANCELED, "the job that wanted the model is over");
        if (!told)
            log_info("another worker here is fetching the model; it is waited for");
        told = true;
        wait_a_moment();
    }
}

/* Once: from what is there on. What has become of it when the hash is wrong says cache_part_finish(). */
static int fetch_rest(const struct model_wish *wish, struct courier *courier, const char *path, const char *sha256, uint64_t size,
                      struct cache_part *part, struct why *why)
{
    int r = size > part->size ? make_room(wish, size - part->size, why) : 0;
    if (r < 0)
        return r;
    if (part->size < size)
        log_info("sha256 %.12s... comes from the coordinator, bytes %" PRIu64 " to %" PRIu64, sha256, part->size, size);
    uint64_t start = clock_now_ns();
    r = courier_fetch(courier, sha256, size, part, why);
    if (r == 0)
        r = cache_part_finish(part, path, sha256, why);
    if (r == 0)
        log_info("sha256 %.12s... is here, %" PRIu64 " bytes came in %.1f s", sha256, size - part->found, (double)(clock_now_ns() - start) / NS_PER_S);
    return r;
}

/* A wrong hash may be the fault of what an earlier process left: then once more from the beginning. */
static int fetch(const struct model_wish *wish, struct courier *courier, const char *path, const char *sha256, uint64_t size, struct why *why)
{
    for (int attempt = 1;; attempt++) {
        struct cache_part part = CACHE_PART_NONE;
        int r = open_part(path, sha256, size, courier, &part, why);
        if (r)
            return r > 0 ? 0 : r;
        bool old = part.found;
        r = fetch_rest(wish, courier, path, sha256, size, &part, why);
        cache_part_close(&part);
        if (r != -EBADMSG || !old || attempt > 1)
            return r;
        log_warning("%s; once more from the beginning", why->text);
    }
}

/* ---- the weights ---- */

/* 0, -EBADMSG for another file than the one that is wanted, or what weights_open() says. */
static int open_file(const char *path, const char *sha256, struct weights **ret, struct why *why)
{
    char hex[SHA256_HEX];
    CLEANUP(weights_closep) struct weights *weights = NULL;
    int r = weights_open(path, &weights, why);
    if (r == -EINVAL && *sha256 && sha256_file(path, hex, NULL) == 0 && strcmp(hex, sha256))
        return -EBADMSG; /* nonsense, but also not what was meant */
    if (r < 0)
        return r;
    if (*sha256 && strcmp(sha256, weights->sha256))
        return because(why, -EBADMSG, "%s: its sha256 is %.12s..., the job wants %.12s...; put the same file on every node", path, weights->sha256, sha256);
    *ret = take(weights);
    return 0;
}

static int open_cached(const char *path, const char *sha256, struct model *model, struct weights **ret, struct why *why)
{
    int r = open_file(path, sha256, ret, why);
    if (r == 0) {
        snprintf(model->weights, sizeof(model->weights), "%s", path);
        model->held[0] = cache_hold(path);
    }
    return r;
}

static int open_address(const struct model_wish *wish, struct model *model, struct weights **ret, struct why *why)
{
    struct cached file;
    struct why no_room;
    int r = locate_weights(wish->weights, wish->sha256, wish->cache, wish->s3, &file, why);
    if (r < 0)
        return r;
    r = open_cached(file.path, wish->sha256, model, ret, why);
    int room = make_room(wish, 0, &no_room); /* its size was not known before */
    if (r == 0 && room < 0)
        log_warning("%s", no_room.text);
    return r;
}

static int open_path(const struct model_wish *wish, struct model *model, struct weights **ret, struct why *why)
{
    snprintf(model->weights, sizeof(model->weights), "%.*s", (int)sizeof(model->weights) - 1, wish->weights);
    return open_file(wish->weights, wish->sha256, ret, why);
}

static bool can_borrow(const struct model_wish *wish, const struct courier *courier)
{
    return courier && *wish->sha256 && wish->size && wish->size <= WEIGHTS_FILE_MAX;
}

static int borrow(const struct model_wish *wish, struct courier *courier, const char *path, struct model *model, struct weights **ret, struct why *why)
{
    int r = fetch(wish, courier, path, wish->sha256, wish->size, why);
    return r < 0 ? r : open_cached(path, wish->sha256, model, ret, why);
}

static int open_weights(const struct model_wish *wish, struct courier *courier, struct model *model, struct weights **ret, struct why *why)
{
    char path[PATH_MAX];
    bool borrows = can_borrow(wish, courier);
    int place = *wish->sha256 ? cache_content_path(wish->cache, wish->sha256, "", path, why) : -ENOENT;
    int r = place == 0 && access(path, F_OK) == 0 ? open_cached(path, wish->sha256, model, ret, why) : -ENOENT;
    if (r == 0 || (r != -ENOENT && is_there(path, wish->sha256))) /* the right file, and it cannot be read */
        return r;
    r = cache_is_url(wish->weights) ? open_address(wish, model, ret, why) : open_path(wish, model, ret, why);
    if (r == 0 || r == -EINVAL || r == -ENOMEM || !borrows) /* -EINVAL: the right file, and it is no weights */
        return r;
    if (r != -ENOENT)
        log_info("%s; the coordinator is asked for the file", why->text);
    return place < 0 ? cache_content_path(wish->cache, wish->sha256, "", path, why) : borrow(wish, courier, path, model, ret, why);
}

/* ---- ranges ---- */

/* Of weights that were found in the cache: what lies beside the job's own file here counts all the same. */
static void look_beside(const struct model_wish *wish, struct model *model)
{
    if (cache_is_url(wish->weights) || !strcmp(wish->weights, model->weights))
        return;
    if (ranges_path(wish->weights, model->ranges, sizeof(model->ranges), NULL) < 0)
        model->ranges[0] = '\0';
}

/* Beside the weights, or as the coordinator has them: all nodes must compute with the same. */
static int find_ranges(const struct model_wish *wish, struct courier *courier, struct model *model, struct why *why)
{
    char path[PATH_MAX];
    if (!*wish->ranges_sha256) {
        look_beside(wish, model);
        return 0;
    }
    if (ranges_path(model->weights, path, sizeof(path), NULL) == 0 && is_file(path, wish->ranges_sha256))
        return 0;
    if (!courier || !wish->ranges_size || wish->ranges_size > LIMIT_RANGES)
        return 0;
    int r = cache_content_path(wish->cache, wish->ranges_sha256, RANGES_SUFFIX, path, why);
    if (r == 0)
        r = fetch(wish, courier, path, wish->ranges_sha256, wish->ranges_size, why);
    if (r < 0)
        return r;
    snprintf(model->ranges, sizeof(model->ranges), "%s", path);
    model->held[1] = cache_hold(path);
    return 0;
}

int model_open(const struct model_wish *wish, struct courier *courier, struct model *ret, struct weights **ret_weights, struct why *why)
{
    CLEANUP(weights_closep) struct weights *weights = NULL;
    int r = open_weights(wish, courier, ret, &weights, why);
    if (r == 0)
        r = find_ranges(wish, courier, ret, why);
    if (r < 0) {
        model_done(ret);
        return r;
    }
    *ret_weights = take(weights);
    return 0;
}

void model_done(struct model *model)
{
    for (size_t i = 0; i < ARRAY_SIZE(model->held); i++)
        closep(&model->held[i]);
}
