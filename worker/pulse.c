/* pulse.c: what a worker says of itself: how its stages get on, whether it stands still, and who it is. */
#include "worker/worker.h"

#include "common/clock.h"
#include "common/counted.h"
#include "common/machine.h"
#include "worker/engines.h"

uint32_t worker_stages(const struct worker *worker, struct rec_stage ret[STAGE_COUNT])
{
    const struct job *job = worker->job;
    if (worker->loader.running) {
        ret[0] = (struct rec_stage){ .name = "load", .threads = 1, .active = 1, .still_ms = worker->loader.still_ns / NS_PER_MS };
        return 1;
    }
    if (!worker->runtime || !job || job->state != JOB_READY)
        return 0;
    job_stages(job, worker->runtime->pipeline, ret);
    return STAGE_COUNT;
}

bool worker_stands_still(const struct worker *worker, uint64_t stall_ns, char *text, size_t size)
{
    struct rec_stage stages[STAGE_COUNT];
    if (worker->loader.running) {
        snprintf(text, size, "loading a model stands still there");
        return worker->loader.still_ns >= LOAD_STALLS * stall_ns;
    }
    if (!worker->runtime)
        return false;
    pipeline_stages(worker->runtime->pipeline, stages);
    for (int i = STAGE_COUNT; i-- > 0;)
        if (stages[i].still_ms * NS_PER_MS >= stall_ns) {
            snprintf(text, size, "its stage \"%s\" stands still with %s", stages[i].name, COUNTED(stages[i].active, "image", "images"));
            return true;
        }
    return false;
}

void worker_send_status(struct worker *worker, const struct peer *peer, uint64_t to)
{
    const struct job *job = worker->job && !job_expired(worker->job, clock_now_ns()) ? worker->job : NULL;
    const struct tuning *tuning = &worker->options->tuning;
    char device[LIMIT_TEXT] = "";
    const struct engine_ops *ops = NULL;
    struct why why = { "" };
    if (engines_find(tuning->engine, &ops, &why) < 0 || ops->probe(device, sizeof(device), &why) < 0)
        snprintf(device, sizeof(device), "%s", why.text);
    struct why no_gpu = { "" };
    const char *engine = ops ? ops->name : tuning->engine;
    bool gpu = engines_on_gpu(engine, &no_gpu);
    struct message message = {
        .kind = MESSAGE_status,
        .to = to,
        .status = { .version = SLEDDOG_VERSION, .host = machine_host(), .engine = engine, .device = device,
                    .threads = (uint32_t)tuning->threads, .memory = machine_memory(), .memory_used = machine_resident(),
                    .job = job ? job->id : "", .owner = job ? job->owner : "",
                    .verdict = worker->verifier.verdict, .verdict_detail = verifier_text(&worker->verifier),
                    .fingerprint = verifier_fingerprint(&worker->verifier), .gpu = gpu, .gpu_detail = gpu ? "" : no_gpu.text },
    };
    worker_send(worker, peer, &message);
}
