#include "tests/cluster/lib/chaos.h"

#include "common/clock.h"
#include "coordinator/db.h"
#include "tests/cluster/lib/cluster.h"
#include "tests/demo/random.h"

#include <inttypes.h>
#include <signal.h>

#define LIST_MAX 64

/* One entry of the list. */
struct step {
    enum chaos_fault fault;
    int worker;
    long at;       /* images that are safe */
    int after_ms;  /* of that */
    int for_ms;    /* until it is undone */
};

enum condition { UP, STOPPED, LEAVING, DOWN };

struct actor {
    struct daemon daemon; /* of a coordinator: its process alone */
    enum condition condition;
    uint64_t undo_ns;     /* when it is started again or goes on; LEAVING: when that has taken too long */
    int down_ms;          /* LEAVING: how long it stays away */
    int starts;
};

struct chaos {
    const struct chaos_plan *plan;
    struct chaos_tally *tally;
    struct proxy *proxy;
    struct actor coordinator, workers[CHAOS_WORKERS_MAX];
    struct step list[LIST_MAX];
    int steps, next;
    uint64_t reached_ns; /* when the next step's images were safe; 0: not yet */
    int removed;         /* the worker that is not on the node list; -1: all are */
    uint64_t removed_until_ns;
    bool hung_up;        /* SIGHUP was sent to this coordinator: a very young one dies of it */
    long done;
};

/* ---- the list ---- */

static int compare_steps(const void *a, const void *b)
{
    const struct step *x = a, *y = b;
    return x->at != y->at ? (x->at > y->at) - (x->at < y->at) : (x->worker > y->worker) - (x->worker < y->worker);
}

/* Shorter and longer than an expiry of one second. */
static int some_pause(struct dice *dice, enum chaos_fault fault)
{
    int longest = fault == CHAOS_KILL_COORDINATOR || fault == CHAOS_INTERRUPT_COORDINATOR ? 400 : fault == CHAOS_STOP_COORDINATOR ? 1800 : 2200;
    return 20 + dice_below(dice, longest);
}

static struct step some_step(const struct chaos_plan *plan, struct dice *dice, enum chaos_fault fault)
{
    struct step step = { .fault = fault, .worker = dice_below(dice, plan->workers) };
    step.at = dice_below(dice, 21) * plan->images / 20; /* from nothing to everything */
    step.after_ms = dice_below(dice, 60);
    step.for_ms = some_pause(dice, fault);
    return step;
}

/* The first coordinator is killed while it makes and lists the job or greets the workers, another one while it writes the tables. */
static void make_list(struct chaos *chaos)
{
    const struct chaos_plan *plan = chaos->plan;
    struct dice dice = dice_for(plan->seed, 0);
    for (int fault = 0; fault < CHAOS_FAULTS; fault++)
        for (int i = 0; i < plan->faults[fault]; i++) {
            struct step *step = &chaos->list[chaos->steps++];
            CHECK(chaos->steps <= LIST_MAX);
            *step = some_step(plan, &dice, (enum chaos_fault)fault);
            if (fault == CHAOS_KILL_COORDINATOR && i < 2) {
                step->at = i * plan->images;
                step->after_ms = step->after_ms * (i ? 10 : 60) / 60;
            }
        }
    qsort(chaos->list, (size_t)chaos->steps, sizeof(chaos->list[0]), compare_steps);
}

/* ---- processes ---- */

static uint64_t in_ms(int ms)
{
    return clock_now_ns() + (uint64_t)(patience(ms) * NS_PER_MS);
}

static void name_actor(const struct chaos *chaos, const struct actor *actor, char *name, size_t size)
{
    if (actor == &chaos->coordinator)
        snprintf(name, size, "coordinator.%d", actor->starts);
    else
        snprintf(name, size, "worker-%d.%d", (int)(actor - chaos->workers) + 1, actor->starts);
}

static int copy_arguments(const char **to, int count, const char *const *from)
{
    for (; *from; from++)
        to[count++] = *from;
    to[count] = NULL;
    return count;
}

/* `run`, or `resume` once there is a job. */
static void start_coordinator(struct chaos *chaos)
{
    char name[64], expiry[16];
    const char *arguments[64];
    bool again = access("job/job.db", F_OK) == 0;
    snprintf(expiry, sizeof(expiry), "%.0f", patience(1));
    int count = copy_arguments(arguments, 0, ARGV(again ? "resume" : "run", "--nodes", "nodes", "--expiry", expiry));
    count = copy_arguments(arguments, count, again ? ARGV("job") : ARGV("--job", "job"));
    if (!again)
        copy_arguments(arguments, count, chaos->plan->coordinator);
    chaos->coordinator.starts++;
    name_actor(chaos, &chaos->coordinator, name, sizeof(name));
    coordinator_begin(&chaos->coordinator.daemon.process, name, arguments);
    chaos->coordinator.condition = UP;
    chaos->hung_up = false;
}

