#include "worker/service.h"

#include "common/clock.h"
#include "common/daemon.h"
#include "common/log.h"
#include "worker/worker.h"

#include <inttypes.h>
#include <string.h>

#define TELL_NS NS_PER_S

void service_open(struct service *service)
{
    *service = (struct service){ .watchdog_ns = daemon_watchdog_ns(), .alive_ns = clock_now_ns() };
    if (service->watchdog_ns)
        log_info("a service manager watches: work that stands still for %llu s ends this process", service->watchdog_ns / NS_PER_S);
}

/* ---- signs of life ---- */

bool service_gets_on(struct service *service, const struct rec_stage *stages, uint64_t decode_cpu_ns)
{
    uint64_t counted = decode_cpu_ns;
    uint32_t active = 0;
    for (int i = 0; i < STAGE_COUNT; i++) {
        counted += stages[i].items + stages[i].retries + stages[i].copies;
        active += i == STAGE_FETCH ? 0 : stages[i].active;
    }
    bool moved = counted != service->counted;
    service->counted = counted;
    return moved || !active;
}

static bool gets_on(struct worker *worker)
{
    struct rec_stage stages[STAGE_COUNT];
    if (!worker->runtime || !worker->inside)
        return true;
    pipeline_stages(worker->runtime->pipeline, stages);
    return service_gets_on(&worker->service, stages, pipeline_decode_cpu(worker->runtime->pipeline));
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
        log_warning("nothing has moved for %llu s though there is work; in %llu s more the service manager ends this process",
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
