/* worker.c: the daemon's loop: socket, mailbox, signals, and a tick that offers kept results again. */
#include "worker/worker.h"

#include "common/clock.h"
#include "common/daemon.h"
#include "common/download.h"
#include "common/log.h"
#include "common/machine.h"
#include "common/signals.h"
#include "worker/engines.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define TICK_NS       (500 * NS_PER_MS)
#define OFFER_AGAIN_NS (2 * NS_PER_S)
/* A coordinator that has been silent for so many expiries is not coming back for its kept results. */
#define FORGET_EXPIRIES 30

/* ---- sending ---- */

void worker_send(struct worker *worker, const struct peer *peer, struct message *message)
{
    message->from = worker->incarnation;
    if (!message->to && worker->job)
        message->to = worker->job->coordinator;
    int r = link_send(worker->link, peer, message);
    if (r < 0)
        log_debug("%s not sent: %s", message_name(message->kind), strerror(-r));
}

void worker_refuse(struct worker *worker, const struct peer *peer, uint64_t to, uint64_t call, enum refuse_reason reason, const char *detail)
{
    struct message message = { .kind = MESSAGE_refuse, .to = to, .refuse = { reason, detail, call } };
    worker_send(worker, peer, &message);
}

void worker_refuse_job(struct worker *worker, enum refuse_reason reason, const char *detail)
{
    const struct job *job = worker->job;
    log_error("%s", detail);
    worker_refuse(worker, &job->peer, job->coordinator, job->call, reason, detail);
    worker_end_job(worker, "refused");
}

void worker_grant(struct worker *worker)
{
    struct message message = { .kind = MESSAGE_credit, .credit = { worker->job->epoch, worker->job->images } };
    worker_send(worker, &worker->job->peer, &message);
}

/* "I do not know you": the coordinator will introduce itself again. */
void worker_disown(struct worker *worker, const struct peer *peer, uint64_t to)
{
    worker_send(worker, peer, &(struct message){ .kind = MESSAGE_heartbeat, .to = to });
}

void worker_offer(struct worker *worker, struct work *work)
{
    struct rec_stage stages[STAGE_COUNT];
    job_stages(worker->job, worker->runtime->pipeline, stages);
    struct message message = {
        .kind = MESSAGE_result,
        .result = { .epoch = worker->job->epoch, .batch = work->batch, .attempt = work->attempt, .rows = work->rows,
                    .rows_count = work->count, .stages = stages, .stages_count = STAGE_COUNT },
    };
    work->sent_ns = clock_now_ns();
    worker_send(worker, &worker->job->peer, &message);
}

void worker_welcome(struct worker *worker)
{
    struct job *job = worker->job;
    const struct runtime *runtime = worker->runtime;
    const struct engine_info *info = pipeline_engine(runtime->pipeline);
    struct why why;
    if (job_check_rows(job, info, &why) < 0) {
        worker_refuse_job(worker, REFUSE_MODEL, why.text);
        return;
    }
    struct rec_suspect *suspects;
    uint32_t suspect_count = trail_suspects(&worker->trail, job->key, &suspects);
    struct message message = {
        .kind = MESSAGE_welcome,
        .welcome = { .epoch = job->epoch, .call = job->call, .version = SLEDDOG_VERSION, .host = machine_host(), .engine = info->engine, .device = info->device,
                     .precision = info->precision,
                     .fingerprint = runtime->fingerprint, .network = runtime->network, .model_sha256 = runtime->sha256,
                     .classes = (uint32_t)runtime->classes, .values = (uint32_t)info->values, .engine_batch = (uint32_t)info->batch,
                     .threads = (uint32_t)worker->options->tuning.threads, .memory = machine_memory(),
                     .suspects = suspects, .suspects_count = suspect_count },
    };
    if (job->state != JOB_READY)
        pipeline_stages(runtime->pipeline, job->base);
    /* The same introduction again: the coordinator may have sent batches on the strength of the first welcome. */
    if (job->state != JOB_READY || job->greeted != job->call)
        job_restart_credit(job, runtime->window + (job->remote ? runtime->remote_window : 0));
    job->state = JOB_READY;
    job->greeted = job->call;
    worker_send(worker, &job->peer, &message);
    worker_grant(worker);
    for (struct work *work = job->held; work; work = work->next)
        if (work->done)
            worker_offer(worker, work);
}

/* ---- the end of a job ---- */

