/* handlers.c: what a worker does for each message of a coordinator. */
#include "worker/worker.h"

#include "common/clock.h"
#include "common/log.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* ---- hello ---- */

static bool is_same_lead(const struct job *job, const struct message *message)
{
    return !strcmp(job->id, message->hello.job) && job->epoch == message->hello.epoch && job->coordinator == message->from;
}

static void refuse(struct worker *worker, const struct peer *peer, const struct message *hello, enum refuse_reason reason, const char *detail)
{
    worker_refuse(worker, peer, hello->from, hello->hello.call, reason, detail);
}

/* The leader of the present job introduces itself again: it lost us, or we lost it. Nothing is thrown away. */
static void greet_again(struct worker *worker, const struct peer *peer, uint64_t call)
{
    if (call < worker->job->call)
        return; /* late, by a connection that was given up */
    bool anew = call > worker->job->call;
    worker->job->peer = *peer;
    worker->job->call = call;
    worker->job->heard_ns = clock_now_ns();
    if (worker->job->state == JOB_READY) {
        worker_welcome(worker);
        return;
    }
    worker_send(worker, peer, &(struct message){ .kind = MESSAGE_loading, .loading = { .detail = "the model is being loaded" } });
    if (anew)
        courier_again(&worker->courier); /* pieces of it may have been lost with the connection */
    worker_ask_for_model(worker);
}

/* Whether somebody else's claim to this worker is stronger. */
static bool keep_present_job(struct worker *worker, const struct peer *peer, const struct message *message)
{
    const struct job *job = worker->job;
    char text[LIMIT_TEXT + 128];
    if (!job)
        return false;
    if (!strcmp(job->id, message->hello.job) && message->hello.epoch < job->epoch) {
        snprintf(text, sizeof(text), "this job goes on elsewhere: epoch %" PRIu64 " of it, by %s, is here", job->epoch, job->owner);
        refuse(worker, peer, message, REFUSE_FENCED, text);
        return true;
    }
    if (!strcmp(job->id, message->hello.job) && message->hello.epoch > job->epoch)
        return false;
    if (job_expired(job, clock_now_ns()))
        return false;
    snprintf(text, sizeof(text), "serves job %s of %s", job->id, job->owner);
    refuse(worker, peer, message, REFUSE_BUSY, text);
    return true;
}

void worker_on_hello(struct worker *worker, const struct peer *peer, const struct message *message)
{
    const struct msg_hello *hello = &message->hello;
    char text[256];
    if (worker->leaving) {
        refuse(worker, peer, message, REFUSE_BUSY, "is leaving");
        return;
    }
    if (hello->protocol != PROTOCOL_VERSION) {
        snprintf(text, sizeof(text), "speaks protocol %u (version %s), the coordinator %u (version %.64s); install the same release",
                 PROTOCOL_VERSION, SLEDDOG_VERSION, hello->protocol, hello->version);
        refuse(worker, peer, message, REFUSE_MISMATCH, text);
        return;
    }
    /* What stands still would keep whatever came. It is used again when it moves, and what it holds for this job is offered then. */
    if (hello->stall_ms && worker_stands_still(worker, hello->stall_ms * NS_PER_MS, text, sizeof(text))) {
        if (worker->job && is_same_lead(worker->job, message))
            worker->job->heard_ns = clock_now_ns();
        refuse(worker, peer, message, REFUSE_BUSY, text);
        return;
    }
    if (worker->job && is_same_lead(worker->job, message)) {
        greet_again(worker, peer, hello->call);
        return;
    }
    if (keep_present_job(worker, peer, message))
        return;
    struct job *job;
    struct why why;
    if (job_new(peer, message, &job, &why) < 0) {
        refuse(worker, peer, message, REFUSE_MODEL, why.text);
        return;
    }
    worker_end_job(worker, "another took over");
    if (!*job->spec.weights)
        snprintf(job->spec.weights, sizeof(job->spec.weights), "%s", worker->options->weights);
    job->spec.here = !strncmp(link_endpoint(worker->link), "ipc://", 6); /* --local */
    worker->job = job;
    log_info("job %s of %s, epoch %" PRIu64, job->id, job->owner, job->epoch);
    worker_load(worker);
}

void worker_on_probe(struct worker *worker, const struct peer *peer, const struct message *message)
{
    /* A job must not share its processors with this. */
    if (!worker->job && !worker->loader.running)
        verifier_start(&worker->verifier, &worker->options->tuning, &worker->box);
    worker_send_status(worker, peer, message->from);
}

/* ---- the job ---- */

