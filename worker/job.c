#include "worker/job.h"

#include "common/clock.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

static struct preset preset_of(const struct msg_hello *hello)
{
    return (struct preset){
        .resize = hello->resize > INT_MAX ? 0 : (int)hello->resize,
        .crop = hello->crop > INT_MAX ? 0 : (int)hello->crop,
        .mean = { hello->mean_r, hello->mean_g, hello->mean_b },
        .std = { hello->std_r, hello->std_g, hello->std_b },
        .interpolation = hello->interpolation < INTERPOLATION_COUNT ? (enum interpolation)hello->interpolation : INTERPOLATION_COUNT,
        .exif_orient = hello->exif_orient != 0,
    };
}

static int check_numbers(const struct msg_hello *hello, struct why *why)
{
    if (hello->emit > ROW_FEATURES)
        return because(why, -EINVAL, "an unknown kind of output, %u", hello->emit);
    if (hello->top < 1 || hello->top > LIMIT_CLASSES || hello->batch < 1 || hello->batch > LIMIT_BATCH)
        return because(why, -EINVAL, "top %u and batch %u; they must be 1 to %u and 1 to %u", hello->top, hello->batch, LIMIT_CLASSES,
                       LIMIT_BATCH);
    if (!*hello->job)
        return because(why, -EINVAL, "a job without an id");
    return 0;
}

static void fill_spec(struct runtime_spec *spec, const struct msg_hello *hello, const struct preset *preset, const struct demand *demand)
{
    *spec = (struct runtime_spec){
        .preset = *preset,
        .emit = (enum emit)hello->emit,
        .top = (int)hello->top,
        .batch = (int)hello->batch,
        .demand = *demand,
        .lent_size = hello->model_size,
        .ranges_size = hello->ranges_size,
    };
    snprintf(spec->weights, sizeof(spec->weights), "%s", hello->model_uri.data);
    snprintf(spec->sha256, sizeof(spec->sha256), "%s", hello->model_sha256);
    snprintf(spec->ranges_sha256, sizeof(spec->ranges_sha256), "%s", hello->ranges_sha256);
    s3_place_from_hello(&spec->store, hello);
}

int job_new(const struct peer *peer, const struct message *message, struct job **ret, struct why *why)
{
    const struct msg_hello *hello = &message->hello;
    struct preset preset = preset_of(hello);
    struct demand demand;
    int r = preset_check(&preset, why);
    if (r == 0)
        r = check_numbers(hello, why);
    if (r == 0)
        r = demand_from_hello(&demand, hello, why);
    if (r < 0)
        return r;
    struct job *job = calloc(1, sizeof(*job));
    if (!job)
        return because(why, -ENOMEM, "out of memory");
    job->epoch = hello->epoch;
    job->key = suspects_job(hello->job, hello->epoch);
    job->coordinator = message->from;
    job->call = hello->call;
    job->peer = *peer;
    job->heard_ns = clock_now_ns();
    job->stall_ns = hello->stall_ms * NS_PER_MS;
    job->expiry_ns = (hello->expiry_ms ? hello->expiry_ms : 10000) * NS_PER_MS;
    snprintf(job->id, sizeof(job->id), "%s", hello->job);
    snprintf(job->owner, sizeof(job->owner), "%s", hello->owner);
    fill_spec(&job->spec, hello, &preset, &demand);
    *ret = job;
    return 0;
}

static void release(struct work *work)
{
    if (work->done || work->waits)
        work_free(work);
    else
        atomic_store(&work->abandoned, true);
}

void job_free(struct job *job)
{
    if (!job)
        return;
    while (job->held) {
        struct work *work = job->held;
        job->held = work->next;
        release(work);
    }
    free(job);
}

int job_check_rows(const struct job *job, const struct engine_info *info, struct why *why)
{
    /* As encoded: a prediction takes 11 bytes at most, a value 4; or there is an error and its sentence. */
    size_t answer = 32 + 11 * (size_t)info->top + 4 * info->values, failure = 32 + LIMIT_TEXT;
    size_t row = answer > failure ? answer : failure, room = LIMIT_FRAME - 4096;
    if ((size_t)job->spec.batch <= room / row)
        return 0;
    return because(why, -EMSGSIZE, "%d rows of %zu bytes are too much for one message; give the run --batch %zu or less", job->spec.batch, row,
                   room / row);
}

void job_restart_credit(struct job *job, size_t window)
{
    size_t held = 0;
    for (const struct work *work = job->held; work; work = work->next)
        held += work->count;
    job->images = held < window ? window - held : 0;
    job->received = job->received_images = job->expected = 0;
}

bool job_takes(struct job *job, const struct msg_batch *batch)
{
    if (batch->call != job->greeted || batch->number != job->received + 1)
        return false;
    job->received++;
    job->received_images += batch->items_count;
    return true;
}

uint64_t job_held(const struct job *job)
{
    uint64_t count = 0;
    for (const struct work *work = job->held; work; work = work->next)
        count++;
    return count;
}

void job_stages(const struct job *job, const struct pipeline *pipeline, struct rec_stage *ret)
{
    pipeline_stages(pipeline, ret);
    for (int i = 0; i < STAGE_COUNT; i++) {
        ret[i].items -= job->base[i].items;
        ret[i].errors -= job->base[i].errors;
        ret[i].bytes -= job->base[i].bytes;
        ret[i].busy_ns -= job->base[i].busy_ns;
        ret[i].wait_ns -= job->base[i].wait_ns;
        ret[i].retries -= job->base[i].retries;
        ret[i].copies -= job->base[i].copies;
    }
}

struct work *job_find(struct job *job, uint64_t batch)
{
    struct work *work = job->held;
    while (work && work->batch != batch)
        work = work->next;
    return work;
}

void job_drop(struct job *job, struct work *work)
{
    struct work **at = &job->held;
    while (*at != work)
        at = &(*at)->next;
    *at = work->next;
    job->images += work->count;
    release(work);
}

bool job_expired(const struct job *job, uint64_t now_ns)
{
    return now_ns > job->heard_ns && now_ns - job->heard_ns > job->expiry_ns;
}
