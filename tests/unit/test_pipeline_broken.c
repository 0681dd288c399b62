/* test_pipeline_broken.c: a pipeline around an engine that breaks on purpose: in submit, in wait, or when a slot is asked for. */
#include "worker/engines/slots.h"
#include "worker/pipeline.h"

#include "tests/jpegs.h"
#include "tests/test.h"

#include <limits.h>
#include <poll.h>
#include <unistd.h>

#define BATCH 4
#define SLOTS 3

enum breaks { IN_SUBMIT, IN_WAIT, IN_ACQUIRE };

/* Computes nothing, at once; after `good` slots it breaks. */
struct engine {
    struct engine_info info;
    struct slots slots;
    enum breaks breaks;
    atomic_int good;
};

static bool breaks_now(struct engine *engine, enum breaks where)
{
    return engine->breaks == where && atomic_fetch_sub(&engine->good, 1) <= 0;
}

static const struct engine_info *fake_info(const struct engine *engine)
{
    return &engine->info;
}

static int fake_acquire(struct engine *engine, struct engine_slot **ret)
{
    return breaks_now(engine, IN_ACQUIRE) ? -ENOMEM : slots_acquire(&engine->slots, ret);
}

static int fake_submit(struct engine *engine, struct engine_slot *slot, int n, struct why *why)
{
    if (breaks_now(engine, IN_SUBMIT))
        return because(why, -EIO, "it broke in submit");
    int r = slots_submit(&engine->slots, slot, n, why);
    if (r < 0)
        return r;
    struct why sentence = { "it broke in wait" };
    struct slot *taken = slots_take(&engine->slots);
    slots_finish(&engine->slots, taken, breaks_now(engine, IN_WAIT) ? -EIO : 0, &sentence);
    return 0;
}

static int fake_wait(struct engine *engine, struct engine_slot **ret, struct why *why)
{
    return slots_wait(&engine->slots, ret, why);
}

static void fake_release(struct engine *engine, struct engine_slot *slot)
{
    slots_release(&engine->slots, slot);
}

static void fake_interrupt(struct engine *engine)
{
    slots_interrupt(&engine->slots);
}

static void fake_close(struct engine *engine)
{
    slots_done(&engine->slots);
}

static const struct engine_ops fake = { ENGINE_ABI, "fake", NULL, fake_info, fake_acquire, fake_submit, fake_wait, fake_release,
                                        fake_interrupt, fake_close, NULL, NULL, NULL };

static void open_fake(struct engine *engine, enum breaks breaks, int good)
{
    *engine = (struct engine){ .info = { .engine = "fake", .batch = BATCH, .slots = SLOTS, .threads = 1, .image_bytes = 24 * 24 * 3,
                                         .image_read = 8, .classes = 10, .top = 1 },
                               .breaks = breaks, .good = good };
    struct why why;
    CHECK_INT(slots_init(&engine->slots, &engine->info, &why), 0);
}

static struct work *make_work(uint64_t batch, const char *photo)
{
    struct rec_item items[20];
    struct work *work;
    for (int i = 0; i < 20; i++)
        items[i] = (struct rec_item){ .uri = i % 2 ? (struct span){ photo, (uint32_t)strlen(photo) } : (struct span){ "sim:1", 5 } };
    CHECK_INT(work_new(batch, 1, items, 20, 1, 0, &work), 0);
    return work;
}

static void draw_photo(char *path)
{
    struct jpeg_recipe recipe = { .name = "photo", .width = 40, .height = 40 };
    char here[PATH_MAX];
    size_t size;
    CLEANUP(freep) uint8_t *file = jpeg_draw(&recipe, &size);
    CHECK(getcwd(here, sizeof(here)));
    snprintf(path, PATH_MAX, "%.200s/photo.jpg", here);
    test_write_file(path, file, size);
}

struct answers {
    int notices, works, good;
    struct why why;
};

static void take_answers(struct mailbox *box, struct answers *answers)
{
    for (struct mail *mail = mailbox_take(box), *next; mail; mail = next) {
        next = mail->next;
        if (mail->kind == MAIL_BROKEN) {
            answers->notices++;
            answers->why = ((struct pipeline_notice *)mail)->why;
            free(mail);
            continue;
        }
        struct work *work = (struct work *)mail;
        CHECK(!work->unfinished);
        answers->works++;
        answers->good += !work->spoiled;
        for (uint32_t i = 0; !work->spoiled && i < work->count; i++)
            CHECK_INT(work->rows[i].error, ROW_OK);
        work_free(work);
    }
}

#define WORKS 6

static struct answers run_until_broken(enum breaks breaks, int good)
{
    struct pipeline_spec spec = { .fetch_threads = 3, .decode_threads = 8, .fetch_bytes = 1 << 16, .window = 400, .preprocess = { .resize = 32, .crop = 24 } };
    struct answers answers = { 0 };
    struct pipeline *pipeline;
    struct engine engine;
    struct mailbox box;
    struct why why;
    char photo[PATH_MAX];
    draw_photo(photo);
    CHECK_INT(mailbox_init(&box), 0);
    open_fake(&engine, breaks, good);
    CHECK_INT(pipeline_new(&spec, &fake, &engine, &box, &pipeline, &why), 0);
    for (uint64_t batch = 0; batch < WORKS; batch++)
        pipeline_submit(pipeline, make_work(batch, photo));
    while (!answers.notices) {
        struct pollfd wait = { .fd = box.fd, .events = POLLIN };
        CHECK_INT(poll(&wait, 1, -1), 1);
        take_answers(&box, &answers);
    }
    pipeline_submit(pipeline, make_work(WORKS, photo)); /* even now nothing hangs */
    pipeline_free(pipeline);
    take_answers(&box, &answers);
    mailbox_done(&box);
    CHECK_INT(answers.notices, 1);
    CHECK_INT(answers.works, WORKS + 1);
    CHECK(answers.good <= good * BATCH / 20);
    return answers;
}

TEST(an_engine_that_breaks_in_submit_spoils_its_works_once_and_says_why)
{
    for (int good = 0; good < 30; good += 7)
        CHECK_STR(run_until_broken(IN_SUBMIT, good).why.text, "it broke in submit");
}

TEST(an_engine_that_breaks_in_wait_spoils_its_works_once_and_says_why)
{
    for (int good = 0; good < 30; good += 7)
        CHECK_STR(run_until_broken(IN_WAIT, good).why.text, "it broke in wait");
}

TEST(an_engine_without_slots_spoils_its_works_once_and_says_why)
{
    for (int good = 0; good < 25; good += 8)
        CHECK_STR(run_until_broken(IN_ACQUIRE, good).why.text, "the engine stopped");
}

TEST(a_pipeline_that_cannot_start_closes_its_engine)
{
    struct pipeline_spec spec = { .fetch_threads = 1, .decode_threads = 1, .fetch_bytes = 1, .window = SIZE_MAX / 64, .preprocess = { .resize = 8, .crop = 8 } };
    struct pipeline *pipeline;
    struct engine engine;
    struct mailbox box;
    struct why why;
    CHECK_INT(mailbox_init(&box), 0);
    open_fake(&engine, IN_SUBMIT, 0);
    CHECK_INT(pipeline_new(&spec, &fake, &engine, &box, &pipeline, &why), -ENOMEM);
    CHECK_CONTAINS(why.text, "pipeline: cannot start");
    CHECK(!engine.slots.slots);
    CHECK(!mailbox_take(&box));
    mailbox_done(&box);
}
