/* test_watch.c: how long a stage counts as standing still, and what the watch makes of it. */
#include "common/clock.h"
#include "tests/test.h"
#include "worker/engines.h"
#include "worker/pipeline_parts.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define BATCH 4

struct scene {
    struct engines_opened opened;
    struct engine_ops ops; /* its own, and a say of whether it moves */
    struct pipeline pipeline;
    struct watched watched;
    struct task tasks[2 * BATCH];
    struct work work;
};

static uint64_t moved;

static uint64_t say_moves(const struct engine *engine)
{
    (void)engine;
    return moved;
}

static void scene_open(struct scene *scene, bool moves)
{
    const struct engine_spec spec = { .height = 8, .width = 8, .std = { 1, 1, 1 }, .top = 1, .batch = BATCH, .threads = 1 };
    struct pipeline *pipeline = &scene->pipeline;
    struct why why;
    *scene = (struct scene){ .work = { .job = 5, .batch = 6, .count = 2 * BATCH, .tasks = scene->tasks } };
    for (int i = 0; i < 2 * BATCH; i++)
        scene->tasks[i].work = &scene->work;
    CHECK_INT(engines_open("sim", &spec, &scene->opened, &why), 0);
    scene->ops = *scene->opened.ops;
    scene->ops.moves = moves ? say_moves : NULL;
    pipeline->ops = &scene->ops;
    pipeline->engine = scene->opened.engine;
    pipeline->watched = &scene->watched;
    pipeline->spec.decode_threads = 1;
    CHECK_INT(crumbs_anonymous(&pipeline->spec.crumbs, &why), 0);
    CHECK_INT(batcher_new(&scene->ops, pipeline->engine, pipeline->spec.crumbs, &pipeline->batcher), 0);
}

static void scene_close(struct scene *scene)
{
    batcher_free(scene->pipeline.batcher);
    scene->ops.close(scene->pipeline.engine);
    crumbs_close(scene->pipeline.spec.crumbs);
}

/* Fills a slot of the engine, beginning with this image. */
static void fill_slot(struct scene *scene, int first)
{
    struct place place;
    struct why why;
    for (int i = first; i < first + BATCH; i++) {
        CHECK_INT(batcher_take(scene->pipeline.batcher, &scene->tasks[i], &place), 0);
        memset(place.pixels, i, 8 * 8 * 3);
        CHECK_INT(batcher_fill(scene->pipeline.batcher, &place, &why), 0);
    }
}

static void empty_slot(struct scene *scene)
{
    struct engine_slot *slot;
    struct task **tasks;
    struct why why;
    CHECK_INT(batcher_collect(scene->pipeline.batcher, &slot, &tasks, &why), 0);
    batcher_release(scene->pipeline.batcher, slot);
}

/* ---- standing still ---- */

TEST(a_stage_that_is_at_work_and_gets_nowhere_stands_still_from_the_second_look_on)
{
    static struct scene scene;
    scene_open(&scene, true);
    struct pipeline *pipeline = &scene.pipeline;
    still_look(pipeline, 10);
    CHECK_INT(still_ns(pipeline, STAGE_FETCH), 0);
    stage_enter(&pipeline->stages[STAGE_FETCH]);
    still_look(pipeline, 10);
    CHECK_INT(still_ns(pipeline, STAGE_FETCH), 0);
    still_look(pipeline, 10);
    still_look(pipeline, 5);
    CHECK_INT(still_ns(pipeline, STAGE_FETCH), 15);
    CHECK_INT(still_ns(pipeline, STAGE_DECODE), 0);
    stage_move(&pipeline->stages[STAGE_FETCH]);
    still_look(pipeline, 10);
    CHECK_INT(still_ns(pipeline, STAGE_FETCH), 0);
    still_look(pipeline, 10);
    CHECK_INT(still_ns(pipeline, STAGE_FETCH), 10);
    stage_leave(&pipeline->stages[STAGE_FETCH]);
    still_look(pipeline, 10);
    CHECK_INT(still_ns(pipeline, STAGE_FETCH), 0);
    scene_close(&scene);
}

