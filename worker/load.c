/* load.c: a job's model is made ready on a thread of its own, beside the loop: begun, watched, ended; and what the coordinator lends for it is asked for. */
#include "worker/worker.h"

#include "common/clock.h"
#include "common/log.h"

#include <errno.h>

static void run_loader(void *arg)
{
    struct loader *loader = arg;
    runtime_free(loader->old);
    loader->old = NULL;
    loader->result = runtime_open(loader->tuning, &loader->spec, loader->box, loader->crumbs, loader->courier, &loader->runtime, &loader->why);
    mailbox_post(loader->box, &loader->mail);
}

void worker_load(struct worker *worker)
{
    struct job *job = worker->job;
    struct loader *loader = &worker->loader;
    if (worker->runtime && runtime_spec_equal(&worker->runtime->spec, &job->spec) && runtime_is_current(worker->runtime)) {
        worker_welcome(worker);
        return;
    }
    worker_send(worker, &job->peer, &(struct message){ .kind = MESSAGE_loading, .loading = { .detail = job->spec.weights } });
    if (loader->running)
        return; /* its mail calls again */
    loader->spec = job->spec;
    loader->old = worker->runtime;
    worker->runtime = NULL;
    loader->tuning = &worker->options->tuning;
    loader->box = &worker->box;
    loader->crumbs = worker->trail.crumbs;
    loader->courier = &worker->courier;
    courier_allow(&worker->courier);
    int r = thread_start(&loader->thread, "load", run_loader, loader);
    if (r < 0) {
        worker->runtime = take(loader->old);
        worker_refuse_job(worker, REFUSE_FAILED, "cannot start a thread to load the model");
        return;
    }
    loader->running = true;
    loader->still_ns = 0;
    loader->looked_ns = clock_now_ns();
}

/* A download that trickles in moves its thread a little; an engine that tries itself may do so on other threads. */
void worker_look_at_loading(struct worker *worker)
{
    struct loader *loader = &worker->loader;
    uint64_t now = clock_now_ns(), round = now - loader->looked_ns, cpu = thread_cpu_ns(&loader->thread) / NS_PER_MS;
    uint64_t process = clock_process_cpu_ns() - clock_thread_cpu_ns();
    bool moved = cpu != loader->cpu_ms || process - loader->process_ns > round / 100;
    loader->still_ns = moved ? 0 : loader->still_ns + (round < NS_PER_S ? round : NS_PER_S); /* it may have been stopped */
    loader->looked_ns = now;
    loader->cpu_ms = cpu;
    loader->process_ns = process;
}

/* Whether the next attempt to load a model may fare better. A file that somebody else has seen may come: its mount is not there yet. */
static bool may_pass(int r, bool seen)
{
    switch (-r) {
    case ENOENT:
    case ENOTDIR:
        return seen;
    case EREMOTEIO: /* the coordinator cannot lend it */
    case ENOMEM:
    case EAGAIN:
    case EBUSY:
    case EIO:
    case EINTR:
    case ESTALE:
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ETIMEDOUT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ECONNREFUSED:
    case ECONNRESET:
        return true;
    default:
        return false;
    }
}

void worker_ask_for_model(struct worker *worker)
{
    char sha256[SHA256_HEX];
    uint64_t offset;
    uint32_t length;
    while (worker->job && courier_next(&worker->courier, sha256, &offset, &length)) {
        struct message message = { .kind = MESSAGE_want_model, .want_model = { worker->job->epoch, sha256, offset, length } };
        worker_send(worker, &worker->job->peer, &message);
    }
}

void worker_loaded(struct worker *worker)
{
    struct loader *loader = &worker->loader;
    thread_join(&loader->thread);
    loader->running = false;
    worker->runtime = loader->result < 0 ? NULL : loader->runtime;
    loader->runtime = NULL;
    if (loader->result == -ENOTRECOVERABLE && !worker->leaving) { /* nor will any other model of this process find the device */
        log_error("%s", loader->why.text);
        worker->status = EXIT_DEVICE_LOST;
        worker_leave(worker, "its GPU is lost");
    }
    if (!worker->job || worker->leaving)
        return;
    /* Cancelled for a job that is gone: for this one it begins again. */
    bool mine = loader->result != -ECANCELED && runtime_spec_equal(&loader->spec, &worker->job->spec);
    if (mine && loader->result < 0) {
        worker_refuse_job(worker, may_pass(loader->result, *loader->spec.sha256) ? REFUSE_FAILED : REFUSE_MODEL, loader->why.text);
    } else if (mine) {
        log_info("ready: %s, %s", *worker->runtime->network ? worker->runtime->network : "no model", pipeline_engine(worker->runtime->pipeline)->device);
        worker_welcome(worker);
    } else
        worker_load(worker);
}