void worker_end_job(struct worker *worker, const char *reason)
{
    if (!worker->job)
        return;
    log_info("job %s: %s", worker->job->id, reason);
    job_free(worker->job);
    worker->job = NULL;
    courier_cancel(&worker->courier);
    if (worker->runtime)
        pipeline_abandoned(worker->runtime->pipeline);
}

/* ---- events ---- */

void worker_submit(struct worker *worker, struct work *work)
{
    work->waits = work->alone && worker->inside;
    if (work->waits)
        return;
    worker->inside++;
    pipeline_submit(worker->runtime->pipeline, work);
}

/* The pipeline is empty: one that must be alone may go in. */
static void submit_waiting(struct worker *worker)
{
    struct work *work = worker->job ? worker->job->held : NULL;
    while (work && !work->waits)
        work = work->next;
    if (work)
        worker_submit(worker, work);
}

static void finish_work(struct worker *worker, struct work *work)
{
    if (--worker->inside == 0)
        submit_waiting(worker);
    if (atomic_load(&work->spoiled) && !atomic_load(&work->abandoned))
        return; /* stays held and unanswered; this process is about to leave */
    work->done = true;
    if (atomic_load(&work->abandoned))
        work_free(work);
    else
        worker_offer(worker, work);
}

static void on_mail(void *arg)
{
    struct worker *worker = arg;
    for (struct mail *mail = mailbox_take(&worker->box), *next; mail; mail = next) {
        next = mail->next;
        switch ((enum worker_mail)mail->kind) {
        case MAIL_LOADED:
            worker_loaded(worker);
            break;
        case MAIL_VERIFIED:
            verifier_finish(&worker->verifier);
            break;
        case MAIL_COURIER:
            courier_took_mail(&worker->courier);
            worker_ask_for_model(worker);
            break;
        case MAIL_BROKEN:
            worker_leave_broken(worker, (struct pipeline_notice *)mail);
            break;
        case MAIL_WORK:
            finish_work(worker, (struct work *)mail);
            break;
        }
    }
    worker_leave_check(worker);
}

static void dispatch(struct worker *worker, const struct peer *peer, const struct message *message)
{
    static void (*const handlers[MESSAGE_KINDS])(struct worker *, const struct peer *, const struct message *) = {
#define ON_to_worker(name) [MESSAGE_##name] = worker_on_##name,
#define ON_to_coordinator(name)
#define RECORD(name, ...)
#define MESSAGE(name, to, ...) ON_##to(name)
#include "proto/messages.def"
#undef MESSAGE
#undef RECORD
    };
    bool mine = !message->to || message->to == worker->incarnation;
    if (message->kind == MESSAGE_ping && !mine) {
        worker_disown(worker, peer, message->from);
        return;
    }
    if (!handlers[message->kind] || !mine) {
        log_debug("%s ignored: not for this worker", message_name(message->kind));
        return;
    }
    handlers[message->kind](worker, peer, message);
}

static void on_socket(void *arg)
{
    struct worker *worker = arg;
    struct peer peer;
    struct message message;
    struct why why;
    /* A peer that floods must not keep timers and mail waiting: at most so many a round. */
    for (int i = 0; i < 64; i++) {
        int r = link_receive(worker->link, &peer, &message, &why);
        if (r == -EAGAIN || r == -EINTR)
            return;
        if (r < 0) {
            door_garbage(&worker->door, &peer, why.text);
            continue;
        }
        if (door_admits(&worker->door, &peer, worker->job && message.from == worker->job->coordinator))
            dispatch(worker, &peer, &message);
        message_free(&message);
    }
}

static void on_tick(void *arg)
{
    struct worker *worker = arg;
    struct job *job = worker->job;
    uint64_t now = clock_now_ns();
    worker_end_if_stuck(worker);
    service_tick(worker);
    door_tick(&worker->door);
    worker_look_at_loading(worker);
    loop_timer_set(worker->loop, &worker->tick, now + TICK_NS);
    if (worker->leaving)
        worker_leave_tick(worker);
    if (!job)
        return;
    if (now - job->heard_ns > FORGET_EXPIRIES * job->expiry_ns) {
        worker_end_job(worker, "its coordinator is gone");
        return;
    }
    if (courier_stalled(&worker->courier, now, job->expiry_ns / 2))
        worker_ask_for_model(worker);
    for (struct work *work = job->held; work; work = work->next)
        if (work->done && now - work->sent_ns > OFFER_AGAIN_NS)
            worker_offer(worker, work);
}

