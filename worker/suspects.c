#include "worker/suspects.h"

#include "common/cleanup.h"
#include "worker/crumbs.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* http://www.isthe.com/chongo/tech/comp/fnv/ */
#define FNV_BASIS 0xcbf29ce484222325u
#define FNV_PRIME 0x100000001b3u

static uint64_t hash(uint64_t sum, const void *data, size_t size)
{
    for (const unsigned char *byte = data, *end = byte + size; byte < end; byte++)
        sum = (sum ^ *byte) * FNV_PRIME;
    return sum;
}

uint64_t suspects_job(const char *id, uint64_t epoch)
{
    return hash(hash(FNV_BASIS, id, strlen(id) + 1), &epoch, sizeof(epoch));
}

const char *crumb_stage_name(uint32_t stage)
{
    static const char *const names[CRUMB_STAGES] = { [CRUMB_IDLE] = "idle", [CRUMB_WAIT] = "wait", [CRUMB_DECODE] = "decode",
                                                     [CRUMB_ENGINE] = "engine", [CRUMB_ENDLESS] = SUSPECT_ENDLESS };
    return stage < CRUMB_STAGES ? names[stage] : "?";
}

static int check(const struct crumbs_file *file, size_t size, struct why *why)
{
    if (size != sizeof(*file))
        return because(why, -EBADMSG, "it has %zu bytes instead of %zu", size, sizeof(*file));
    if (memcmp(file->magic, CRUMBS_MAGIC, sizeof(file->magic)))
        return because(why, -EBADMSG, "it holds something else");
    if (file->version != CRUMBS_VERSION)
        return because(why, -EBADMSG, "it is of version %u, this is %u", file->version, CRUMBS_VERSION);
    return 0;
}

static bool is_marked(const struct crumb *crumb)
{
    return crumb->marked;
}

static bool is_in_engine(const struct crumb *crumb)
{
    return crumb->stage == CRUMB_ENGINE;
}

static bool is_in_work(const struct crumb *crumb)
{
    return crumb->stage == CRUMB_DECODE || crumb->stage == CRUMB_ENGINE || crumb->stage == CRUMB_ENDLESS;
}

static bool is_possible(const struct crumb *crumb)
{
    return crumb->stage != CRUMB_IDLE && crumb->stage < CRUMB_STAGES && crumb->item < LIMIT_BATCH;
}

static uint32_t count_if(const struct crumbs_file *file, bool (*is)(const struct crumb *crumb))
{
    uint32_t count = 0;
    for (size_t i = 0; i < CRUMBS_ALL; i++)
        count += is_possible(&file->crumbs[i]) && is(&file->crumbs[i]);
    return count;
}

static int compare(const void *a, const void *b)
{
    const struct suspect *x = a, *y = b;
    if (x->job != y->job)
        return x->job < y->job ? -1 : 1;
    if (x->record.batch != y->record.batch)
        return x->record.batch < y->record.batch ? -1 : 1;
    return (x->record.item > y->record.item) - (x->record.item < y->record.item);
}

/* An item may be on its way from a decoder to the engine, with a crumb of both. */
static void drop_doubles(struct suspects *suspects)
{
    uint32_t kept = 0;
    qsort(suspects->list, suspects->count, sizeof(*suspects->list), compare);
    for (uint32_t i = 0; i < suspects->count; i++)
        if (!kept || compare(&suspects->list[kept - 1], &suspects->list[i]))
            suspects->list[kept++] = suspects->list[i];
    suspects->count = kept;
}

int suspects_read(const void *data, size_t size, struct suspects *ret, struct why *why)
{
    const struct crumbs_file *file = data;
    *ret = (struct suspects){ NULL, 0 };
    int r = check(file, size, why);
    if (r < 0)
        return r;
    bool (*is)(const struct crumb *crumb) = !file->marked ? is_in_work : count_if(file, is_marked) ? is_marked : is_in_engine;
    uint32_t count = count_if(file, is);
    if (!count)
        return 0;
    ret->list = calloc(count, sizeof(*ret->list));
    if (!ret->list)
        return because(why, -ENOMEM, "out of memory");
    for (size_t i = 0; i < CRUMBS_ALL; i++) {
        const struct crumb *crumb = &file->crumbs[i];
        if (is_possible(crumb) && is(crumb))
            ret->list[ret->count++] = (struct suspect){ crumb->job, { crumb->batch, crumb->item, crumb_stage_name(crumb->stage) } };
    }
    drop_doubles(ret);
    return 0;
}

void suspects_done(struct suspects *suspects)
{
    free(suspects->list);
    *suspects = (struct suspects){ NULL, 0 };
}

uint32_t suspects_of(const struct suspects *suspects, uint64_t job, struct rec_suspect *ret)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < suspects->count; i++)
        if (suspects->list[i].job == job)
            ret[count++] = suspects->list[i].record;
    return count;
}

void suspects_drop(struct suspects *suspects, uint64_t job)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < suspects->count; i++)
        if (suspects->list[i].job != job)
            suspects->list[kept++] = suspects->list[i];
    suspects->count = kept;
}
