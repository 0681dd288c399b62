/* test_batcher.c: what the batcher says of the images it has: which the engine works on, for the heartbeat and for the crumbs. */
#include "worker/batcher.h"
#include "worker/engines.h"

#include "tests/test.h"

#define BATCH 4

struct scene {
    struct engines_opened opened;
    struct crumbs *crumbs;
    struct batcher *batcher;
    struct task tasks[8];
    struct work work;
};

static void open_scene(struct scene *scene)
{
    struct engine_spec spec = { .height = 8, .width = 8, .std = { 1, 1, 1 }, .top = 1, .batch = BATCH, .threads = 1 };
    struct why why;
    *scene = (struct scene){ .work = { .job = 5, .batch = 6, .count = 8, .tasks = scene->tasks } };
    for (int i = 0; i < 8; i++)
        scene->tasks[i].work = &scene->work;
    CHECK_INT(engines_open("sim", &spec, &scene->opened, &why), 0);
    CHECK_INT(crumbs_anonymous(&scene->crumbs, &why), 0);
    CHECK_INT(batcher_new(scene->opened.ops, scene->opened.engine, scene->crumbs, &scene->batcher), 0);
}

static void close_scene(struct scene *scene)
{
    batcher_free(scene->batcher);
    scene->opened.ops->close(scene->opened.engine);
    crumbs_close(scene->crumbs);
}

static void put(struct scene *scene, int i)
{
    struct place place;
    struct why why;
    CHECK_INT(batcher_take(scene->batcher, &scene->tasks[i], &place), 0);
    memset(place.pixels, i, 8 * 8 * 3);
    CHECK_INT(batcher_fill(scene->batcher, &place, &why), 0);
}

static int crumbs_in_engine(const struct scene *scene)
{
    int count = 0;
    for (size_t i = 0; i < 64; i++)
        count += crumbs_engine(scene->crumbs, i)->stage == CRUMB_ENGINE;
    return count;
}

static void collect(struct scene *scene, int count)
{
    struct engine_slot *slot;
    struct task **tasks;
    struct why why;
    CHECK_INT(batcher_collect(scene->batcher, &slot, &tasks, &why), 0);
    CHECK_INT(slot->count, count);
    batcher_release(scene->batcher, slot);
}

TEST(images_in_a_slot_that_waits_for_more_are_not_being_worked_on)
{
    struct scene scene;
    struct why why;
    open_scene(&scene);
    put(&scene, 0);
    put(&scene, 1);
    CHECK_INT(batcher_submitted(scene.batcher), 0);
    CHECK_INT(crumbs_in_engine(&scene), 0);
    CHECK_INT(batcher_flush(scene.batcher, &why), 0);
    CHECK_INT(batcher_submitted(scene.batcher), 2);
    collect(&scene, 2);
    CHECK_INT(batcher_submitted(scene.batcher), 0);
    close_scene(&scene);
}

TEST(a_slot_that_is_not_full_waits_as_long_as_the_engine_has_work)
{
    struct scene scene;
    struct why why;
    open_scene(&scene);
    for (int i = 0; i < BATCH + 2; i++)
        put(&scene, i);
    CHECK_INT(batcher_flush(scene.batcher, &why), 0);
    CHECK_INT(batcher_submitted(scene.batcher), BATCH);
    collect(&scene, BATCH);
    CHECK_INT(batcher_submitted(scene.batcher), 0);
    CHECK_INT(batcher_flush(scene.batcher, &why), 0);
    CHECK_INT(batcher_submitted(scene.batcher), 2);
    collect(&scene, 2);
    close_scene(&scene);
}

TEST(all_images_of_submitted_slots_have_a_crumb_until_they_come_out)
{
    struct scene scene;
    open_scene(&scene);
    for (int i = 0; i < 7; i++)
        put(&scene, i);
    CHECK_INT(batcher_submitted(scene.batcher), BATCH);
    CHECK_INT(crumbs_in_engine(&scene), BATCH);
    put(&scene, 7);
    CHECK_INT(crumbs_in_engine(&scene), 2 * BATCH);
    collect(&scene, BATCH);
    CHECK_INT(crumbs_in_engine(&scene), BATCH);
    collect(&scene, BATCH);
    CHECK_INT(crumbs_in_engine(&scene), 0);
    close_scene(&scene);
}