static void on_signal(void *arg)
{
    struct worker *worker = arg;
    int number = signals_read();
    if (number == SIGHUP)
        worker_reload(worker);
    if (number != SIGTERM && number != SIGINT)
        return;
    log_info("%s: leaving%s", number == SIGTERM ? "SIGTERM" : "SIGINT", worker->leaving ? " at once" : "");
    worker_leave(worker, "was asked to stop");
}

/* ---- life ---- */

static void free_mail(struct worker *worker)
{
    for (struct mail *mail = mailbox_take(&worker->box), *next; mail; mail = next) {
        next = mail->next;
        if (mail->kind == MAIL_WORK)
            work_free((struct work *)mail);
        else if (mail->kind == MAIL_BROKEN)
            free(mail);
    }
}

static void stop(struct worker *worker)
{
    worker_end_job(worker, "left");
    door_close(&worker->door);
    link_free(worker->link);
    link_context_free(worker->context);
    if (worker->status != 1)
        trail_remove(&worker->trail); /* an orderly end, or its GPU's */
    if (worker->status || worker->hurry || !outlook_is_over(&worker->outlook))
        _exit(worker->status); /* a broken engine's threads may never return, a decoder's may take long, a mount may never answer */
    download_stop(); /* a loader that waits for a server must not hold up the end */
    courier_cancel(&worker->courier);
    thread_join(&worker->loader.thread);
    verifier_done(&worker->verifier);
    outlook_done(&worker->outlook);
    runtime_free(worker->loader.runtime);
    runtime_free(worker->runtime);
    trail_close(&worker->trail);
    free_mail(worker);
    courier_done(&worker->courier);
    mailbox_done(&worker->box);
    loop_free(worker->loop);
    reload_done(&worker->reload);
}

/* An engine that was asked for and cannot work is an error now, not when the first job comes. */
static int check_engine(const struct tuning *tuning, struct why *why)
{
    const struct engine_ops *ops;
    char text[512];
    int r = engines_find(tuning->engine, &ops, why);
    if (r == 0)
        r = ops->probe(text, sizeof(text), why);
    if (r == 0)
        log_info("engine %s: %s", ops->name, text);
    struct why unused;
    if (!strcmp(tuning->engine, "auto") && engines_gpu_unused(&unused) < 0)
        log_warning("there is a driver for GPUs, but none is used: %s", unused.text);
    return r < 0 && strcmp(tuning->engine, "auto") ? r : 0;
}

static int start(struct worker *worker, struct why *why)
{
    int r = check_engine(&worker->options->tuning, why);
    if (r == 0)
        r = door_open(&worker->door, worker->options, worker->loop, worker->context, &worker->link, why);
    if (r < 0)
        return r;
    r = loop_add_socket(worker->loop, link_socket(worker->link), on_socket, worker);
    if (r == 0)
        r = loop_add_fd(worker->loop, worker->box.fd, on_mail, worker);
    if (r == 0)
        r = loop_add_fd(worker->loop, signals_fd(), on_signal, worker);
    if (r < 0)
        return because(why, r, "out of memory");
    worker->tick = (struct loop_timer){ .due = on_tick, .arg = worker };
    loop_timer_set(worker->loop, &worker->tick, clock_now_ns() + TICK_NS);
    trail_open(&worker->trail, link_endpoint(worker->link), worker->options->tuning.cache);
    log_info("version %s listens on %s", SLEDDOG_VERSION, link_endpoint(worker->link));
    outlook_start(&worker->outlook, worker->options->weights, &worker->options->tuning);
    service_open(&worker->service);
    service_tick(worker);
    daemon_ready();
    return 0;
}

int worker_run(struct worker_options *options, struct why *why)
{
    machine_raise_files();
    struct worker worker = { .options = options, .incarnation = link_random_id(), .loader.mail.kind = MAIL_LOADED };
    int r = mailbox_init(&worker.box);
    if (r == 0)
        r = courier_init(&worker.courier, &worker.box);
    if (r == 0)
        r = loop_new(&worker.loop);
    if (r < 0)
        return because(why, r, "cannot start: %s", strerror(-r));
    r = link_context_new(&worker.context, why);
    if (r == 0)
        r = start(&worker, why);
    if (r == 0) {
        r = loop_run(worker.loop);
        if (r < 0)
            because(why, r, "waiting for messages: %s", strerror(-r));
    }
    stop(&worker);
    return r;
}
