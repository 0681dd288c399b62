/* leave.c: how the daemon ends: what is decoded is finished, the rest goes back at once, results are offered until they are safe.
 *
 * `leaving` is said again at every tick, and answered with `bye` once the coordinator has nothing of this worker outstanding: that is the end. Without a
 * coordinator that answers, the end comes when nothing is held, or with --drain-timeout. */
#include "worker/worker.h"

#include "common/clock.h"
#include "common/daemon.h"
#include "common/download.h"
#include "common/log.h"

#include <errno.h>
#include <inttypes.h>

/* How long a coordinator that holds nothing of us may take for its bye. */
#define POLITE_NS NS_PER_S
/* What the service manager waits beyond --drain-timeout. */
#define SLACK_NS  (10 * NS_PER_S)

static void say_leaving(struct worker *worker)
{
    struct message message = { .kind = MESSAGE_leaving, .leaving = { worker->farewell } };
    worker_send(worker, &worker->job->peer, &message);
}

void worker_return(struct worker *worker, uint64_t batch)
{
    worker_send(worker, &worker->job->peer, &(struct message){ .kind = MESSAGE_returned, .returned = { worker->job->epoch, batch } });
}

/* A broken engine finishes nothing. */
static bool is_worth_finishing(const struct worker *worker, const struct work *work)
{
    return work->done || (!worker->status && !work->waits && !atomic_load(&work->upstream));
}

static void return_unfinished(struct worker *worker)
{
    int returned = 0;
    for (struct work *work = worker->job->held, *next; work; work = next) {
        next = work->next;
        if (is_worth_finishing(worker, work))
            continue;
        worker_return(worker, work->batch);
        job_drop(worker->job, work);
        returned++;
    }
    if (returned)
        log_info("%d batch%s returned", returned, returned == 1 ? "" : "es");
    if (returned && worker->runtime)
        pipeline_abandoned(worker->runtime->pipeline);
}

static void hurry(struct worker *worker)
{
    worker->hurry = true;
    loop_stop(worker->loop);
}

void worker_leave(struct worker *worker, const char *farewell)
{
    if (worker->leaving) {
        hurry(worker);
        return;
    }
    worker->leaving = true;
    worker->farewell = farewell;
    download_stop(); /* nobody will need the model */
    courier_cancel(&worker->courier);
    uint64_t within_ns = (uint64_t)worker->options->drain_timeout * NS_PER_S;
    worker->leave_until_ns = clock_now_ns() + within_ns;
    daemon_stopping(within_ns + SLACK_NS);
    if (worker->job) {
        return_unfinished(worker);
        say_leaving(worker);
    }
    worker_leave_tick(worker);
}

void worker_leave_broken(struct worker *worker, struct pipeline_notice *notice)
{
    log_error("the engine broke, leaving so that a new process can start afresh: %s", notice->why.text);
    worker->status = notice->r == -ENOTRECOVERABLE ? EXIT_DEVICE_LOST : 1;
    free(notice);
    crumbs_mark(worker->trail.crumbs, NULL); /* what is in it may be why */
    worker_leave(worker, "the engine broke");
}

/* As after a crash, the next process says what this one could not finish. */
void worker_end_if_stuck(struct worker *worker)
{
    struct why why;
    if (!worker->runtime || pipeline_watch(worker->runtime->pipeline, &why) == 0)
        return;
    log_error("%s; this process ends, so that others may go on", why.text);
    _exit(1);
}

/* What was given up may still be in a decoder's hands, and a model on its way; a broken engine's threads may never return. */
static bool is_over(const struct worker *worker, uint64_t now)
{
    const struct job *job = worker->job;
    if (job && (job->held || now < worker->empty_ns + POLITE_NS))
        return false;
    return worker->status || (!worker->inside && !worker->loader.running);
}

void worker_leave_check(struct worker *worker)
{
    if (worker->leaving && is_over(worker, clock_now_ns()))
        loop_stop(worker->loop);
}

void worker_leave_tick(struct worker *worker)
{
    uint64_t now = clock_now_ns();
    if (!worker->job || worker->job->held || !worker->empty_ns)
        worker->empty_ns = now;
    if (is_over(worker, now))
        loop_stop(worker->loop);
    else if (now > worker->leave_until_ns) {
        log_warning("not everything could be handed over within %" PRId64 " s, leaving", worker->options->drain_timeout);
        hurry(worker);
    } else if (worker->job)
        say_leaving(worker);
}