/* Messages of a job that is over, or of a coordinator that was replaced, change nothing. */
static struct job *job_of(struct worker *worker, const struct peer *peer, const struct message *message, uint64_t epoch)
{
    struct job *job = worker->job;
    if (!job || job->epoch != epoch || job->coordinator != message->from)
        return NULL;
    job->heard_ns = clock_now_ns();
    job->peer = *peer;
    return job;
}

static int accept_batch(struct worker *worker, struct job *job, const struct msg_batch *batch)
{
    const struct engine_info *info = pipeline_engine(worker->runtime->pipeline);
    struct work *work;
    int r = work_new(batch->batch, batch->attempt, batch->items, batch->items_count, info->top, info->values, &work);
    if (r < 0)
        return r;
    work->job = job->key;
    work->alone = batch->alone;
    work->next = job->held;
    job->held = work;
    bool widen = !job->remote && pipeline_is_remote(work);
    worker_submit(worker, work);
    if (widen) {
        job->remote = true;
        job->images += worker->runtime->remote_window;
        worker_grant(worker);
    }
    return 0;
}

static bool has_unfinished(const struct job *job, bool only_alone)
{
    const struct work *work = job->held;
    while (work && (work->done || (only_alone && !work->alone)))
        work = work->next;
    return work;
}

/* Why a batch cannot be taken, NULL if it can. */
static const char *objection(const struct worker *worker, const struct job *job, const struct msg_batch *batch)
{
    if (worker->leaving)
        return "this worker is leaving";
    if (job->received_images > job->images)
        return "more images than were granted";
    if (has_unfinished(job, !batch->alone))
        return batch->alone ? "it must be alone, and there are others" : "the one that is here must be alone";
    return NULL;
}

void worker_on_batch(struct worker *worker, const struct peer *peer, const struct message *message)
{
    const struct msg_batch *batch = &message->batch;
    struct job *job = job_of(worker, peer, message, batch->epoch);
    if (!job || job->state != JOB_READY || !batch->items_count || !job_takes(job, batch))
        return;
    trail_forget(&worker->trail, job->key); /* it comes from one who had the welcome */
    struct work *held = job_find(job, batch->batch);
    if (held) {
        /* Sent again after a loss on the way: the answer to the newest attempt is the same. */
        held->attempt = batch->attempt;
        job->images += batch->items_count;
        if (held->done)
            worker_offer(worker, held);
        return;
    }
    const char *why_not = objection(worker, job, batch);
    if (!why_not && accept_batch(worker, job, batch) < 0)
        why_not = "out of memory";
    if (!why_not)
        return;
    log_info("batch %" PRIu64 " returned: %s", batch->batch, why_not);
    job->images += batch->items_count;
    worker_return(worker, batch->batch);
    worker_grant(worker);
}

static void forget(struct worker *worker, struct job *job, uint64_t batch)
{
    struct work *work = job ? job_find(job, batch) : NULL;
    if (!work)
        return;
    bool inside = !work->done;
    job_drop(job, work);
    if (inside)
        pipeline_abandoned(worker->runtime->pipeline);
    worker_grant(worker);
}

void worker_on_commit(struct worker *worker, const struct peer *peer, const struct message *message)
{
    forget(worker, job_of(worker, peer, message, message->commit.epoch), message->commit.batch);
}

void worker_on_cancel(struct worker *worker, const struct peer *peer, const struct message *message)
{
    forget(worker, job_of(worker, peer, message, message->cancel.epoch), message->cancel.batch);
}

void worker_on_ping(struct worker *worker, const struct peer *peer, const struct message *message)
{
    struct job *job = job_of(worker, peer, message, message->ping.epoch);
    struct message answer = { .kind = MESSAGE_heartbeat, .to = message->from };
    struct rec_stage stages[STAGE_COUNT];
    if (!job) {
        worker_disown(worker, peer, message->from);
        return;
    }
    job->expected = message->ping.batches;
    answer.heartbeat.epoch = job->epoch;
    answer.heartbeat.expected = job->expected;
    answer.heartbeat.received = job->received;
    answer.heartbeat.images = job->images;
    answer.heartbeat.held = job_held(job);
    answer.heartbeat.stages = stages;
    answer.heartbeat.stages_count = worker_stages(worker, stages);
    worker_send(worker, peer, &answer);
}

void worker_on_bye(struct worker *worker, const struct peer *peer, const struct message *message)
{
    if (!job_of(worker, peer, message, message->bye.epoch))
        return;
    worker_end_job(worker, worker->leaving ? "left" : "over here");
    worker_leave_check(worker);
}

void worker_on_model_chunk(struct worker *worker, const struct peer *peer, const struct message *message)
{
    if (job_of(worker, peer, message, message->model_chunk.epoch))
        courier_deliver(&worker->courier, &message->model_chunk);
}
