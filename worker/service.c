#include "worker/service.h"

#include "common/clock.h"
#include "common/daemon.h"
#include "common/log.h"
#include "worker/worker.h"

#include <inttypes.h>
#include <string.h>

#define TELL_NS  NS_PER_S
#define STILL_MS 1000 /* two looks: as long as nothing */

void service_open(struct service *service)
{
    *service = (struct service){ .watchdog_ns = daemon_watchdog_ns(), .alive_ns = clock_now_ns() };
    if (service->watchdog_ns)
        log_info("a service manager watches: work that stands still for %llu s ends this process", service->watchdog_ns / NS_PER_S);
}

/* ---- signs of life ---- */

bool service_gets_on(const struct rec_stage *stages, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (stages[i].still_ms > STILL_MS && strcmp(stages[i].name, "fetch"))
            return false;
    return true;
}

/* Not worker_stages(): what a job has left behind in the pipeline may hang as well. */
static bool gets_on(const struct worker *worker)
{
    struct rec_stage stages[STAGE_COUNT] = { { .name = "load", .still_ms = worker->loader.still_ns / NS_PER_MS } };
    if (worker->loader.running)
        return service_gets_on(stages, 1);
    if (!worker->runtime)
        return true;
    pipeline_stages(worker->runtime->pipeline, stages);
    return service_gets_on(stages, STAGE_COUNT);
}

static void give_sign(struct worker *worker, uint64_t now)
{
    struct service *service = &worker->service;
    if (!service->watchdog_ns)
        return;
    if (gets_on(worker)) {
        daemon_alive();
        service->alive_ns = now;
        service->standing = false;
    } else if (!service->standing && now - service->alive_ns > service->watchdog_ns / 2) {
        service->standing = true;
        log_warning("a stage has stood still for %llu s; in %llu s more the service manager ends this process",
                    (now - service->alive_ns) / NS_PER_S, (service->watchdog_ns - (now - service->alive_ns)) / NS_PER_S);
    }
}

/* ---- status ---- */

static void describe_job(struct worker *worker, uint64_t now, char *text, size_t size)
{
    struct service *service = &worker->service;
    const struct job *job = worker->job;
    struct rec_stage stages[STAGE_COUNT];
    pipeline_stages(worker->runtime->pipeline, stages);
    uint64_t items = stages[STAGE_ENGINE].items;
    double seconds = (double)(now - service->told_ns) / (double)NS_PER_S;
    double rate = service->told_ns && items > service->items ? (double)(items - service->items) / seconds : 0;
    service->items = items;
    snprintf(text, size, "job %s of %.100s: %.1f images/s, credit %" PRIu64 ", %" PRIu64 " batch%s held", job->id, job->owner, rate,
             job->images - job->received_images, job_held(job), job_held(job) == 1 ? "" : "es");
}

static void describe(struct worker *worker, uint64_t now, char *text, size_t size)
{
    const struct job *job = worker->job;
    if (worker->leaving)
        snprintf(text, size, "leaving: %s", job && job->held ? "what is decoded is finished, results wait for their coordinator" : "nothing is held");
    else if (!job)
        snprintf(text, size, "idle, on %s", link_endpoint(worker->link));
    else if (job->state == JOB_LOADING || !worker->runtime)
        snprintf(text, size, "job %s of %.100s: the model is being loaded", job->id, job->owner);
    else
        describe_job(worker, now, text, size);
}

static void tell(struct worker *worker, uint64_t now)
{
    struct service *service = &worker->service;
    char text[sizeof(service->told)];
    if (service->told_ns && now - service->told_ns < TELL_NS)
        return;
    describe(worker, now, text, sizeof(text));
    service->told_ns = now;
    if (!strcmp(text, service->told))
        return;
    strcpy(service->told, text);
    daemon_status("%s", text);
}

void service_tick(struct worker *worker)
{
    uint64_t now = clock_now_ns();
    give_sign(worker, now);
    tell(worker, now);
}