static void start_worker(struct chaos *chaos, struct actor *actor)
{
    char name[64];
    actor->starts++;
    name_actor(chaos, actor, name, sizeof(name));
    daemon_start(&actor->daemon, name, actor->daemon.port, chaos->plan->worker);
    actor->condition = UP;
}

/* Whole or not at all: a coordinator may be reading. */
static void write_list(const struct chaos *chaos)
{
    FILE *nodes = fopen("nodes.new", "w");
    CHECK(nodes);
    for (int i = 0; i < chaos->plan->workers; i++)
        if (i != chaos->removed)
            fprintf(nodes, "127.0.0.1:%d # worker %d, port %d\n", proxy_port(chaos->proxy, i), i + 1, chaos->workers[i].daemon.port);
    CHECK_INT(fclose(nodes), 0);
    CHECK_INT(rename("nodes.new", "nodes"), 0);
}

static void start_all(struct chaos *chaos)
{
    int ports[CHAOS_WORKERS_MAX];
    for (int i = 0; i < chaos->plan->workers; i++) {
        start_worker(chaos, &chaos->workers[i]);
        ports[i] = chaos->workers[i].daemon.port;
    }
    chaos->proxy = proxy_start(&chaos->plan->frames, ports, chaos->plan->workers);
    write_list(chaos);
    start_coordinator(chaos);
}

/* ---- faults ---- */

static void kill_actor(struct actor *actor, int down_ms)
{
    process_signal(&actor->daemon.process, SIGKILL);
    process_end(&actor->daemon.process);
    actor->condition = DOWN;
    actor->undo_ns = in_ms(down_ms);
}

static void stop_actor(struct actor *actor, int stopped_ms)
{
    process_signal(&actor->daemon.process, SIGSTOP);
    actor->condition = STOPPED;
    actor->undo_ns = in_ms(stopped_ms);
}

static void ask_to_leave(struct actor *actor, int number, int down_ms)
{
    process_signal(&actor->daemon.process, number);
    actor->condition = LEAVING;
    actor->undo_ns = in_ms(30000);
    actor->down_ms = down_ms;
}

/* And whoever has read the old one is told to read it again. */
static void change_list(struct chaos *chaos, int removed)
{
    struct process *process = &chaos->coordinator.daemon.process;
    chaos->removed = removed;
    write_list(chaos);
    if (chaos->coordinator.condition >= LEAVING || !process_running(process))
        return;
    process_signal(process, SIGHUP);
    chaos->hung_up = true;
}

/* The one that was meant, or the next that is up. */
static struct actor *find_target(struct chaos *chaos, const struct step *step)
{
    if (step->fault == CHAOS_REMOVE_WORKER)
        return chaos->removed < 0 ? &chaos->workers[step->worker] : NULL;
    if (step->fault >= CHAOS_KILL_COORDINATOR)
        return chaos->coordinator.condition == UP ? &chaos->coordinator : NULL;
    for (int i = 0; i < chaos->plan->workers; i++) {
        struct actor *actor = &chaos->workers[(step->worker + i) % chaos->plan->workers];
        if (actor->condition == UP)
            return actor;
    }
    return NULL;
}

static void apply(struct chaos *chaos, const struct step *step, struct actor *actor)
{
    fprintf(stderr, "%ld images safe: fault %d on %s for %d ms\n", chaos->done, step->fault, actor->daemon.process.name, step->for_ms);
    chaos->tally->faults[step->fault]++;
    switch (step->fault) {
    case CHAOS_KILL_WORKER:
    case CHAOS_KILL_COORDINATOR:
        kill_actor(actor, step->for_ms);
        break;
    case CHAOS_STOP_WORKER:
    case CHAOS_STOP_COORDINATOR:
        stop_actor(actor, step->for_ms);
        break;
    case CHAOS_DRAIN_WORKER:
        ask_to_leave(actor, SIGTERM, step->for_ms);
        break;
    case CHAOS_INTERRUPT_COORDINATOR:
        ask_to_leave(actor, SIGINT, step->for_ms);
        break;
    case CHAOS_REMOVE_WORKER:
        change_list(chaos, step->worker);
        chaos->removed_until_ns = in_ms(step->for_ms);
        break;
    case CHAOS_FAULTS:
        break;
    }
}

/* ---- the run ---- */

/* Images whose rows are in job.db. Reading leaves the file and its journal as they are. */
static long count_done(void)
{
    CLEANUP(db_closep) struct db *db = NULL;
    struct db_counts counts;
    if (access("job/job.db", R_OK) < 0 || db_open("job/job.db", true, &db, NULL) < 0)
        return 0;
    return db_count(db, &counts, NULL) < 0 ? 0 : (long)counts.done_images;
}