TEST(an_image_that_is_done_moves_the_decoders_and_no_fetching)
{
    static struct scene scene;
    scene_open(&scene, true);
    struct pipeline *pipeline = &scene.pipeline;
    for (int i = STAGE_FETCH; i <= STAGE_DECODE; i++)
        stage_enter(&pipeline->stages[i]);
    still_look(pipeline, 10);
    for (int i = STAGE_FETCH; i <= STAGE_DECODE; i++)
        stage_count_item(&pipeline->stages[i], 100, 0);
    still_look(pipeline, 10);
    CHECK_INT(still_ns(pipeline, STAGE_DECODE), 0);
    CHECK_INT(still_ns(pipeline, STAGE_FETCH), 10); /* what was given up has not moved it */
    still_look(pipeline, 10);
    CHECK_INT(still_ns(pipeline, STAGE_DECODE), 10);
    scene_close(&scene);
}

TEST(an_engine_that_says_that_it_moves_does_not_stand_still)
{
    static struct scene scene;
    scene_open(&scene, true);
    struct pipeline *pipeline = &scene.pipeline;
    still_look(pipeline, 10);
    still_look(pipeline, 10);
    CHECK_INT(still_ns(pipeline, STAGE_ENGINE), 0); /* it has nothing to do */
    fill_slot(&scene, 0);
    still_look(pipeline, 10);
    still_look(pipeline, 10);
    CHECK_INT(still_ns(pipeline, STAGE_ENGINE), 10);
    moved++;
    still_look(pipeline, 10);
    CHECK_INT(still_ns(pipeline, STAGE_ENGINE), 0);
    empty_slot(&scene);
    scene_close(&scene);
}

TEST(an_engine_that_cannot_say_may_take_twice_as_long_as_ever_and_long_for_its_first_slot)
{
    static struct scene scene;
    scene_open(&scene, false);
    struct pipeline *pipeline = &scene.pipeline;
    fill_slot(&scene, 0);
    still_look(pipeline, NS_PER_S);
    still_look(pipeline, 50 * NS_PER_S);
    CHECK_INT(still_ns(pipeline, STAGE_ENGINE), 0);
    still_look(pipeline, 7 * NS_PER_S);
    CHECK_INT(still_ns(pipeline, STAGE_ENGINE), 7 * NS_PER_S);
    empty_slot(&scene);
    uint64_t longest = batcher_longest_ns(pipeline->batcher);
    CHECK(longest > 0);
    fill_slot(&scene, BATCH);
    still_look(pipeline, NS_PER_S);
    pipeline->still[STAGE_ENGINE].ns = 0;
    still_look(pipeline, 2 * longest);
    CHECK_INT(still_ns(pipeline, STAGE_ENGINE), 0);
    still_look(pipeline, 9);
    CHECK_INT(still_ns(pipeline, STAGE_ENGINE), 9);
    empty_slot(&scene);
    scene_close(&scene);
}

/* ---- the watch ---- */

/* The limit is a nanosecond, so that whatever there is of a round is beyond it. */
static void watch_closely(struct scene *scene)
{
    struct why why;
    scene->pipeline.spec.preprocess.cpu_limit_ns = 1;
    CHECK_INT(pipeline_watch(&scene->pipeline, &why), 0); /* the first look sees no time */
}