static void take_step(struct chaos *chaos)
{
    if (chaos->next == chaos->steps)
        return;
    const struct step *step = &chaos->list[chaos->next];
    if (!chaos->reached_ns && chaos->done >= step->at)
        chaos->reached_ns = in_ms(step->after_ms);
    if (!chaos->reached_ns || clock_now_ns() < chaos->reached_ns)
        return;
    struct actor *actor = find_target(chaos, step);
    if (!actor)
        return;
    apply(chaos, step, actor);
    chaos->next++;
    chaos->reached_ns = 0;
}

static void watch_leaving(struct chaos *chaos, struct actor *actor)
{
    if (process_running(&actor->daemon.process)) {
        if (clock_now_ns() > actor->undo_ns)
            test_fail(__FILE__, __LINE__, "%s was asked to leave long ago and is still there", actor->daemon.process.name);
        return;
    }
    int status = process_end(&actor->daemon.process);
    bool interrupted = actor == &chaos->coordinator && status == 130;
    if (status && !interrupted)
        test_fail(__FILE__, __LINE__, "%s was asked to leave and ended with %d", actor->daemon.process.name, status);
    actor->condition = DOWN;
    actor->undo_ns = in_ms(actor->down_ms);
}

/* The end of a coordinator is the end of the run. */
static void watch(struct chaos *chaos, struct actor *actor)
{
    if (actor->condition == LEAVING) {
        watch_leaving(chaos, actor);
        return;
    }
    if (actor->condition == UP && actor != &chaos->coordinator && !process_running(&actor->daemon.process))
        test_fail(__FILE__, __LINE__, "%s ended by itself, with %d", actor->daemon.process.name, process_end(&actor->daemon.process));
    if (actor->condition == UP || clock_now_ns() < actor->undo_ns)
        return;
    if (actor->condition == STOPPED) {
        process_signal(&actor->daemon.process, SIGCONT);
        actor->condition = UP;
    } else if (actor == &chaos->coordinator)
        start_coordinator(chaos);
    else
        start_worker(chaos, actor);
}

/* False once a coordinator has ended as it should. */
static bool is_going_on(struct chaos *chaos)
{
    struct actor *actor = &chaos->coordinator;
    if (actor->condition != UP || process_running(&actor->daemon.process))
        return true;
    int status = process_end(&actor->daemon.process);
    if (chaos->hung_up && status == 128 + SIGHUP) {
        actor->condition = DOWN;
        actor->undo_ns = 0;
        return true;
    }
    if (status)
        test_fail(__FILE__, __LINE__, "%s ended with %d", actor->daemon.process.name, status);
    return false;
}

/* Whoever is still there leaves in good order. */
static void end_all(struct chaos *chaos)
{
    for (int i = 0; i < chaos->plan->workers; i++) {
        struct actor *actor = &chaos->workers[i];
        if (actor->condition == STOPPED)
            process_signal(&actor->daemon.process, SIGCONT);
        if (actor->condition == UP || actor->condition == STOPPED)
            process_signal(&actor->daemon.process, SIGTERM);
        if (actor->condition != DOWN)
            CHECK_INT(process_end(&actor->daemon.process), 0);
    }
}

void chaos_run(const struct chaos_plan *plan, struct chaos_tally *ret)
{
    static struct chaos chaos;
    double start = now_s();
    chaos = (struct chaos){ .plan = plan, .tally = ret, .removed = -1 };
    *ret = (struct chaos_tally){ 0 };
    make_list(&chaos);
    start_all(&chaos);
    while (is_going_on(&chaos)) {
        chaos.done = count_done();
        take_step(&chaos);
        if (chaos.removed >= 0 && clock_now_ns() > chaos.removed_until_ns)
            change_list(&chaos, -1);
        watch(&chaos, &chaos.coordinator);
        for (int i = 0; i < plan->workers; i++)
            watch(&chaos, &chaos.workers[i]);
        rest(start + patience(600), __FILE__, __LINE__, "the end of the job");
    }
    end_all(&chaos);
    for (int i = 0; i < PROXY_FAULTS; i++)
        ret->frames[i] = proxy_count(chaos.proxy, (enum proxy_fault)i);
    ret->seconds = now_s() - start;
    proxy_stop(chaos.proxy);
}

void chaos_describe(const struct chaos_tally *tally, char *text, int size)
{
    const int *faults = tally->faults, *frames = tally->frames;
    snprintf(text, (size_t)size, "workers killed %d, stopped %d, drained %d, removed %d; coordinators killed %d, stopped %d, interrupted %d; frames",
             faults[CHAOS_KILL_WORKER], faults[CHAOS_STOP_WORKER], faults[CHAOS_DRAIN_WORKER], faults[CHAOS_REMOVE_WORKER],
             faults[CHAOS_KILL_COORDINATOR], faults[CHAOS_STOP_COORDINATOR], faults[CHAOS_INTERRUPT_COORDINATOR]);
    for (int i = 0; i < PROXY_FAULTS; i++) {
        int used = (int)strlen(text);
        snprintf(text + used, (size_t)(size - used), "%s %s %d", i ? "," : "", proxy_fault_name((enum proxy_fault)i), frames[i]);
    }
}