TEST(a_decoder_that_computes_for_far_too_long_is_given_up)
{
    static struct scene scene;
    struct why why;
    scene_open(&scene, true);
    struct crumb *crumb = crumbs_decoder(scene.pipeline.spec.crumbs, 0);
    scene.watched.clock = CLOCK_THREAD_CPUTIME_ID;
    watch_closely(&scene);
    CHECK_INT(pipeline_watch(&scene.pipeline, &why), 0); /* it has no image */
    scene.pipeline.spec.preprocess.cpu_limit_ns = 1000 * NS_PER_S;
    crumb_leave(crumb, &scene.tasks[0], CRUMB_DECODE, 0);
    CHECK_INT(pipeline_watch(&scene.pipeline, &why), 0);
    scene.pipeline.spec.preprocess.cpu_limit_ns = 1;
    crumb_stage(crumb, CRUMB_WAIT);
    CHECK_INT(pipeline_watch(&scene.pipeline, &why), 0); /* it does not decode */
    crumb_stage(crumb, CRUMB_DECODE);
    CHECK_INT(pipeline_watch(&scene.pipeline, &why), -ETIMEDOUT);
    CHECK_CONTAINS(why.text, "item 0 of batch 6: its decoder has computed for");
    CHECK(crumb->marked && crumb->stage == CRUMB_ENDLESS);
    scene_close(&scene);
}

/* A process that is stopped, whose clock stands for that of a decoder that waits for something that does not come. */
static pid_t stop_a_process(clockid_t *ret_clock)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        raise(SIGSTOP);
        _exit(0);
    }
    CHECK(pid > 0 && waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
    CHECK_INT(clock_getcpuclockid(pid, ret_clock), 0);
    return pid;
}

TEST(a_decoder_that_has_an_image_and_uses_no_time_is_given_up)
{
    static struct scene scene;
    struct why why;
    struct timespec cpu;
    scene_open(&scene, true);
    pid_t pid = stop_a_process(&scene.watched.clock);
    struct crumb *crumb = crumbs_decoder(scene.pipeline.spec.crumbs, 0);
    watch_closely(&scene);
    CHECK_INT(clock_gettime(scene.watched.clock, &cpu), 0);
    crumb_leave(crumb, &scene.tasks[1], CRUMB_DECODE, (uint64_t)cpu.tv_sec * NS_PER_S + (uint64_t)cpu.tv_nsec);
    CHECK_INT(pipeline_watch(&scene.pipeline, &why), 0); /* it may just have begun */
    CHECK_INT(pipeline_watch(&scene.pipeline, &why), -ETIMEDOUT);
    CHECK_CONTAINS(why.text, "item 1 of batch 6: its decoder has stood still for");
    CHECK(crumb->marked && crumb->stage == CRUMB_ENDLESS);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    scene_close(&scene);
}

TEST(an_engine_that_stands_still_ends_the_process_and_all_in_it_is_suspect)
{
    static struct scene scene;
    struct why why;
    scene_open(&scene, true);
    fill_slot(&scene, 0);
    watch_closely(&scene);
    scene.pipeline.spec.preprocess.cpu_limit_ns = 0; /* no limit */
    CHECK_INT(pipeline_watch(&scene.pipeline, &why), 0);
    CHECK_INT(pipeline_watch(&scene.pipeline, &why), 0);
    scene.pipeline.spec.preprocess.cpu_limit_ns = 1;
    CHECK_INT(pipeline_watch(&scene.pipeline, &why), -ETIMEDOUT);
    CHECK_CONTAINS(why.text, "engine sim has stood still for 0 s with 4 images");
    empty_slot(&scene);
    scene_close(&scene);
}

TEST(a_process_that_was_stopped_has_not_stood_still_meanwhile)
{
    static struct scene scene;
    struct why why;
    scene_open(&scene, true);
    stage_enter(&scene.pipeline.stages[STAGE_FETCH]);
    CHECK_INT(pipeline_watch(&scene.pipeline, &why), 0);
    scene.pipeline.watched_ns -= 100 * NS_PER_S;
    CHECK_INT(pipeline_watch(&scene.pipeline, &why), 0);
    CHECK_INT(still_ns(&scene.pipeline, STAGE_FETCH), NS_PER_S);
    scene_close(&scene);
}
